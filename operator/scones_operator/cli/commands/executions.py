"""`scones executions`."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from scones_operator.aws.execution_list import (
    LOOK_BACK,
    MACHINES,
    Machine,
    PastExecution,
    read_executions,
)
from scones_operator.aws.executions import outcome_title
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import Desk
from scones_operator.cli.output import duration
from scones_operator.cli.times import HOW, parse_moment, shown

STYLES = {"running": "cyan", "succeeded": "green"}
BAD = "red"
COLUMNS = ("state machine", "started", "duration", "outcome", "details")
LONGEST = 120
"""Characters of what a line says of an execution that ended well; --json has all of it."""

DAYS = LOOK_BACK.days


def executions(
    desk: Desk,
    machine: Annotated[
        Machine | None,
        typer.Argument(metavar="[retrain|promote|classify]", help="State machine (default: all)."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number per state machine.")] = 10,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=parse_moment,
            help=f"Started at or after this time, {HOW} (default for classify: {DAYS} day ago).",
        ),
    ] = None,
) -> None:
    """List executions of the state machines, latest first.

    Shows the start, duration and outcome of each.
    """
    found = [
        execution
        for name in ([machine] if machine else MACHINES)
        for execution in read_executions(desk.session, desk.stack, name, limit, since)
    ]
    found.sort(key=lambda execution: execution.started_at, reverse=True)
    which = f"of {machine} " if machine else ""
    nothing = f"No executions {which}found. To go further back, give --since."
    record = {"executions": [_record(execution) for execution in found]}
    lines = formatting.columns(COLUMNS, [_cells(execution) for execution in found])
    desk.screen.answer(record, *(lines if found else [nothing]))


def _record(execution: PastExecution) -> dict[str, Any]:
    lasted = None
    if execution.ended_at:
        lasted = round((execution.ended_at - execution.started_at).total_seconds(), 3)
    return {
        "machine": execution.machine,
        "execution": execution.arn,
        "status": execution.status,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
        "seconds": lasted,
        "outcome": execution.outcome,
        "message": execution.message or None,
        "photo": execution.photo,
    }


def _cells(execution: PastExecution) -> list[str | Text]:
    lasted = "-"
    if execution.ended_at:
        lasted = duration(execution.ended_at - execution.started_at)
    status = execution.status
    # An execution that ends in a photo's failure has failed too.
    outcome = outcome_title(execution.outcome or status, execution.kind)
    photo = formatting.photo_shown(execution.photo or "")
    more = "  ".join(filter(None, (photo, execution.message)))
    return [
        execution.machine,
        shown(execution.started_at),
        lasted,
        Text(outcome, style=STYLES.get(status, BAD)),
        f"{more[: LONGEST - 1]}…" if status == "succeeded" and len(more) > LONGEST else more,
    ]
