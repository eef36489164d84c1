"""`scones results`."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import CommandContext
from scones_operator.cli.times import TIME_FORMAT_HELP, format_time, parse_time
from scones_operator.photos import results as operations
from scones_operator.photos.results import ResultFilter
from scones_operator.rounding import format_share

if TYPE_CHECKING:
    from scones.events import Status
    from scones.records import Record


class StatusOption(StrEnum):
    """How a photo may have ended; Typer takes no list of literals."""

    CLASSIFIED = "classified"
    NEEDS_REVIEW = "needs_review"
    REJECTED = "rejected"
    FAILED = "failed"


COLUMNS = ("time", "status", "label", "conf.", "bay", "reason or review", "photo")


def results(
    ctx: CommandContext,
    status: Annotated[
        list[StatusOption] | None, typer.Option(help="Only this status, repeatable.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Only this label: of the review, otherwise the predicted one."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=parse_time,
            help=f"Decided at or after this time, {TIME_FORMAT_HELP}.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of results.")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new results as they arrive, until Ctrl-C.")
    ] = False,
) -> None:
    """List classification results, newest first.

    With --follow, the newest is last. With --follow --json the output is one object per line.
    """
    statuses: Sequence[Status] | None = [option.value for option in status] if status else None
    result_filter = ResultFilter(statuses, label, since)
    if not (follow or limit):
        raise typer.BadParameter("--limit 0 shows nothing without --follow")
    if follow:
        _follow(ctx, result_filter, limit)
        return
    # It brings Pydantic and the photos' decoders, which takes long beside showing help.
    from scones.records import Skipped  # noqa: PLC0415
    from scones_operator.cli.commands.result_formatting import result_json  # noqa: PLC0415

    skipped = Skipped()
    matching = operations.read_results(ctx.session, ctx.stack, result_filter, skipped)
    records = list(islice(matching, limit))
    more = next(matching, None) is not None
    result = {
        "results": [result_json(record_found) for record_found in records],
        "more": more,
        "skipped": len(skipped),
    }
    lines = formatting.format_columns(
        COLUMNS, [_cells(ctx, record_found) for record_found in records]
    )
    if skipped.message:
        ctx.output.print_info(skipped.message)
    ctx.output.print_result(result, *(lines if records else [_no_results_text(ctx, result_filter)]))
    if more:
        ctx.output.print_info(
            f"These are the latest {limit}. For more: --limit {2 * limit}, or --since."
        )


def _follow(ctx: CommandContext, result_filter: ResultFilter, limit: int) -> None:
    from scones.records import Skipped, UnreadableRecord  # noqa: PLC0415
    from scones_operator.cli.commands.result_formatting import result_json  # noqa: PLC0415

    class Shown(Skipped):
        """Shows each record that is skipped when it is found."""

        def add(self, error: UnreadableRecord) -> None:
            before = len(self)
            super().add(error)
            if len(self) > before:
                ctx.output.print_info(str(error))

    ctx.output.print_info("Waiting for new results. Stop with Ctrl-C.")
    try:
        for record in operations.follow_results(
            ctx.session, ctx.stack, result_filter, limit, Shown()
        ):
            ctx.output.print_item(result_json(record), _line(ctx, record))
    except KeyboardInterrupt:
        return


def _cells(ctx: CommandContext, record: "Record") -> tuple[str, Text, str, str, str, str, str]:
    from scones_operator.cli.commands.result_formatting import format_note, format_status  # noqa: PLC0415

    decision = record.decision
    return (
        format_time(decision.timings.decided_at)[5:],
        format_status(decision.status),
        decision.label or "-",
        "-"
        if decision.confidence is None
        else format_share(decision.confidence, decision.threshold),
        record.effective_bay(ctx.stack.loading_bays) or "-",
        format_note(record),
        formatting.display_key(decision.photo.key),
    )


def _line(ctx: CommandContext, record: "Record") -> Text:
    """Return a result as one line, with a column for the longest class."""
    wide = max(map(len, ctx.stack.class_names))
    time, status, label, confidence, bay, note, photo = _cells(ctx, record)
    status.pad_right(12 - len(status))
    line = Text(f"{time}  ") + status
    line += Text(f"  {label:<{wide}}  {confidence:<4}  {bay:<3}  {f'{note}  ' if note else ''}")
    return line + Text(photo, style="dim")


def _no_results_text(ctx: CommandContext, result_filter: ResultFilter) -> str:
    since = f" since {format_time(result_filter.since)}" if result_filter.since else ""
    names = ctx.stack.class_names
    if result_filter.label and result_filter.label not in names:
        classes = ", ".join(names)
        return f"There are no results of {result_filter.label}{since}; the classes are {classes}."
    selector = f" of {result_filter.label}" if result_filter.label else ""
    return f"There are no such results{selector}{since}."
