"""`scones redrive`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer
from rich.text import Text

from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.cli.times import TIME_FORMAT_HELP, parse_time
from scones_operator.photos import dead_letter_queue
from scones_operator.photos import redrive as redriving
from scones_operator.photos.redrive import RedriveItem, RedriveResult

FAILED_STYLE = "red"
STYLES = {"classified": "green", "needs_review": "yellow", "rejected": "magenta"}
STAYS_IN_QUEUE = "its message stays in the queue"


def redrive(
    ctx: CommandContext,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only photos with the status failed.")
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Only events in the dead-letter queue.")
    ] = False,
    unrecorded: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=parse_time,
            help=f"Only photos without a record that were uploaded since then, {TIME_FORMAT_HELP}.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of photos and of events.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be redriven.")
    ] = False,
) -> None:
    """Redrive failed photos and dead-lettered events.

    Their state machines are started again. With --unrecorded, so is `classify` for photos whose
    executions ended before they wrote a record; this lists the whole bucket.

    The exit code is 1 if a photo fails again or an event stays in the queue. With --json the
    output is one object per line, or nothing if there is nothing to redrive.
    """
    all_kinds = not (failed or queue or unrecorded)
    with _queued(ctx, requested=all_kinds or queue) as items:
        queued = list(islice(items, limit))
        results = [] if dry_run else _redrive(ctx, queued)
    queued_photos = {item.request.photo for item in queued if item.request}
    other_items: list[RedriveItem] = []
    if all_kinds or failed:
        other_items += _failed(ctx, queued_photos, limit)
    if unrecorded:
        other_items += _unrecorded(ctx, unrecorded, limit)
    results += [] if dry_run else _redrive(ctx, other_items)
    if dry_run:
        _show_plan(ctx, queued, other_items)
    else:
        _finish(ctx, results)


@contextmanager
def _queued(ctx: CommandContext, *, requested: bool) -> Iterator[Sequence[RedriveItem]]:
    if not requested:
        yield []
        return
    with dead_letter_queue.receive_messages(ctx.session, ctx.stack.dead_letter_queue) as messages:
        yield redriving.queue_items(messages, ctx.stack)


def _failed(ctx: CommandContext, queued_photos: set[Any], limit: int | None) -> list[RedriveItem]:
    """Return the failed photos that the queue did not have."""
    from scones.records import Skipped  # noqa: PLC0415

    skipped = Skipped()
    items = redriving.failed_photo_items(ctx.session, ctx.stack, skipped)
    not_queued = (
        item for item in items if item.request and item.request.photo not in queued_photos
    )
    chosen = list(islice(not_queued, limit))
    if skipped.message:
        ctx.output.print_info(skipped.message)
    return chosen


def _unrecorded(ctx: CommandContext, since: datetime, limit: int | None) -> list[RedriveItem]:
    items = redriving.unrecorded_photo_items(ctx.session, ctx.stack, since)
    return list(islice(items, limit))


def _redrive(ctx: CommandContext, items: Sequence[RedriveItem]) -> list[RedriveResult]:
    if not items:
        return []

    def on_update(result: RedriveResult) -> None:
        advance("")
        ctx.output.print_item(_result_json(result), _format_result(result))

    with ctx.output.progress_bar("Redriving", len(items)) as advance:
        return redriving.redrive(ctx.session, ctx.stack, items, on_update)


def _finish(ctx: CommandContext, results: Sequence[RedriveResult]) -> None:
    counts = Counter(result.status for result in results)
    summary = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())
    ctx.output.print_info(summary or "There is nothing to redrive.")
    if not all(result.done for result in results):
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def _show_plan(
    ctx: CommandContext, queued: Sequence[RedriveItem], other_items: Sequence[RedriveItem]
) -> None:
    for item in [*queued, *other_items]:
        state_machine = item.request.state_machine if item.request else None
        line = Text(
            f"{state_machine or 'unknown message':<14}", style="" if state_machine else FAILED_STYLE
        )
        line += Text(f"  {item.title}{f': {item.error}' if item.error else ''}")
        ctx.output.print_item(_item_json(item), line)
    messages = sum(len(item.messages) for item in queued)
    ctx.output.print_info(f"{messages} messages in the queue, {len(other_items)} other photos.")


def _result_json(result: RedriveResult) -> dict[str, Any]:
    return {**_item_json(result.item), "status": result.status, "message": result.message or None}


def _item_json(item: RedriveItem) -> dict[str, Any]:
    """Return a job for a program; with the bodies of its messages where nobody understood them."""
    bodies = {} if item.request else {"bodies": [message.body for message in item.messages]}
    return {
        "state_machine": item.request.state_machine if item.request else None,
        "title": item.title,
        "error": item.error or None,
        "messages": [message.id for message in item.messages],
        **bodies,
    }


def _format_result(result: RedriveResult) -> Text:
    style = STYLES.get(result.status, "" if result.done else FAILED_STYLE)
    line = Text(f"{result.status.replace('_', ' '):<14}", style=style)
    line += Text(f"  {result.item.title}")
    note = (
        STAYS_IN_QUEUE
        if result.item.messages and not result.done and result.status != "failed"
        else ""
    )
    more = "; ".join(filter(None, (result.message, note)))
    return line + Text(f"  {more}", style="dim")
