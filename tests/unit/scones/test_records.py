import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from scones.records import (
    SHARDS,
    Record,
    Review,
    Skipped,
    UnreadableRecord,
    Withdrawal,
    query_records,
    read_queue,
    read_record,
    read_versions,
    review_queue,
    status_shard,
)
from tests.unit.results_table import (
    BROKEN,
    START,
    break_record,
    create_table,
    decided,
    key_of,
    put_record,
)

TABLE = "results"
BROKEN_TABLE = "broken-results"


@pytest.fixture(scope="module")
def table() -> Iterator[Any]:
    """A table with a photo of each status, a minute apart."""
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        create_table(client, TABLE)
        put_record(client, TABLE, decided("a.png", "classified", 0))
        put_record(client, TABLE, decided("b.png", "needs_review", 1))
        put_record(client, TABLE, decided("c.png", "rejected", 2))
        put_record(client, TABLE, decided("d.png", "classified", 3))
        put_record(client, TABLE, decided("e.png", "needs_review", 4))
        review = Review(id="1", outcome="labelled", label="motorcycle", by="me", at=START)
        reviewed = decided("f.png", "needs_review", 5)
        put_record(client, TABLE, reviewed, review=review.model_dump_json())
        key = {"photo": {"S": "s3://photos/incoming/f.png"}, "version": {"S": "version-of-f.png"}}
        client.update_item(TableName=TABLE, Key=key, UpdateExpression="REMOVE queue")
        yield client


def names(records: Any) -> str:
    return "".join(record.photo[-5] for record in records)


def test_all_records_come_newest_first(table: Any) -> None:
    assert names(query_records(table, TABLE, Skipped())) == "fedcba"


def test_records_are_spread_over_all_shards() -> None:
    keys = [("s3://photos/incoming/gate.jpg", str(version)) for version in range(200)]
    shards = Counter(status_shard("classified", *key) for key in keys)

    assert set(shards) == {f"classified#{number}" for number in range(SHARDS)}
    assert max(shards.values()) < 2 * len(keys) / SHARDS
    queues = {review_queue(*key).removeprefix("review") for key in keys}
    assert queues == {f"#{number}" for number in range(SHARDS)}


def test_pages_of_all_shards_are_merged_in_order(table: Any) -> None:
    create_table(table, "many")
    for minute in range(100):
        put_record(table, "many", decided(f"{minute}.png", "needs_review", minute))

    def minutes(records: Iterable[Record]) -> list[int]:
        return [
            (one.decision.timings.decided_at - START) // timedelta(minutes=1) for one in records
        ]

    newest_first = list(reversed(range(100)))
    assert minutes(query_records(table, "many", Skipped(), page_size=16)) == newest_first
    assert minutes(query_records(table, "many", Skipped())) == newest_first
    assert minutes(read_queue(table, "many", Skipped(), page_size=16)) == list(range(100))


def test_records_of_some_statuses(table: Any) -> None:
    assert names(query_records(table, TABLE, Skipped(), ["classified", "rejected"])) == "dca"


def test_a_range_holds_its_start_and_not_its_end(table: Any) -> None:
    minute = timedelta(minutes=1)
    found = query_records(table, TABLE, Skipped(), since=START + minute, until=START + 3 * minute)
    assert names(found) == "cb"


def test_the_queue_holds_what_nobody_reviewed_longest_waiting_first(table: Any) -> None:
    assert names(read_queue(table, TABLE, Skipped())) == "be"


def test_a_record_with_its_review(table: Any) -> None:
    record = read_record(table, TABLE, "s3://photos/incoming/f.png", "version-of-f.png")
    assert record is not None
    assert record.review is not None
    assert record.review.label == "motorcycle"
    assert record.announced
    assert record.decision.label == "bicycle"
    assert record.key == {
        "photo": {"S": "s3://photos/incoming/f.png"},
        "version": {"S": "version-of-f.png"},
    }


def test_a_version_that_was_not_decided_has_no_record(table: Any) -> None:
    assert read_record(table, TABLE, "s3://photos/incoming/f.png", "another") is None


def test_versions_of_a_photo_newest_first(table: Any) -> None:
    for minutes in (10, 12, 11):
        event = decided("g.png", "classified", minutes)
        photo = event.photo.model_copy(update={"version_id": str(minutes)})
        put_record(table, TABLE, event.model_copy(update={"photo": photo}))
    found = read_versions(table, TABLE, "s3://photos/incoming/g.png")
    assert [record.version for record in found] == ["12", "11", "10"]


@pytest.mark.parametrize("read", [query_records, read_queue])
def test_pages_are_as_small_as_asked_for_and_read_when_needed(table: Any, read: Any) -> None:
    asked: list[Any] = []
    table.meta.events.register(
        "before-parameter-build.dynamodb.Query",
        lambda params, **_: asked.append(params.get("Limit")),
        unique_id="asked",
    )
    everything = names(read(table, TABLE, Skipped()))
    asked.clear()

    found = read(table, TABLE, Skipped(), page_size=1)
    first = next(found)

    assert set(asked) == {1}
    assert names([first]) == everything[0]
    assert names(found) == everything[1:]
    table.meta.events.unregister("before-parameter-build.dynamodb.Query", unique_id="asked")


@pytest.fixture
def broken_table() -> Iterator[Any]:
    """A table with a photo that waits for a reviewer and others between two good ones."""
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        create_table(client, BROKEN_TABLE)
        for minute, name in enumerate("abc"):
            put_record(client, BROKEN_TABLE, decided(f"{name}.png", "needs_review", minute))
        yield client
        client.delete_table(TableName=BROKEN_TABLE)


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_an_unreadable_record_is_skipped_and_counted(
    broken_table: Any, change: dict[str, str]
) -> None:
    break_record(broken_table, BROKEN_TABLE, key_of("b.png"), change)
    for read in (query_records, read_queue):
        skipped = Skipped()
        found = read(broken_table, BROKEN_TABLE, skipped)

        assert sorted(names(found)) == ["a", "c"]
        assert len(skipped) == 1
        assert skipped.message is not None
        assert '1 record is skipped: the record of "s3://photos/incoming/b.png"' in skipped.message


def test_an_unreadable_record_that_is_read_by_its_key_is_an_error(broken_table: Any) -> None:
    break_record(broken_table, BROKEN_TABLE, key_of("b.png"), BROKEN["a later version"])
    photo = "s3://photos/incoming/b.png"

    with pytest.raises(UnreadableRecord, match=r"cannot be read \(version: Input should be '1'\)"):
        read_record(broken_table, BROKEN_TABLE, photo, "version-of-b.png")
    (found,) = read_versions(broken_table, BROKEN_TABLE, photo)
    assert isinstance(found, UnreadableRecord)
    assert found.key == {"photo": {"S": photo}, "version": {"S": "version-of-b.png"}}


def test_a_record_that_is_skipped_twice_is_counted_once(broken_table: Any) -> None:
    for name in ("a.png", "c.png"):
        break_record(broken_table, BROKEN_TABLE, key_of(name), BROKEN["no JSON"])
    skipped = Skipped()

    for read in (query_records, read_queue):
        assert names(read(broken_table, BROKEN_TABLE, skipped)) == "b"

    assert skipped.message is not None
    assert skipped.message.startswith("2 records are skipped, the first of them: ")


def test_readers_stop_at_the_most_records_that_may_be_skipped(broken_table: Any) -> None:
    for name in ("b.png", "c.png"):
        break_record(broken_table, BROKEN_TABLE, key_of(name), BROKEN["no JSON"])

    assert names(query_records(broken_table, BROKEN_TABLE, Skipped(2))) == ""
    assert names(query_records(broken_table, BROKEN_TABLE, Skipped(3))) == "a"


def review_of(label: str | None, *, withdrawn: bool = False) -> Review:
    return Review(
        id="1",
        outcome="labelled" if label else "not_a_vehicle",
        label=label,
        by="anna",
        at=START,
        withdrawal=Withdrawal(by="ben", at=START) if withdrawn else None,
    )


@pytest.mark.parametrize(
    ("review", "label", "bay"),
    [
        (None, "bicycle", None),
        (review_of("motorcycle"), "motorcycle", "B"),
        (review_of(None), None, None),
        (review_of("motorcycle", withdrawn=True), "bicycle", None),
        (review_of(None, withdrawn=True), "bicycle", None),
    ],
)
def test_the_label_of_a_review_holds_until_it_is_undone(
    review: Review | None, label: str | None, bay: str | None
) -> None:
    record = Record(decided("a.png", "needs_review"), None, review)

    assert record.effective_label == label
    assert record.effective_bay({"bicycle": "A", "motorcycle": "B"}) == bay


def test_no_expression_has_a_reserved_word(table: Any) -> None:
    """moto takes them in conditions of queries, and DynamoDB does not."""
    expressions: list[str] = []
    table.meta.events.register(
        "before-parameter-build.dynamodb.Query",
        lambda params, **_: expressions.append(params["KeyConditionExpression"]),
        unique_id="expressions",
    )
    list(query_records(table, TABLE, Skipped()))
    list(read_queue(table, TABLE, Skipped()))
    read_versions(table, TABLE, "s3://photos/incoming/a.png")
    table.meta.events.unregister("before-parameter-build.dynamodb.Query", unique_id="expressions")

    words = {word for text in expressions for word in re.findall(r"(?<![#:\w])\w+", text)}
    reserved = set(ReservedKeywords.get_reserved_keywords())
    assert "decided_at" in words
    assert {word for word in words if word.upper() in reserved} == {"AND", "BETWEEN"}
