"""How outcomes, versions and questions are put to a person, and to a program."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scones_operator.aws.executions import ExecutionOutcome, outcome_title
from scones_operator.cli.plain_text import EscapingTable
from scones_operator.escaping import escape
from scones_operator.models.promotion import ApprovalRequest
from scones_operator.photos.uploads import INCOMING_PREFIX

SUCCESS_OUTCOMES = {"registered", "promoted", "already_in_production"}


def format_number(value: float | None, digits: int = 3) -> str:
    """Write a share, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def format_fields(rows: Mapping[str, object]) -> list[str]:
    """Lay out names and values, a line each, without those that are empty.

    Examples
    --------
    >>> format_fields({"run": "scones-1", "evaluation": None, "accuracy": "0.950"})
    ['run       scones-1', 'accuracy  0.950']
    """
    filled = {name: value for name, value in rows.items() if value not in (None, "")}
    width = max(map(len, filled), default=0)
    return [f"{name:<{width}}  {value}" for name, value in filled.items()]


def plain_table() -> Table:
    """Make a table without lines."""
    return EscapingTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")


def display_key(key: str) -> str:
    """Write a photo's key for a person; every one begins alike.

    Examples
    --------
    >>> display_key("incoming/north-gate/7.jpg")
    'north-gate/7.jpg'
    """
    return key.removeprefix(INCOMING_PREFIX)


def photo_argument(key: str) -> str:
    """Return a photo as an argument of a command that can be copied.

    A name that does not print is given as in the message to reviewers, percent-encoded.

    Examples
    --------
    >>> photo_argument("incoming/north gate.jpg"), photo_argument("incoming/--undo")
    ("'north gate.jpg'", 'incoming/--undo')
    """
    name = display_key(key)
    if escape(name) != name:
        return quote(key)
    return shlex.quote(key if name.startswith("-") else name)


def format_columns(header: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> list[Text]:
    """Lay out rows in columns, a line each, however narrow the terminal is.

    Parameters
    ----------
    header
        What the columns are called.
    rows
        One cell a column; the last may be as long as it likes.

    Examples
    --------
    >>> rows = [["failed", "a.png"], ["-", "b"]]
    >>> [line.plain for line in format_columns(["status", "photo"], rows)]
    ['status  photo', 'failed  a.png', '-       b']
    """
    cells = [[Text(name, style="dim") for name in header], *rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        line = Text(no_wrap=True)
        for cell, width in zip(row, widths, strict=True):
            line.append(cell)
            line.append(" " * (width - _width(cell)) + "  ")
        line.right_crop(len(line.plain) - len(line.plain.rstrip(" ")))
        lines.append(line)
    return lines


def _width(cell: str | Text) -> int:
    """Return the width of a cell as the screen shows it."""
    return cell_len(escape(str(cell)))


def format_outcome(outcome: ExecutionOutcome) -> Text:
    """Say what an execution came to."""
    style = "green" if outcome.outcome in SUCCESS_OUTCOMES else "yellow"
    title = outcome_title(outcome.outcome, outcome.details.get("kind"))
    return Text(f"{title}: ", style=f"bold {style}") + Text(outcome.message)


def outcome_json(outcome: ExecutionOutcome) -> dict[str, Any]:
    """Return an outcome for a program: all that the machine answered, and the execution."""
    return {**outcome.details, "execution": outcome.execution}


def approval_request_json(request: ApprovalRequest) -> dict[str, Any]:
    """Return a question for a program."""
    return {
        "version": request.version,
        "smoke_test": request.smoke_test,
        "asked_at": request.requested_at,
        "execution": request.execution,
    }


def format_approval_request(request: ApprovalRequest) -> list[RenderableType]:
    """Put a question to a person."""
    requested_at = request.requested_at.astimezone().strftime("%Y-%m-%d %H:%M")
    rows = {"smoke test": request.smoke_test, "waiting since": requested_at}
    return [
        Text(f"Version {request.version} is in staging. Promote it to production?", style="bold"),
        *format_fields(rows),
    ]


def approval_commands(request: ApprovalRequest) -> str:
    """Say which commands answer a question."""
    version = request.version
    return f"scones promote --approve {version}, or scones promote --reject {version}"
