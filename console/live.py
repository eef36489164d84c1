"""What is new since the page last heard: results, and the queue of what waits for a person."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import BaseModel

from console.rows import Row, as_row
from operations.review import waiting
from operations.stack import Stack
from scones.records import Record, read_decided, read_record

if TYPE_CHECKING:
    import boto3

QUEUE_SHOWN = 100
"""So many of those that wait are shown, the longest waiting; more follow as these are done."""

OVERLAP = timedelta(minutes=2)
"""Looked back so far each time: a record can be read some time after its photo was decided."""

Key = tuple[str, str]


class Queue(BaseModel):
    """What waits for a person: the first of it, and whether there is more."""

    rows: list[Row]
    more: bool


class News(BaseModel):
    """What is new: rows that were added or changed, and the queue if it changed."""

    rows: list[Row]
    queue: Queue | None


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass
class Watch:
    """Looks again and again, for one page.

    Attributes
    ----------
    session, stack
        Where.
    now
        Tells the time.
    """

    session: "boto3.Session"
    stack: Stack
    now: Callable[[], datetime] = utc_now
    _told: dict[Key, Row] = field(default_factory=dict)
    _queue: Queue | None = None

    def look(self) -> News | None:
        """Find what is new since the last look; None if nothing is. The first look finds all."""
        changed = self._changed()
        queue = self._read_queue()
        left: list[Row] = []
        if queue == self._queue:
            queue_news = None
        else:
            left = self._left(queue)
            queue_news = self._queue = queue
        rows = [*changed, *left]
        return News(rows=rows, queue=queue_news) if rows or queue_news else None

    def _changed(self) -> list[Row]:
        client = self.session.client("dynamodb")
        records = read_decided(client, self.stack.results_table, since=self.now() - OVERLAP)
        found = {(row.photo, row.version): row for row in map(self._row, records)}
        changed = [row for key, row in found.items() if self._told.get(key) != row]
        self._told = found
        return changed

    def _read_queue(self) -> Queue:
        first = list(islice(waiting(self.session, self.stack), QUEUE_SHOWN + 1))
        rows = [self._row(record) for record in first[:QUEUE_SHOWN]]
        return Queue(rows=rows, more=len(first) > QUEUE_SHOWN)

    def _left(self, queue: Queue) -> list[Row]:
        """Read what became of those that wait no more."""
        waits = {(row.photo, row.version) for row in queue.rows}
        before = self._queue.rows if self._queue else []
        gone = [row for row in before if (row.photo, row.version) not in waits]
        client = self.session.client("dynamodb")
        found = (
            read_record(client, self.stack.results_table, row.photo, row.version) for row in gone
        )
        return [self._row(record) for record in found if record]

    def _row(self, record: Record) -> Row:
        return as_row(record, self.stack.loading_bays)
