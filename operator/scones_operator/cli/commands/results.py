"""`scones results`."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import Desk
from scones_operator.cli.times import HOW, parse_moment, shown
from scones_operator.photos import results as operations
from scones_operator.photos.results import Wanted
from scones_operator.rounding import format_share

if TYPE_CHECKING:
    from scones.events import Status
    from scones.records import Record


class End(StrEnum):
    """How a photo may have ended; Typer takes no list of literals."""

    CLASSIFIED = "classified"
    NEEDS_REVIEW = "needs_review"
    REJECTED = "rejected"
    FAILED = "failed"


COLUMNS = ("time", "status", "label", "conf.", "bay", "reason or review", "photo")


def results(
    desk: Desk,
    status: Annotated[list[End] | None, typer.Option(help="Only this status, repeatable.")] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Only this label: of the review, otherwise the predicted one."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME", parser=parse_moment, help=f"Decided at or after this time, {HOW}."
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
    statuses: Sequence[Status] | None = [end.value for end in status] if status else None
    wanted = Wanted(statuses, label, since)
    if not (follow or limit):
        raise typer.BadParameter("--limit 0 shows nothing without --follow")
    if follow:
        _follow(desk, wanted, limit)
        return
    # It brings Pydantic and the photos' decoders, which takes long beside showing help.
    from scones.records import Skipped  # noqa: PLC0415
    from scones_operator.cli.commands.result_formatting import result_record  # noqa: PLC0415

    skipped = Skipped()
    read = operations.read_results(desk.session, desk.stack, wanted, skipped)
    found = list(islice(read, limit))
    more = next(read, None) is not None
    record = {
        "results": [result_record(item) for item in found],
        "more": more,
        "skipped": len(skipped),
    }
    lines = formatting.columns(COLUMNS, [_cells(desk, item) for item in found])
    if skipped.message:
        desk.screen.say(skipped.message)
    desk.screen.answer(record, *(lines if found else [_nothing(desk, wanted)]))
    if more:
        desk.screen.say(f"These are the latest {limit}. For more: --limit {2 * limit}, or --since.")


def _follow(desk: Desk, wanted: Wanted, first: int) -> None:
    from scones.records import Skipped, UnreadableRecord  # noqa: PLC0415
    from scones_operator.cli.commands.result_formatting import result_record  # noqa: PLC0415

    class Shown(Skipped):
        """Shows each record that is skipped when it is found."""

        def add(self, error: UnreadableRecord) -> None:
            before = len(self)
            super().add(error)
            if len(self) > before:
                desk.screen.say(str(error))

    desk.screen.say("Waiting for new results. Stop with Ctrl-C.")
    try:
        for item in operations.follow_results(desk.session, desk.stack, wanted, first, Shown()):
            desk.screen.item(result_record(item), _line(desk, item))
    except KeyboardInterrupt:
        return


def _cells(desk: Desk, record: "Record") -> tuple[str, Text, str, str, str, str, str]:
    from scones_operator.cli.commands.result_formatting import note_shown, status_shown  # noqa: PLC0415

    detail = record.decided
    return (
        shown(detail.timings.decided_at)[5:],
        status_shown(detail.status),
        detail.label or "-",
        "-" if detail.confidence is None else format_share(detail.confidence, detail.threshold),
        record.effective_bay(desk.stack.loading_bays) or "-",
        note_shown(record),
        formatting.photo_shown(detail.photo.key),
    )


def _line(desk: Desk, record: "Record") -> Text:
    """Return a result as one line, with a column for the longest class."""
    wide = max(map(len, desk.stack.class_names))
    time, status, label, confidence, bay, note, photo = _cells(desk, record)
    status.pad_right(12 - len(status))
    line = Text(f"{time}  ") + status
    line += Text(f"  {label:<{wide}}  {confidence:<4}  {bay:<3}  {f'{note}  ' if note else ''}")
    return line + Text(photo, style="dim")


def _nothing(desk: Desk, wanted: Wanted) -> str:
    since = f" since {shown(wanted.since)}" if wanted.since else ""
    names = desk.stack.class_names
    if wanted.label and wanted.label not in names:
        return f"There are no results of {wanted.label}{since}; the classes are {', '.join(names)}."
    which = f" of {wanted.label}" if wanted.label else ""
    return f"There are no such results{which}{since}."
