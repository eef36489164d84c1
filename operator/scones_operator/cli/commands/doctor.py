"""`scones doctor`."""

from collections import Counter
from typing import Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import FAULT, OTHERWISE, Desk
from scones_operator.doctor.examination import (
    CHECKS,
    Examination,
    applies_locally,
    applies_on_aws,
    examine,
)
from scones_operator.doctor.findings import Status

MARKS: dict[Status, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "red"),
    "unknown": ("?", "magenta"),
    "not_checked": ("-", "dim"),
}
"""Mark and style by status."""

COUNTED: dict[Status, str] = {
    "problem": "to fix",
    "unknown": "not readable",
    "warning": "to check",
    "ok": "ok",
    "not_checked": "not checked",
}
"""Words of the last line by status."""


def doctor(desk: Desk) -> None:
    """Check an account, a region and a stack.

    Before a deployment, it checks what samconfig.toml would deploy. The exit code is 1 if
    something must be done, 3 if something could not be read, and 0 otherwise.
    """
    applies = applies_locally if desk.is_local else applies_on_aws
    with desk.screen.counting("Checking", sum(map(applies, CHECKS))) as on_progress:
        examination = examine(desk.session, desk.stack_name, applies, on_progress)
    desk.screen.answer(_record(desk, examination), *_shown(desk, examination))
    if examination.has("problem"):
        raise typer.Exit(OTHERWISE)
    if examination.has("unknown"):
        raise typer.Exit(FAULT)


def _record(desk: Desk, examination: Examination) -> dict[str, Any]:
    subject = examination.subject
    return {
        "stack": desk.stack_name,
        "region": desk.session.region_name,
        "deployed": bool(subject and subject.deployment),
        "parameters_from": subject.source if subject else None,
        "checks": [
            {
                "check": name,
                "status": finding.status,
                "found": finding.found,
                "advice": finding.advice or None,
                "command": finding.command or None,
            }
            for name, finding in examination.findings.items()
        ],
        "counts": _counts(examination),
    }


def _counts(examination: Examination) -> dict[str, int]:
    found = Counter(finding.status for finding in examination.findings.values())
    return {status: found[status] for status in COUNTED}


def _shown(desk: Desk, examination: Examination) -> list[RenderableType]:
    width = max(map(len, examination.findings))
    line = _wrapped if desk.screen.is_terminal else _whole
    shown: list[RenderableType] = []
    for name, finding in examination.findings.items():
        mark, style = MARKS[finding.status]
        shown.append(line(Text(mark, style=style), name, finding.found, width))
        if finding.advice:
            shown.append(line(Text(" "), "", f"→ {desk.written(finding.advice)}", width))
        if finding.command:
            # Whole, so that it can be copied.
            shown.append(f"    {finding.command}")
    counts = _counts(examination)
    summary = ", ".join(
        f"{counts[status]} {word}" for status, word in COUNTED.items() if counts[status]
    )
    return [*shown, "", summary]


def _wrapped(mark: Text, name: str, text: str, width: int) -> Table:
    """Return a line for a terminal: long text wraps beside the name."""
    row = formatting.table()
    row.show_header = False
    row.add_column(width=1)
    row.add_column(width=width)
    row.add_column(overflow="fold")
    row.add_row(mark, name, text)
    return row


def _whole(mark: Text, name: str, text: str, width: int) -> Text:
    """Return a line for a file or a pipe."""
    return Text(no_wrap=True).append(mark).append(f"  {name:<{width}}  {text}")
