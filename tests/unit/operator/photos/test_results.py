from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scones import events, records
from scones.records import Record, Skipped
from scones_operator.cli.commands.results import StatusOption
from scones_operator.photos import results
from scones_operator.photos.results import (
    MAX_INDEX_DELAY,
    ResultFilter,
    follow_results,
    read_results,
    search_results,
    state_of,
)
from tests.unit.operator.deployed import STACK
from tests.unit.results_table import START, create_table, decided, put_record

MINUTE = timedelta(minutes=1)


@pytest.fixture
def table(session: Any) -> Any:
    client = session.client("dynamodb")
    create_table(client, STACK.results_table)
    return client


def put(table: Any, name: str, status: str = "classified", minutes: float = 0, **more: str) -> None:
    put_record(table, STACK.results_table, decided(name, status, minutes), **more)


def names(found: Any) -> list[str]:
    return [record.decision.photo.key.removeprefix("incoming/") for record in found]


def test_results_of_all_statuses_are_the_latest_first(session: Any, table: Any) -> None:
    put(table, "a", minutes=1)
    put(table, "b", "failed", minutes=3)
    put(table, "c", "needs_review", minutes=2)
    assert names(read_results(session, STACK, ResultFilter(), Skipped())) == ["b", "c", "a"]
    assert names(
        read_results(session, STACK, ResultFilter(["failed", "classified"]), Skipped())
    ) == [
        "b",
        "a",
    ]
    since = START + 2 * MINUTE
    assert names(read_results(session, STACK, ResultFilter(since=since), Skipped())) == ["b", "c"]


def test_a_person_s_label_goes_before_the_model_s(session: Any, table: Any) -> None:
    said = '{"id": "1", "outcome": "%s", "label": %s, "by": "anna", "at": "2026-11-20T10:00:00Z"}'
    put(table, "guess")
    put(table, "labelled", "needs_review", 1, review=said % ("labelled", '"motorcycle"'))
    put(table, "neither", "needs_review", 2, review=said % ("not_a_vehicle", "null"))
    put(table, "rejected", "rejected", 3)
    undoing = said % (
        "labelled",
        '"motorcycle", "withdrawal": {"by": "ben", "at": "2026-11-20T10:01:00Z"}',
    )
    put(table, "undone", "needs_review", 4, review=undoing)
    assert names(read_results(session, STACK, ResultFilter(label="bicycle"), Skipped())) == [
        "undone",
        "guess",
    ]
    assert names(read_results(session, STACK, ResultFilter(label="motorcycle"), Skipped())) == [
        "labelled"
    ]


SAID = (
    '{"id": "1", "outcome": "labelled", "label": "motorcycle", "by": "anna", '
    '"at": "2026-11-20T10:00:00Z"}'
)


def put_each_state(table: Any) -> None:
    """Write a photo of each state, a minute between two."""
    put(table, "gate/a", "classified", 0)
    put(table, "gate/b", "needs_review", 1)
    put(table, "gate/c", "needs_review", 2, review=SAID)
    put(table, "simulated/d", "needs_review", 3)
    put(table, "GATE/e", "rejected", 4)
    put(table, "f", "failed", 5)


def test_needs_review_is_divided_by_who_has_looked(session: Any, table: Any) -> None:
    put_each_state(table)
    found = search_results(session, STACK, ResultFilter(), 10, Skipped())
    states = [state_of(record) for record in reversed(found.records)]
    assert states == ["classified", "waiting", "reviewed", "simulated", "rejected", "failed"]
    assert tuple(states) == results.STATES
    for number, state in enumerate(results.STATES):
        (one,) = search_results(session, STACK, ResultFilter(state=state), 10, Skipped()).records
        assert one == found.records[5 - number]


def test_a_search_takes_class_name_and_time_together(session: Any, table: Any) -> None:
    put_each_state(table)

    def search(**wanted: Any) -> list[str]:
        return names(search_results(session, STACK, ResultFilter(**wanted), 10, Skipped()).records)

    assert search(name="gate/") == ["GATE/e", "gate/c", "gate/b", "gate/a"]
    assert search(name="gate/", label="bicycle") == ["gate/b", "gate/a"]
    assert search(label="motorcycle") == ["gate/c"]
    assert search(since=START + MINUTE, until=START + 3 * MINUTE) == ["gate/c", "gate/b"]


def test_a_search_is_bounded_and_says_how_far_it_went(
    session: Any, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        put(table, f"{number}", minutes=number)

    def search(limit: int, name: str = "") -> tuple[list[str], bool, Any]:
        found = search_results(session, STACK, ResultFilter(name=name), limit, Skipped())
        return names(found.records), found.more, found.searched_since

    assert search(6) == (["5", "4", "3", "2", "1", "0"], False, None)
    assert search(2) == (["5", "4"], True, None)
    monkeypatch.setattr(results, "MAX_SEARCHED", 4)
    assert search(6, "g/5") == (["5"], True, START + 2 * MINUTE)
    assert search(6, "g/0") == ([], True, START + 2 * MINUTE)
    monkeypatch.setattr(results, "MAX_SEARCHED", 6)
    assert search(6, "g/0") == (["0"], False, None)


def test_the_statuses_are_those_of_the_records() -> None:
    assert get_args(events.Status) == records.STATUSES
    assert tuple(StatusOption) == records.STATUSES


class Arrivals:
    """Puts the next records whenever somebody waits."""

    def __init__(self, table: Any, *batches: list[tuple[str, str, float]]) -> None:
        self._table = table
        self._batches = list(batches)

    def __call__(self) -> None:
        for name, status, minutes in self._batches.pop(0):
            put(self._table, name, status, minutes)


def test_following_shows_the_latest_and_then_what_comes(session: Any, table: Any) -> None:
    for minute, name in enumerate("abc"):
        put(table, name, minutes=minute)
    arrivals = Arrivals(table, [], [("d", "rejected", 3), ("e", "classified", 4)], [], [])
    following = follow_results(session, STACK, ResultFilter(), 2, Skipped(), arrivals)
    assert names(islice(following, 4)) == ["b", "c", "d", "e"]
    with pytest.raises(IndexError):  # nothing else comes, however long one waits
        next(following)


def test_records_of_the_same_moment_and_late_ones_are_not_missed(session: Any, table: Any) -> None:
    put(table, "a", minutes=1)
    late = 1 - (MAX_INDEX_DELAY / MINUTE) * 0.9
    arrivals = Arrivals(table, [("b", "classified", 1)], [("late", "failed", late)])
    following = follow_results(session, STACK, ResultFilter(), 1, Skipped(), arrivals)
    assert names(islice(following, 3)) == ["a", "b", "late"]


def test_without_any_of_those_there_are_nothing_old_is_shown(session: Any, table: Any) -> None:
    put(table, "a", minutes=0.9)
    put(table, "b", minutes=1)
    following = follow_results(
        session, STACK, ResultFilter(), 0, Skipped(), Arrivals(table, [("c", "classified", 1)])
    )
    assert names(islice(following, 1)) == ["c"]


def test_what_comes_between_the_first_two_looks_is_shown_once(
    session: Any, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, arriving = results.read_results, [("b", "classified", 2.0)]

    def look(*where: Any) -> Iterator[Record]:
        found = list(read(*where))
        while arriving:
            put(table, *arriving.pop())
        return iter(found)

    monkeypatch.setattr(results, "read_results", look)
    put(table, "a", minutes=1)
    following = follow_results(
        session, STACK, ResultFilter(), 5, Skipped(), Arrivals(table, [("c", "classified", 3)])
    )
    assert names(islice(following, 3)) == ["a", "b", "c"]


def test_a_photo_that_is_decided_anew_is_shown_again(session: Any, table: Any) -> None:
    put(table, "a", "failed")
    arrivals = Arrivals(table, [("a", "classified", 2)])
    following = follow_results(session, STACK, ResultFilter(), 5, Skipped(), arrivals)
    assert [record.decision.status for record in islice(following, 2)] == ["failed", "classified"]


def test_of_a_rare_class_the_others_are_not_read_again_and_again(
    session: Any, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[Any] = []
    read = records.query_records

    def watched(
        client: Any, name: str, skipped: Any, statuses: Any, *, since: Any = None, **more: Any
    ) -> Iterator[Record]:
        starts.append(since)
        return read(client, name, skipped, statuses, since=since, **more)

    monkeypatch.setattr(records, "query_records", watched)
    put(table, "a", minutes=60)
    arrivals = Arrivals(table, [("b", "classified", 120)], [], [])
    following = follow_results(
        session, STACK, ResultFilter(label="motorcycle"), 5, Skipped(), arrivals
    )
    with pytest.raises(IndexError):
        next(following)
    assert starts[-1] == START + 120 * MINUTE - MAX_INDEX_DELAY


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(
            st.floats(0, MAX_INDEX_DELAY / MINUTE).map(lambda minute: round(minute, 2)), max_size=5
        ),
        max_size=5,
    )
)
def test_in_whatever_order_records_come_each_is_shown_once(
    batches: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[Record] = []

    def read(_session: Any, _stack: Any, wanted: ResultFilter, _skipped: Any) -> Iterator[Record]:
        taken = [one for one in there if wanted.since is None or moment(one) >= wanted.since]
        return iter(sorted(taken, key=moment, reverse=True))

    def moment(record: Record) -> Any:
        return record.decision.timings.decided_at

    def arrive() -> None:
        batch, number = waiting.pop(0), len(there)
        there.extend(
            Record(decided(f"{number + place}", minutes=minute), None)
            for place, minute in enumerate(batch)
        )

    monkeypatch.setattr(results, "read_results", read)
    waiting = [*batches, []]
    shown: list[str] = []
    following = follow_results(None, STACK, ResultFilter(), 3, Skipped(), arrive)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        shown.extend(record.version for record in following)
    assert sorted(shown) == sorted(record.version for record in there)
