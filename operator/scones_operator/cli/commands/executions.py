"""`scones executions`."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from scones_operator.aws.execution_list import (
    DEFAULT_LOOKBACK,
    STATE_MACHINES,
    ExecutionSummary,
    StateMachineName,
    list_executions,
)
from scones_operator.aws.executions import outcome_title
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import CommandContext
from scones_operator.cli.output import format_duration
from scones_operator.cli.times import TIME_FORMAT_HELP, format_time, parse_time

STYLES = {"running": "cyan", "succeeded": "green"}
FAILED_STYLE = "red"
COLUMNS = ("state machine", "started", "duration", "outcome", "details")
MAX_DETAILS_LENGTH = 120
"""Characters of what a line says of an execution that ended well; --json has all of it."""

DEFAULT_DAYS = DEFAULT_LOOKBACK.days


def executions(
    ctx: CommandContext,
    state_machine: Annotated[
        StateMachineName | None,
        typer.Argument(metavar="[retrain|promote|classify]", help="State machine (default: all)."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number per state machine.")] = 10,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=parse_time,
            help=f"Started at or after this time, {TIME_FORMAT_HELP} (default for classify: "
            f"{DEFAULT_DAYS} day ago).",
        ),
    ] = None,
) -> None:
    """List executions of the state machines, latest first.

    Shows the start, duration and outcome of each.
    """
    found = [
        execution
        for name in ([state_machine] if state_machine else STATE_MACHINES)
        for execution in list_executions(ctx.session, ctx.stack, name, limit, since)
    ]
    found.sort(key=lambda execution: execution.started_at, reverse=True)
    selector = f"of {state_machine} " if state_machine else ""
    empty_text = f"No executions {selector}found. To go further back, give --since."
    record = {"executions": [_execution_json(execution) for execution in found]}
    lines = formatting.format_columns(COLUMNS, [_cells(execution) for execution in found])
    ctx.output.print_result(record, *(lines if found else [empty_text]))


def _execution_json(execution: ExecutionSummary) -> dict[str, Any]:
    duration = None
    if execution.ended_at:
        duration = round((execution.ended_at - execution.started_at).total_seconds(), 3)
    return {
        "state_machine": execution.state_machine,
        "execution": execution.arn,
        "status": execution.status,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
        "seconds": duration,
        "outcome": execution.outcome,
        "message": execution.message or None,
        "photo": execution.photo,
    }


def _cells(execution: ExecutionSummary) -> list[str | Text]:
    duration = "-"
    if execution.ended_at:
        duration = format_duration(execution.ended_at - execution.started_at)
    status = execution.status
    # An execution that ends in a photo's failure has failed too.
    outcome = outcome_title(execution.outcome or status, execution.kind)
    photo = formatting.display_key(execution.photo or "")
    more = "  ".join(filter(None, (photo, execution.message)))
    return [
        execution.state_machine,
        format_time(execution.started_at),
        duration,
        Text(outcome, style=STYLES.get(status, FAILED_STYLE)),
        f"{more[: MAX_DETAILS_LENGTH - 1]}…"
        if status == "succeeded" and len(more) > MAX_DETAILS_LENGTH
        else more,
    ]
