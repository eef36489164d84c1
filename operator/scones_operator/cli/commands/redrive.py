"""`scones redrive`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer
from rich.text import Text

from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.cli.times import HOW, parse_moment
from scones_operator.photos import dead_letter_queue
from scones_operator.photos import redrive as redriving
from scones_operator.photos.redrive import Job, Redriven

BAD = "red"
STYLES = {"classified": "green", "needs_review": "yellow", "rejected": "magenta"}
STAYS = "its message stays in the queue"


def redrive(
    desk: Desk,
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
            parser=parse_moment,
            help=f"Only photos without a record that were uploaded since then, {HOW}.",
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
    everything = not (failed or queue or unrecorded)
    with _queued(desk, wanted=everything or queue) as jobs:
        waiting = list(islice(jobs, limit))
        became = [] if dry_run else _redrive(desk, waiting)
    tried = {job.request.photo for job in waiting if job.request}
    lost: list[Job] = []
    if everything or failed:
        lost += _failed(desk, tried, limit)
    if unrecorded:
        lost += _unrecorded(desk, unrecorded, limit)
    became += [] if dry_run else _redrive(desk, lost)
    if dry_run:
        _show_plan(desk, waiting, lost)
    else:
        _finish(desk, became)


@contextmanager
def _queued(desk: Desk, *, wanted: bool) -> Iterator[Sequence[Job]]:
    if not wanted:
        yield []
        return
    with dead_letter_queue.receiving(desk.session, desk.stack.undelivered_events) as messages:
        yield redriving.queued_jobs(messages, desk.stack)


def _failed(desk: Desk, tried: set[Any], limit: int | None) -> list[Job]:
    """Return the failed photos that the queue did not have."""
    from scones.records import Skipped  # noqa: PLC0415

    skipped = Skipped()
    found = redriving.failed_jobs(desk.session, desk.stack, skipped)
    others = (job for job in found if job.request and job.request.photo not in tried)
    lost = list(islice(others, limit))
    if skipped.message:
        desk.screen.say(skipped.message)
    return lost


def _unrecorded(desk: Desk, since: datetime, limit: int | None) -> list[Job]:
    found = redriving.unrecorded_jobs(desk.session, desk.stack, since)
    return list(islice(found, limit))


def _redrive(desk: Desk, jobs: Sequence[Job]) -> list[Redriven]:
    if not jobs:
        return []

    def show(became: Redriven) -> None:
        advance("")
        desk.screen.item(_record(became), _line(became))

    with desk.screen.counting("Redriving", len(jobs)) as advance:
        return redriving.redrive(desk.session, desk.stack, jobs, show)


def _finish(desk: Desk, became: Sequence[Redriven]) -> None:
    counts = Counter(item.end for item in became)
    said = ", ".join(f"{count} {end.replace('_', ' ')}" for end, count in counts.items())
    desk.screen.say(said or "There is nothing to redrive.")
    if not all(item.done for item in became):
        raise typer.Exit(OTHERWISE)


def _show_plan(desk: Desk, waiting: Sequence[Job], lost: Sequence[Job]) -> None:
    for job in [*waiting, *lost]:
        machine = job.request.machine if job.request else None
        line = Text(f"{machine or 'not understood':<14}", style="" if machine else BAD)
        line += Text(f"  {job.what}{f': {job.complaint}' if job.complaint else ''}")
        desk.screen.item(_job_record(job), line)
    messages = sum(len(job.messages) for job in waiting)
    desk.screen.say(f"{messages} messages in the queue, {len(lost)} other photos.")


def _record(became: Redriven) -> dict[str, Any]:
    return {**_job_record(became.job), "end": became.end, "message": became.message or None}


def _job_record(job: Job) -> dict[str, Any]:
    """Return a job for a program; with the bodies of its messages where nobody understood them."""
    bodies = {} if job.request else {"bodies": [message.body for message in job.messages]}
    return {
        "machine": job.request.machine if job.request else None,
        "what": job.what,
        "complaint": job.complaint or None,
        "messages": [message.id for message in job.messages],
        **bodies,
    }


def _line(became: Redriven) -> Text:
    style = STYLES.get(became.end, "" if became.done else BAD)
    line = Text(f"{became.end.replace('_', ' '):<14}", style=style)
    line += Text(f"  {became.job.what}")
    stays = STAYS if became.job.messages and not became.done and became.end != "failed" else ""
    more = "; ".join(filter(None, (became.message, stays)))
    return line + Text(f"  {more}", style="dim")
