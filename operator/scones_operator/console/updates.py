"""What is new since the page last heard: results, and the queue of what waits for a person."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from pydantic import BaseModel

from scones.records import Record, Skipped, read_decided, read_versions, readable
from scones_operator.aws.stack import Stack
from scones_operator.console.rows import RESULTS_SHOWN, Row, as_row
from scones_operator.review.queue import waiting

if TYPE_CHECKING:
    import boto3

QUEUE_SHOWN = 100
"""So many of those that wait are shown, the longest waiting; more follow as these are done."""

OVERLAP = timedelta(minutes=2)
"""Looked back so far from the newest: a record can be read some time after it was decided."""

EVER = datetime.min.replace(tzinfo=UTC)

Key = tuple[str, str]


class Queue(BaseModel):
    """What waits for a person: the first of it, and whether there is more."""

    rows: list[Row]
    more: bool


class News(BaseModel):
    """What is new: rows that were added or changed, and the queue if it changed."""

    rows: list[Row]
    queue: Queue | None


@dataclass
class Watch:
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
    _told: dict[Key, Row] = field(default_factory=dict)
    _queue: Queue | None = None

    def look(self) -> News | None:
        """Find what is new since the last look that did not fail; None if nothing is.

        The first look finds the queue and what was decided lately; a page reads the rest by itself.
        """
        skipped = Skipped(RESULTS_SHOWN)
        decided = self._read_decided(skipped)
        queue = self._read_queue(skipped)
        changed = {key: row for key, row in decided.items() if self._told.get(key) != row}
        news = News(
            rows=list((changed | self._moved(queue, skipped)).values()),
            queue=queue if queue != self._queue else None,
        )
        # Only now: had anything failed, the next look would have to find all of it again.
        newest = max((row.at - OVERLAP for row in decided.values()), default=EVER)
        self._since = max(newest, self._since or EVER)
        self._told, self._queue, self.skipped = decided, queue, skipped.message
        return news if news.rows or news.queue else None

    def _read_decided(self, skipped: Skipped) -> dict[Key, Row]:
        client = self.session.client("dynamodb")
        records = read_decided(client, self.stack.results_table, skipped, since=self._since)
        rows = map(self._row, records)
        first = _latest(rows) if self._since is None else rows
        return _by_key(islice(first, RESULTS_SHOWN))

    def _read_queue(self, skipped: Skipped) -> Queue:
        first = list(islice(waiting(self.session, self.stack, skipped), QUEUE_SHOWN + 1))
        rows = [self._row(record) for record in first[:QUEUE_SHOWN]]
        return Queue(rows=rows, more=len(first) > QUEUE_SHOWN)

    def _moved(self, queue: Queue, skipped: Skipped) -> dict[Key, Row]:
        """Read what became of those that wait no more; with those that wait now, or again."""
        if self._queue is None:
            return {}
        before, now = _by_key(self._queue.rows), _by_key(queue.rows)
        left, entered = before.keys() - now.keys(), now.keys() - before.keys()
        moved = [key for key in (*before, *now) if key in left | entered]
        return _by_key(row for key in moved for row in self._read(key, skipped))

    def _read(self, key: Key, skipped: Skipped) -> list[Row]:
        """Read a record, and those of versions with the same bytes, which have the same review."""
        photo, version = key
        client = self.session.client("dynamodb")
        # By a query: ReviewerPolicy does not allow GetItem.
        records = readable(read_versions(client, self.stack.results_table, photo), skipped)
        etags = {one.decided.photo.etag for one in records if one.version == version}
        return [self._row(one) for one in records if one.decided.photo.etag in etags]

    def _row(self, record: Record) -> Row:
        return as_row(record, self.stack.loading_bays)


def _by_key(rows: Iterable[Row]) -> dict[Key, Row]:
    return {(row.photo, row.version): row for row in rows}


def _latest(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the newest, and those that were decided little before it."""
    newest = next(rows, None)
    if newest is None:
        return
    horizon = newest.at - OVERLAP
    yield newest
    yield from takewhile(lambda row: row.at >= horizon, rows)
