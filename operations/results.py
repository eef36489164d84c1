"""What was decided of photos: the newest, and new ones as they come."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from operations.stack import Stack

if TYPE_CHECKING:
    import boto3

    from scones.events import Status
    from scones.records import Record, Skipped

POLL_SECONDS = 2.0

PAGE = 100
"""How many of each status are read at once: the newest are wanted, seldom more than these."""

LATENESS = timedelta(seconds=90)
"""How much older than the newest a record may be that only shows now: between the moment that it
names and its place in the index lie the machine's tries to write it, and the index's own delay."""


@dataclass(frozen=True)
class Wanted:
    """Which results.

    Attributes
    ----------
    statuses
        How the photos ended; None for all.
    label
        Their class, by the model or, where a person has said it, by that person; None for all.
    since
        Decided at or after; None for all. An aware datetime.
    """

    statuses: "Sequence[Status] | None" = None
    label: str | None = None
    since: datetime | None = None

    def takes(self, record: "Record") -> bool:
        """Tell whether a record is of the wanted class."""
        return self.label is None or self.label == record.effective_label


def read_results(
    session: "boto3.Session", stack: Stack, wanted: Wanted, skipped: "Skipped"
) -> Iterator["Record"]:
    """Read results, the latest decision first, as many as are asked for.

    Parameters
    ----------
    session, stack
        Where.
    wanted
        Which.
    skipped
        Gets the unreadable records.
    """
    # It brings Pydantic and the photos' decoders, which takes long beside showing help.
    from scones.records import STATUSES, read_decided  # noqa: PLC0415

    client = session.client("dynamodb")
    statuses = wanted.statuses or STATUSES
    found = read_decided(
        client, stack.results_table, skipped, statuses, since=wanted.since, page_size=PAGE
    )
    return filter(wanted.takes, found)


def wait_a_little() -> None:
    """Wait between two looks at the table."""
    time.sleep(POLL_SECONDS)


def follow_results(
    session: "boto3.Session",
    stack: Stack,
    wanted: Wanted,
    first: int,
    skipped: "Skipped",
    pause: Callable[[], None] = wait_a_little,
) -> Iterator["Record"]:
    """Yield the newest results, the oldest of them first, and then new ones as they come, for ever.

    A photo that failed and is decided anew comes again.

    Parameters
    ----------
    session, stack, wanted
        As for `read_results`.
    first
        How many of those that are there already.
    skipped
        Gets the unreadable records.
    pause
        Called between two looks.
    """
    everything = replace(wanted, label=None)
    known = _Known(wanted.since)
    known.new(list(_recent(read_results(session, stack, everything, skipped))))
    newest = list(islice(read_results(session, stack, wanted, skipped), first))
    # What came between the two looks is shown once, here.
    known.new(newest)
    yield from reversed(newest)
    while True:
        pause()
        found = read_results(session, stack, replace(everything, since=known.since), skipped)
        yield from filter(wanted.takes, known.new(list(found)))


def _recent(records: Iterable["Record"]) -> Iterator["Record"]:
    """Yield the newest and those that may still be read once more with what comes late."""
    newest: datetime | None = None
    for record in records:
        newest = newest or _decided_at(record)
        if _decided_at(record) < newest - LATENESS:
            return
        yield record


class _Known:
    """The results that were there before or were shown, as far back as others may come late."""

    def __init__(self, since: datetime | None) -> None:
        self.since = since
        self._moments: dict[tuple[str, str, datetime], datetime] = {}

    def new(self, records: Sequence["Record"]) -> list["Record"]:
        """Return those that were not known, the earliest decision first; they are from now on."""
        fresh = [record for record in reversed(records) if _identity(record) not in self._moments]
        self._moments |= {_identity(record): _decided_at(record) for record in fresh}
        if self._moments:
            # By the machine's own moments: the clock here may be wrong.
            horizon = max(self._moments.values()) - LATENESS
            self.since = max(horizon, self.since or horizon)
            self._moments = {key: at for key, at in self._moments.items() if at >= horizon}
        return fresh


def _identity(record: "Record") -> tuple[str, str, datetime]:
    return record.photo, record.version, _decided_at(record)


def _decided_at(record: "Record") -> datetime:
    return record.decided.timings.decided_at
