"""`scones doctor`."""

from collections import Counter
from typing import Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_ERROR, EXIT_UNSUCCESSFUL, CommandContext
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

STATUS_TITLES: dict[Status, str] = {
    "problem": "to fix",
    "unknown": "not readable",
    "warning": "to check",
    "ok": "ok",
    "not_checked": "not checked",
}
"""Words of the last line by status."""


def doctor(ctx: CommandContext) -> None:
    """Check an account, a region and a stack.

    Before a deployment, it checks what samconfig.toml would deploy. The exit code is 1 if
    something must be done, 3 if something could not be read, and 0 otherwise.
    """
    applies = applies_locally if ctx.is_local else applies_on_aws
    with ctx.output.progress_bar("Checking", sum(map(applies, CHECKS))) as on_progress:
        examination = examine(ctx.session, ctx.stack_name, applies, on_progress)
    ctx.output.print_result(
        _examination_json(ctx, examination), *_format_examination(ctx, examination)
    )
    if examination.has("problem"):
        raise typer.Exit(EXIT_UNSUCCESSFUL)
    if examination.has("unknown"):
        raise typer.Exit(EXIT_ERROR)


def _examination_json(ctx: CommandContext, examination: Examination) -> dict[str, Any]:
    subject = examination.subject
    return {
        "stack": ctx.stack_name,
        "region": ctx.session.region_name,
        "deployed": bool(subject and subject.deployment),
        "parameters_from": subject.source if subject else None,
        "checks": [
            {
                "check": name,
                "status": finding.status,
                "message": finding.message,
                "advice": finding.advice or None,
                "command": finding.command or None,
            }
            for name, finding in examination.findings.items()
        ],
        "counts": _counts(examination),
    }


def _counts(examination: Examination) -> dict[str, int]:
    counts = Counter(finding.status for finding in examination.findings.values())
    return {status: counts[status] for status in STATUS_TITLES}


def _format_examination(ctx: CommandContext, examination: Examination) -> list[RenderableType]:
    width = max(map(len, examination.findings))
    line = _wrapped if ctx.output.is_terminal else _unwrapped
    lines: list[RenderableType] = []
    for name, finding in examination.findings.items():
        mark, style = MARKS[finding.status]
        lines.append(line(Text(mark, style=style), name, finding.message, width))
        if finding.advice:
            lines.append(line(Text(" "), "", f"→ {ctx.format_commands(finding.advice)}", width))
        if finding.command:
            # Whole, so that it can be copied.
            lines.append(f"    {finding.command}")
    counts = _counts(examination)
    summary = ", ".join(
        f"{counts[status]} {word}" for status, word in STATUS_TITLES.items() if counts[status]
    )
    return [*lines, "", summary]


def _wrapped(mark: Text, name: str, text: str, width: int) -> Table:
    """Return a line for a terminal: long text wraps beside the name."""
    row = formatting.plain_table()
    row.show_header = False
    row.add_column(width=1)
    row.add_column(width=width)
    row.add_column(overflow="fold")
    row.add_row(mark, name, text)
    return row


def _unwrapped(mark: Text, name: str, text: str, width: int) -> Text:
    """Return a line for a file or a pipe."""
    return Text(no_wrap=True).append(mark).append(f"  {name:<{width}}  {text}")
