from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from scones.records import SHARDS
from scones_operator.console import updates
from scones_operator.console.updates import UpdateFeed
from scones_operator.review import queue
from tests.unit.operator.reviewed import Office
from tests.unit.results_table import BROKEN, break_record, decided, put_record


@pytest.fixture
def watch(office: Office) -> UpdateFeed:
    session: Any = office
    return UpdateFeed(session, office.stack)


def decide(office: Office, name: str, minutes: float) -> None:
    """Let a photo be decided, so many minutes after an hour that is long past."""
    put_record(office.table, office.stack.results_table, decided(name, "classified", minutes))


def told(watch: UpdateFeed) -> list[str]:
    """Look, and return the names of what is new."""
    news = watch.poll()
    return [row.key.removeprefix("incoming/") for row in news.rows] if news else []


def test_the_first_look_tells_of_the_queue_and_later_ones_of_changes(
    office: Office, watch: UpdateFeed
) -> None:
    record = office.arrive("a.png")
    news = watch.poll()
    assert news is not None
    assert news.queue is not None
    assert [row.key for row in news.queue.rows] == ["incoming/a.png"]
    assert [row.key for row in news.rows] == ["incoming/a.png"]
    assert watch.poll() is None
    decide(office, "b.png", 0.5)
    news = watch.poll()
    assert news is not None
    assert (news.queue, [row.key for row in news.rows]) == (None, ["incoming/b.png"])
    session: Any = office
    with office.used_by("ben"):
        queue.label_as_none(session, office.stack, record)
    news = watch.poll()
    assert news is not None
    assert news.queue is not None
    assert news.queue.rows == []
    assert {(row.review.by if row.review else None) for row in news.rows} == {"ben"}


def test_a_review_changes_the_rows_of_all_versions_with_the_same_bytes(
    office: Office, watch: UpdateFeed
) -> None:
    records = [office.arrive("a.png", minutes) for minutes in (-60, -50)]
    decide(office, "new.png", 0)
    news = watch.poll()
    assert news is not None
    assert news.queue is not None
    assert [row.version for row in news.queue.rows] == [records[0].version]
    session: Any = office
    queue.label(session, office.stack, records[0], "bicycle")
    office.calls.clear()

    news = watch.poll()

    assert ("dynamodb", "get_item") not in office.calls  # which reviewers may not call
    assert news is not None
    answered = {row.version: row.review for row in news.rows}
    assert set(answered) == {record.version for record in records}
    first, second = (answered[record.version] for record in records)
    assert first is not None
    assert second is not None
    assert (first.reviewed_version, second.reviewed_version) == (None, records[0].version)
    queue.undo(session, office.stack, office.again(records[1]))
    news = watch.poll()
    assert news is not None
    assert {row.version: row.review for row in news.rows} == dict.fromkeys(answered)


def test_what_becomes_of_photos_that_waited_long_is_told_too(
    office: Office, watch: UpdateFeed
) -> None:
    record = office.arrive("old.png", -60)
    decide(office, "new.png", 0)
    watch.poll()
    session: Any = office
    with office.used_by("ben"):
        queue.label_as_none(session, office.stack, record)
    assert told(watch) == ["old.png"]


def test_photos_that_wait_again_are_told_as_they_are_now(office: Office, watch: UpdateFeed) -> None:
    session: Any = office
    with office.used_by("ben"):
        record = queue.label(session, office.stack, office.arrive("old.png", -60), "bicycle")
    decide(office, "new.png", 0)
    assert told(watch) == ["new.png"]
    queue.undo(session, office.stack, record)
    news = watch.poll()
    assert news is not None
    assert news.queue is not None
    assert [(row.key, row.review) for row in news.rows] == [("incoming/old.png", None)]
    assert [row.key for row in news.queue.rows] == ["incoming/old.png"]
    assert watch.poll() is None


def test_all_that_was_decided_since_the_last_look_is_told_however_long_ago_that_was(
    office: Office, watch: UpdateFeed
) -> None:
    decide(office, "a.png", 0)
    assert told(watch) == ["a.png"]
    decide(office, "b.png", 10)
    decide(office, "c.png", 600)
    assert told(watch) == ["c.png", "b.png"]
    decide(office, "late.png", 599)
    assert told(watch) == ["late.png"]
    assert told(watch) == []


def test_the_first_photos_of_a_new_stack_are_all_told(office: Office, watch: UpdateFeed) -> None:
    assert told(watch) == []
    decide(office, "a.png", 0)
    decide(office, "b.png", 60)
    assert told(watch) == ["b.png", "a.png"]


def test_what_was_long_ago_is_not_told_to_a_page_that_opens(
    office: Office, watch: UpdateFeed
) -> None:
    for minutes in (-60, -3, -1, 0):
        decide(office, f"{minutes}.png", minutes)
    assert told(watch) == ["0.png", "-1.png"]


# The shards of each status are queried, then those of the queue, then what left it.
@pytest.mark.parametrize("nth", [1, 4 * SHARDS + 1, 5 * SHARDS + 1])
def test_what_a_look_found_that_failed_is_told_by_the_next(
    office: Office, watch: UpdateFeed, nth: int
) -> None:
    record = office.arrive("waits.png", -60)
    watch.poll()
    decide(office, "new.png", 0)
    session: Any = office
    with office.used_by("ben"):
        queue.label_as_none(session, office.stack, record)
    office.lose_request("dynamodb", "get_paginator", nth)
    with pytest.raises(EndpointConnectionError):
        watch.poll()
    assert told(watch) == ["new.png", "waits.png"]


def test_of_a_long_gap_the_latest_are_told(
    office: Office, watch: UpdateFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "MAX_RESULTS", 2)
    decide(office, "first.png", 0)
    watch.poll()
    for minutes in (10, 20, 30):
        decide(office, f"{minutes}.png", minutes)
    assert told(watch) == ["30.png", "20.png"]
    assert told(watch) == []


def test_of_a_long_queue_the_longest_waiting_are_told(
    office: Office, watch: UpdateFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "MAX_QUEUE_ROWS", 2)
    for minutes in (3, 1, 2):
        office.arrive(f"{minutes}.png", minutes)
    news = watch.poll()
    assert news is not None
    assert news.queue is not None
    assert [row.key for row in news.queue.rows] == ["incoming/1.png", "incoming/2.png"]
    assert news.queue.more


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_record_that_can_not_be_read_does_not_hide_the_others(
    office: Office, watch: UpdateFeed, change: dict[str, str]
) -> None:
    records = [office.arrive(f"{name}.png", minute) for minute, name in enumerate("abc")]
    watch.poll()
    assert watch.skipped is None
    break_record(office.table, office.stack.results_table, records[1].key, change)
    office.arrive("d.png", 3)

    news = watch.poll()

    assert news is not None
    assert news.queue is not None
    assert [row.key[-5] for row in news.queue.rows] == ["a", "c", "d"]
    assert watch.skipped is not None
    assert '"s3://photos/incoming/b.png"' in watch.skipped


def test_a_review_that_is_being_undone_is_not_shown(office: Office, watch: UpdateFeed) -> None:
    session: Any = office
    record = queue.label(session, office.stack, office.arrive("a.png"), "motorcycle")
    office.bus.refusing = True
    with pytest.raises(queue.ReviewIncompleteError):
        queue.undo(session, office.stack, record)

    news = watch.poll()

    assert news is not None
    assert [(row.review, row.loading_bay) for row in news.rows] == [(None, None)]
