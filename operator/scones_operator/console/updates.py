"""What is new since the page last heard: results, and the queue of what waits for a person."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from pydantic import BaseModel

from scones.records import Record, Skipped, query_records, read_versions, readable
from scones_operator.aws.stack import Stack
from scones_operator.console.rows import MAX_RESULTS, PhotoRow, to_photo_row
from scones_operator.review.queue import list_pending

if TYPE_CHECKING:
    import boto3

MAX_QUEUE_ROWS = 100
"""So many of those that wait are shown, the longest waiting; more follow as these are done."""

OVERLAP = timedelta(minutes=2)
"""Looked back so far from the newest: a record can be read some time after it was decided."""

MIN_TIME = datetime.min.replace(tzinfo=UTC)

Key = tuple[str, str]


class ReviewQueue(BaseModel):
    """What waits for a person: the first of it, and whether there is more."""

    rows: list[PhotoRow]
    more: bool


class Update(BaseModel):
    """What is new: rows that were added or changed, and the queue if it changed."""

    rows: list[PhotoRow]
    queue: ReviewQueue | None


@dataclass
class UpdateFeed:
    """Looks again and again, for one page.

    From where it looks follows from the newest record that it has seen, however long ago that was:
    this machine may have slept, or not have reached AWS, and its clock may be wrong.

    Attributes
    ----------
    session, stack
        Where.
    skipped
        The records that the last look could not read, or None if there is none.
    """

    session: "boto3.Session"
    stack: Stack
    skipped: str | None = None
    _since: datetime | None = None
    _sent_rows: dict[Key, PhotoRow] = field(default_factory=dict)
    _queue: ReviewQueue | None = None

    def poll(self) -> Update | None:
        """Find what is new since the last look that did not fail; None if nothing is.

        The first look finds the queue and what was decided lately; a page reads the rest by itself.
        """
        skipped = Skipped(MAX_RESULTS)
        decided = self._read_decided(skipped)
        queue = self._read_queue(skipped)
        changed = {key: row for key, row in decided.items() if self._sent_rows.get(key) != row}
        update = Update(
            rows=list((changed | self._queue_changes(queue, skipped)).values()),
            queue=queue if queue != self._queue else None,
        )
        # Only now: had anything failed, the next look would have to find all of it again.
        newest = max((row.decided_at - OVERLAP for row in decided.values()), default=MIN_TIME)
        self._since = max(newest, self._since or MIN_TIME)
        self._sent_rows, self._queue, self.skipped = decided, queue, skipped.message
        return update if update.rows or update.queue else None

    def _read_decided(self, skipped: Skipped) -> dict[Key, PhotoRow]:
        client = self.session.client("dynamodb")
        records = query_records(client, self.stack.results_table, skipped, since=self._since)
        rows = map(self._row, records)
        first = _latest(rows) if self._since is None else rows
        return _by_key(islice(first, MAX_RESULTS))

    def _read_queue(self, skipped: Skipped) -> ReviewQueue:
        first = list(islice(list_pending(self.session, self.stack, skipped), MAX_QUEUE_ROWS + 1))
        rows = [self._row(record) for record in first[:MAX_QUEUE_ROWS]]
        return ReviewQueue(rows=rows, more=len(first) > MAX_QUEUE_ROWS)

    def _queue_changes(self, queue: ReviewQueue, skipped: Skipped) -> dict[Key, PhotoRow]:
        """Read what became of those that wait no more; with those that wait now, or again."""
        if self._queue is None:
            return {}
        before, now = _by_key(self._queue.rows), _by_key(queue.rows)
        removed, entered = before.keys() - now.keys(), now.keys() - before.keys()
        changed_keys = [key for key in (*before, *now) if key in removed | entered]
        return _by_key(row for key in changed_keys for row in self._read(key, skipped))

    def _read(self, key: Key, skipped: Skipped) -> list[PhotoRow]:
        """Read a record, and those of versions with the same bytes, which have the same review."""
        photo, version = key
        client = self.session.client("dynamodb")
        # By a query: ReviewerPolicy does not allow GetItem.
        records = readable(read_versions(client, self.stack.results_table, photo), skipped)
        etags = {record.decision.photo.etag for record in records if record.version == version}
        return [self._row(record) for record in records if record.decision.photo.etag in etags]

    def _row(self, record: Record) -> PhotoRow:
        return to_photo_row(record, self.stack.loading_bays)


def _by_key(rows: Iterable[PhotoRow]) -> dict[Key, PhotoRow]:
    return {(row.photo, row.version): row for row in rows}


def _latest(rows: Iterator[PhotoRow]) -> Iterator[PhotoRow]:
    """Yield the newest, and those that were decided little before it."""
    newest = next(rows, None)
    if newest is None:
        return
    horizon = newest.decided_at - OVERLAP
    yield newest
    yield from takewhile(lambda row: row.decided_at >= horizon, rows)
