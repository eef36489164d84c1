"""`scones review`, `scones label` and `scones console`."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.cli.times import format_time
from scones_operator.escaping import quote
from scones_operator.photos.history import find_key

if TYPE_CHECKING:
    from scones.records import Record
    from scones_operator.review.queue import ResumedReview

PORT = 8765


def review(
    ctx: CommandContext,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of photos.")] = 20,
) -> None:
    """List the photos that need review, oldest first.

    Also finishes reviews that were saved, but not added to the dataset yet. The exit code is 1 if
    one cannot be finished.
    """
    # It brings Pillow and more, which other commands do without.
    from scones.records import Skipped  # noqa: PLC0415
    from scones_operator.review.queue import list_pending, resume_reviews  # noqa: PLC0415

    skipped = Skipped()
    resumed = resume_reviews(ctx.session, ctx.stack)
    records = list(islice(list_pending(ctx.session, ctx.stack, skipped), limit + 1))
    first = records[:limit]
    record: dict[str, Any] = {
        "pending": [_record_json(resumed_review) for resumed_review in first],
        "more": len(records) > limit,
        "resumed": [
            {"photo": resumed_review.photo, "error": resumed_review.error}
            for resumed_review in resumed
        ],
        "skipped": len(skipped),
    }
    for text in (*_format_resumed(resumed), *filter(None, [skipped.message])):
        ctx.output.print_info(text)
    ctx.output.print_result(record, *_format_pending(ctx, first, more=record["more"]))
    if any(resumed_review.error for resumed_review in resumed):
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def label(  # noqa: PLR0913, PLR0917  (its options)
    ctx: CommandContext,
    photo: Annotated[
        str,
        typer.Argument(
            metavar="PHOTO", help="Key, S3 URI, or the end of the key of a recent photo."
        ),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="CLASS", help="Class that the photo shows.")
    ] = None,
    none: Annotated[
        bool,
        typer.Option("--none", help="The photo shows none of the classes."),
    ] = False,
    not_a_vehicle: Annotated[bool, typer.Option("--not-a-vehicle", hidden=True)] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Undo the latest review, whoever made it.")
    ] = False,
    version: Annotated[
        str | None, typer.Option(help="Object version, if several of the photo need review.")
    ] = None,
) -> None:
    """Label a photo and add it to the dataset."""
    from scones_operator.review import queue as reviewing  # noqa: PLC0415

    none = none or not_a_vehicle  # the option's former name
    if sum((name is not None, none, undo)) != 1:
        raise typer.BadParameter("give one of CLASS, --none and --undo")
    session, stack = ctx.session, ctx.stack
    key = find_key(session, stack, photo)
    if undo:
        reviewed = reviewing.get_reviewed(session, stack, key, version)
        description = reviewing.describe_review(reviewed.review) if reviewed.review else ""
        record = reviewing.undo(session, stack, reviewed)
        ctx.output.print_result(
            _record_json(record), f"{_name(record)} needs review again ({description})."
        )
        return
    pending = reviewing.get_pending(session, stack, key, version)
    if name is None:
        record = reviewing.label_as_none(session, stack, pending)
    else:
        record = reviewing.label(session, stack, pending, name)
    ctx.output.print_result(_record_json(record), *_format_labeled(ctx, record))


def console(
    ctx: CommandContext,
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

    from scones_operator.console.browser import open_in_browser  # noqa: PLC0415
    from scones_operator.console.server import ConsoleServer  # noqa: PLC0415

    server = ConsoleServer(ctx.connect, ctx.stack, ctx.user, port)
    with ExitStack() as cleanup:

        def on_ready() -> None:
            ctx.output.print_result({"url": server.url}, server.url)
            ctx.output.print_info(
                "Stop with Ctrl-C. Anyone on this computer with the link has access: do not "
                "share it."
            )
            if not no_open:
                # Some browsers may not read files: those of snap packages, of Windows beside Linux.
                ctx.output.print_info(
                    "If the page does not open in your browser, open the link yourself."
                )
                cleanup.enter_context(open_in_browser(server.url))

        server.serve(on_ready)
    ctx.output.print_info("Stopped.")


def _format_pending(ctx: CommandContext, records: "Sequence[Record]", *, more: bool) -> list[Any]:
    if not records:
        return ["No photos need review."]
    command = f"scones label {formatting.photo_argument(records[0].decision.photo.key)} CLASS"
    classes = ", ".join(ctx.stack.class_names)
    notes = (
        [f"These are the oldest {len(records)}. For more: --limit {2 * len(records)}."]
        if more
        else []
    )
    return [_table(records), *notes, f"{command} (CLASS: {classes}), or scones console"]


def _format_labeled(ctx: CommandContext, record: "Record") -> list[str]:
    review = record.review
    key = review.dataset_key if review else None
    filed = (
        formatting.format_fields({"filed": f"s3://{ctx.stack.data_bucket}/{key}"}) if key else []
    )
    if review is None or review.label is None:
        note = "" if key else "; the photo does not exist or cannot be read, so it is not filed"
        return [f"{_name(record)} shows none of the classes{note}.", *filed]
    bay = ctx.stack.loading_bays.get(review.label)
    bay_text = f", loading bay {bay}" if bay else ""
    return [f"{_name(record)} is {review.label}{bay_text}.", *filed]


def _format_resumed(resumed: "Sequence[ResumedReview]") -> list[str]:
    return [
        f"{quote(review.photo)}: {review.error}"
        if review.error
        else f"{quote(review.photo)}: finished an interrupted review"
        for review in resumed
    ]


def _record_json(record: "Record") -> dict[str, Any]:
    decision = record.decision
    return {
        "photo": record.photo,
        "version": record.version,
        "uploaded_at": decision.timings.uploaded_at,
        "decided_at": decision.timings.decided_at,
        "guess": decision.label,
        "confidence": decision.confidence,
        "probabilities": decision.probabilities,
        "threshold": decision.threshold,
        "familiarity": decision.familiarity,
        "familiarity_limit": decision.familiarity_limit,
        "reason": decision.reason.model_dump(mode="json") if decision.reason else None,
        "review": record.review.model_dump(mode="json") if record.review else None,
    }


def _table(records: "Sequence[Record]") -> Table:
    from scones_operator.cli.commands.result_formatting import format_review_reason  # noqa: PLC0415

    table = formatting.plain_table()
    table.add_column("waiting since", no_wrap=True)
    table.add_column("photo", overflow="fold")
    table.add_column("predicted", no_wrap=True)
    table.add_column("confidence", no_wrap=True, justify="right")
    table.add_column("reason", no_wrap=True)
    for record in records:
        decision = record.decision
        table.add_row(
            format_time(decision.timings.decided_at),
            Text(_name(record)),
            Text(decision.label or "-"),
            formatting.format_number(decision.confidence),
            format_review_reason(decision),
        )
    return table


def _name(record: "Record") -> str:
    return formatting.display_key(record.decision.photo.key)
