from datetime import timedelta
from typing import Any

import pytest

from console import live
from console.live import Watch
from operations import review
from tests.unit.operations.reviewed import Office
from tests.unit.results_table import START, decided, put_record


@pytest.fixture
def watch(office: Office) -> Watch:
    session: Any = office
    return Watch(session, office.stack, now=lambda: START + timedelta(minutes=1))


def test_the_first_look_tells_of_the_queue_and_later_ones_of_changes(
    office: Office, watch: Watch
) -> None:
    record = office.arrive("a.png")
    news = watch.look()
    assert news is not None
    assert news.queue is not None
    assert [row.key for row in news.queue.rows] == ["incoming/a.png"]
    assert [row.key for row in news.rows] == ["incoming/a.png"]
    assert watch.look() is None
    put_record(office.table, office.stack.results_table, decided("b.png", "classified", 0.5))
    news = watch.look()
    assert news is not None
    assert (news.queue, [row.key for row in news.rows]) == (None, ["incoming/b.png"])
    session: Any = office
    review.say_not_a_vehicle(session, office.stack, record, "ben")
    news = watch.look()
    assert news is not None
    assert news.queue is not None
    assert news.queue.rows == []
    assert {(row.review.by if row.review else None) for row in news.rows} == {"ben"}


def test_what_becomes_of_photos_that_waited_long_is_told_too(office: Office, watch: Watch) -> None:
    record = office.arrive("old.png", -60)
    watch.look()
    session: Any = office
    review.say_not_a_vehicle(session, office.stack, record, "ben")
    news = watch.look()
    assert news is not None
    assert [row.key for row in news.rows] == ["incoming/old.png"]


def test_of_a_long_queue_the_longest_waiting_are_told(
    office: Office, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUEUE_SHOWN", 2)
    for minutes in (3, 1, 2):
        office.arrive(f"{minutes}.png", minutes)
    news = watch.look()
    assert news is not None
    assert news.queue is not None
    assert [row.key for row in news.queue.rows] == ["incoming/1.png", "incoming/2.png"]
    assert news.queue.more
