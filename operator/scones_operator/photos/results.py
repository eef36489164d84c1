"""Read, search and follow classification results."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal, get_args

from scones_operator.aws.stack import Stack

if TYPE_CHECKING:
    import boto3

    from scones.events import Status
    from scones.records import Record, Skipped

POLL_SECONDS = 2.0

PAGE_SIZE = 100
"""How many of each status are read at once: the newest are wanted, seldom more than these."""

MAX_INDEX_DELAY = timedelta(seconds=90)
"""How much older than the newest a record may be that only shows now: between the moment that it
names and its place in the index lie the machine's tries to write it, and the index's own delay."""


State = Literal["classified", "waiting", "reviewed", "simulated", "rejected", "failed"]
"""Status of a photo with its review: ``needs_review`` is divided into ``waiting`` for a reviewer,
``reviewed``, and ``simulated``, a test photo that no reviewer is asked about."""

STATES: tuple[State, ...] = get_args(State)

MAX_SEARCHED = 20_000
"""Maximum number of records that a search reads: the indexes have no class and no name."""


@dataclass(frozen=True)
class ResultFilter:
    """Filters of results; None takes all.

    Attributes
    ----------
    statuses
        How the photos ended.
    label
        Class by the reviewer, else by the model.
    since
        Time of the decision, at or after it; an aware datetime.
    until
        Time of the decision, before it; an aware datetime.
    state
        Status of the photo with its review; only together with `statuses` None.
    name
        Part of the key in the photos bucket, in upper or lower case.
    """

    statuses: "Sequence[Status] | None" = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: State | None = None
    name: str | None = None

    def matches(self, record: "Record") -> bool:
        """Return True if the class, the state and the name of a record are wanted."""
        return (
            self.label in (None, record.effective_label)
            and self.state in (None, state_of(record))
            and (self.name or "").casefold() in record.decision.photo.key.casefold()
        )

    @property
    def read_statuses(self) -> "Sequence[Status]":
        """Statuses whose records are read."""
        # Lazy import: Pydantic and the photos' decoders slow down --help.
        from scones.records import STATUSES  # noqa: PLC0415

        if self.state in ("waiting", "reviewed", "simulated"):
            return ("needs_review",)
        one = [status for status in STATUSES if status == self.state]
        return one or self.statuses or STATUSES


@dataclass(frozen=True)
class SearchResult:
    """Results of a search.

    Attributes
    ----------
    records
        The latest first.
    more
        Whether the range has more results than these.
    searched_since
        Time of the earliest record that was read if `MAX_SEARCHED` ended the search, so that
        earlier ones may match; otherwise None.
    """

    records: "list[Record]"
    more: bool
    searched_since: datetime | None


def state_of(record: "Record") -> State:
    """Return the status of a photo with its review.

    Parameters
    ----------
    record
        Record of the photo.
    """
    from scones.records import is_simulated  # noqa: PLC0415

    status = record.decision.status
    if status != "needs_review":
        return status
    if record.effective_review:
        return "reviewed"
    return "simulated" if is_simulated(record.decision.photo.key) else "waiting"


def search_results(
    session: "boto3.Session", stack: Stack, wanted: ResultFilter, limit: int, skipped: "Skipped"
) -> SearchResult:
    """Read the latest results that match; at most `MAX_SEARCHED` records are read.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    wanted
        Filters. Status and time are those of the index; the others are applied to what was read.
    limit
        Maximum number of results.
    skipped
        Gets the unreadable records.
    """
    from scones.records import query_records  # noqa: PLC0415

    read = query_records(
        session.client("dynamodb"),
        stack.results_table,
        skipped,
        wanted.read_statuses,
        since=wanted.since,
        until=wanted.until,
    )
    found: list[Record] = []
    last: Record | None = None
    for last in islice(read, MAX_SEARCHED):
        if wanted.matches(last):
            found.append(last)
        if len(found) > limit:
            return SearchResult(found[:limit], more=True, searched_since=None)
    if last is None or next(read, None) is None:
        return SearchResult(found, more=skipped.is_full, searched_since=None)
    return SearchResult(found, more=True, searched_since=_decided_at(last))


def read_results(
    session: "boto3.Session", stack: Stack, wanted: ResultFilter, skipped: "Skipped"
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
    # Lazy import: Pydantic and the photos' decoders slow down --help.
    from scones.records import query_records  # noqa: PLC0415

    client = session.client("dynamodb")
    found = query_records(
        client,
        stack.results_table,
        skipped,
        wanted.read_statuses,
        since=wanted.since,
        until=wanted.until,
        page_size=PAGE_SIZE,
    )
    return filter(wanted.matches, found)


def sleep_briefly() -> None:
    """Wait between two looks at the table."""
    time.sleep(POLL_SECONDS)


def follow_results(
    session: "boto3.Session",
    stack: Stack,
    wanted: ResultFilter,
    first: int,
    skipped: "Skipped",
    pause: Callable[[], None] = sleep_briefly,
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
    everything = replace(wanted, label=None, state=None, name=None)
    known = _SeenResults(wanted.since)
    known.new(list(_recent(read_results(session, stack, everything, skipped))))
    newest = list(islice(read_results(session, stack, wanted, skipped), first))
    # What came between the two looks is shown once, here.
    known.new(newest)
    yield from reversed(newest)
    while True:
        pause()
        found = read_results(session, stack, replace(everything, since=known.since), skipped)
        yield from filter(wanted.matches, known.new(list(found)))


def _recent(records: Iterable["Record"]) -> Iterator["Record"]:
    """Yield the newest and those that may still be read once more with what comes late."""
    newest: datetime | None = None
    for record in records:
        newest = newest or _decided_at(record)
        if _decided_at(record) < newest - MAX_INDEX_DELAY:
            return
        yield record


class _SeenResults:
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
            horizon = max(self._moments.values()) - MAX_INDEX_DELAY
            self.since = max(horizon, self.since or horizon)
            self._moments = {key: at for key, at in self._moments.items() if at >= horizon}
        return fresh


def _identity(record: "Record") -> tuple[str, str, datetime]:
    return record.photo, record.version, _decided_at(record)


def _decided_at(record: "Record") -> datetime:
    return record.decision.timings.decided_at
