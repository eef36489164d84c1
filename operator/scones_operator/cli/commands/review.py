"""`scones review`, `scones label` and `scones console`."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.cli.times import shown
from scones_operator.escaping import quote
from scones_operator.photos.history import find_key

if TYPE_CHECKING:
    from scones.records import Record
    from scones_operator.review.queue import FinishedReview

PORT = 8765


def review(
    desk: Desk,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of photos.")] = 20,
) -> None:
    """List the photos that need review, oldest first.

    Also finishes reviews that were saved, but not added to the dataset yet. The exit code is 1 if
    one cannot be finished.
    """
    # It brings Pillow and more, which other commands do without.
    from scones.records import Skipped  # noqa: PLC0415
    from scones_operator.review.queue import finish, waiting  # noqa: PLC0415

    skipped = Skipped()
    finished = finish(desk.session, desk.stack)
    found = list(islice(waiting(desk.session, desk.stack, skipped), limit + 1))
    first = found[:limit]
    record: dict[str, Any] = {
        "waiting": [_record(item) for item in first],
        "more": len(found) > limit,
        "finished": [{"photo": item.photo, "trouble": item.trouble} for item in finished],
        "skipped": len(skipped),
    }
    for line in (*_finished_shown(finished), *filter(None, [skipped.message])):
        desk.screen.say(line)
    desk.screen.answer(record, *_waiting_shown(desk, first, more=record["more"]))
    if any(item.trouble for item in finished):
        raise typer.Exit(OTHERWISE)


def label(
    desk: Desk,
    photo: Annotated[
        str,
        typer.Argument(
            metavar="PHOTO", help="Key, S3 URI, or the end of the key of a recent photo."
        ),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="CLASS", help="Class that the photo shows.")
    ] = None,
    not_a_vehicle: Annotated[
        bool,
        typer.Option("--not-a-vehicle", help="The photo shows none of the classes."),
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Undo the latest review, whoever made it.")
    ] = False,
    version: Annotated[
        str | None, typer.Option(help="Object version, if several of the photo need review.")
    ] = None,
) -> None:
    """Label a photo and add it to the dataset."""
    from scones_operator.review import queue as reviewing  # noqa: PLC0415

    if sum((name is not None, not_a_vehicle, undo)) != 1:
        raise typer.BadParameter("give one of CLASS, --not-a-vehicle and --undo")
    session, stack = desk.session, desk.stack
    key = find_key(session, stack, photo)
    if undo:
        meant = reviewing.find_reviewed(session, stack, key, version)
        said = reviewing.said(meant.review) if meant.review else ""
        record = reviewing.undo(session, stack, meant)
        desk.screen.answer(_record(record), f"{_name(record)} needs review again ({said}).")
        return
    waits = reviewing.find_waiting(session, stack, key, version)
    if name is None:
        record = reviewing.say_not_a_vehicle(session, stack, waits)
    else:
        record = reviewing.label(session, stack, waits, name)
    desk.screen.answer(_record(record), *_labelled(desk, record))


def console(
    desk: Desk,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this computer; 0 for any free one.")
    ] = PORT,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print the link and do not open a browser.")
    ] = False,
) -> None:
    """Open the web page for reviews, results and models.

    It is served on this computer only, until Ctrl-C.
    """
    from contextlib import ExitStack  # noqa: PLC0415

    from scones_operator.console.browser import browser_opened  # noqa: PLC0415
    from scones_operator.console.server import Page  # noqa: PLC0415

    page = Page(desk.connect, desk.stack, desk.user, port)
    with ExitStack() as until_the_end:

        def opened() -> None:
            desk.screen.answer({"url": page.url}, page.url)
            desk.screen.say(
                "Stop with Ctrl-C. Anyone on this computer with the link has access: do not "
                "share it."
            )
            if not no_open:
                # Some browsers may not read files: those of snap packages, of Windows beside Linux.
                desk.screen.say(
                    "If the page does not open in your browser, open the link yourself."
                )
                until_the_end.enter_context(browser_opened(page.url))

        page.serve(opened)
    desk.screen.say("Stopped.")


def _waiting_shown(desk: Desk, found: "Sequence[Record]", *, more: bool) -> list[Any]:
    if not found:
        return ["No photos need review."]
    say = f"scones label {formatting.photo_argument(found[0].decided.photo.key)} CLASS"
    classes = ", ".join(desk.stack.class_names)
    others = (
        [f"These are the oldest {len(found)}. For more: --limit {2 * len(found)}."] if more else []
    )
    return [_table(found), *others, f"{say} (CLASS: {classes}), or scones console"]


def _labelled(desk: Desk, record: "Record") -> list[str]:
    said = record.review
    key = said.dataset_key if said else None
    filed = formatting.fields({"filed": f"s3://{desk.stack.data_bucket}/{key}"}) if key else []
    if said is None or said.label is None:
        nothing = "" if key else "; the photo does not exist or cannot be read, so it is not filed"
        return [f"{_name(record)} shows none of the classes{nothing}.", *filed]
    bay = desk.stack.loading_bays.get(said.label)
    where = f", loading bay {bay}" if bay else ""
    return [f"{_name(record)} is {said.label}{where}.", *filed]


def _finished_shown(finished: "Sequence[FinishedReview]") -> list[str]:
    return [
        f"{quote(item.photo)}: {item.trouble}"
        if item.trouble
        else f"{quote(item.photo)}: finished an interrupted review"
        for item in finished
    ]


def _record(record: "Record") -> dict[str, Any]:
    decided = record.decided
    return {
        "photo": record.photo,
        "version": record.version,
        "uploaded_at": decided.timings.uploaded_at,
        "decided_at": decided.timings.decided_at,
        "guess": decided.label,
        "confidence": decided.confidence,
        "probabilities": decided.probabilities,
        "threshold": decided.threshold,
        "familiarity": decided.familiarity,
        "familiarity_limit": decided.familiarity_limit,
        "reason": decided.reason.model_dump(mode="json") if decided.reason else None,
        "review": record.review.model_dump(mode="json") if record.review else None,
    }


def _table(found: "Sequence[Record]") -> Table:
    from scones_operator.cli.commands.result_formatting import review_reason_shown  # noqa: PLC0415

    table = formatting.table()
    table.add_column("waiting since", no_wrap=True)
    table.add_column("photo", overflow="fold")
    table.add_column("predicted", no_wrap=True)
    table.add_column("confidence", no_wrap=True, justify="right")
    table.add_column("reason", no_wrap=True)
    for record in found:
        decided = record.decided
        table.add_row(
            shown(decided.timings.decided_at),
            Text(_name(record)),
            Text(decided.label or "-"),
            formatting.figure(decided.confidence),
            review_reason_shown(decided),
        )
    return table


def _name(record: "Record") -> str:
    return formatting.photo_shown(record.decided.photo.key)
