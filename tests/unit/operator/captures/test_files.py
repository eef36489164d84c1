from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.captures.files import CaptureFile, TimeRange, find_files, read_records
from scones_operator.captures.parser import CorruptRecord
from scones_operator.captures.records import CaptureRecord
from tests.unit.operator.captures.files import line
from tests.unit.operator.deployed import STACK

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def bucket(session: Any) -> Any:
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)
    return session.client("s3")


def put(bucket: Any, at: datetime, *lines: str, variant: str = "AllTraffic") -> None:
    key = f"captures/scones/{variant}/{at:%Y/%m/%d/%H/%M-%S}-000-some-id.jsonl"
    body = "".join(f"{text}\n" for text in lines or [line(at=at)])
    bucket.put_object(Bucket=STACK.data_bucket, Key=key, Body=body)


def hours(files: Sequence[CaptureFile]) -> list[str]:
    return [file.hour for file in files]


def ids(found: Sequence[CaptureRecord | CorruptRecord]) -> list[str]:
    return [item.event_id for item in found if isinstance(item, CaptureRecord)]


def ignore(_: CaptureFile) -> None:
    pass


def test_files_of_the_hours_of_a_range_latest_first(session: Any, bucket: Any) -> None:
    for hour in range(12):
        put(bucket, NINE + hour * HOUR)
    found = find_files(session, STACK, TimeRange(NINE + 3 * HOUR, NINE + 5.5 * HOUR))
    # The hour before: its last file may hold records of the first hour.
    assert hours(found) == [f"2026/11/20/{hour}" for hour in (14, 13, 12, 11)]


def test_files_of_all_variants_and_of_no_other_endpoint(session: Any, bucket: Any) -> None:
    put(bucket, NINE, variant="AllTraffic")
    put(bucket, NINE + timedelta(minutes=2), variant="shadow")
    other = "captures/scones--staging/AllTraffic/2026/11/20/09/00-00-000-id.jsonl"
    bucket.put_object(Bucket=STACK.data_bucket, Key=other, Body=b"")
    bucket.put_object(Bucket=STACK.data_bucket, Key="captures/scones/AllTraffic/notes", Body=b"")
    found = find_files(session, STACK, TimeRange(NINE, NINE + HOUR))
    assert [(file.endpoint, file.variant) for file in found] == [
        ("scones", "shadow"),
        ("scones", "AllTraffic"),
    ]


def test_an_endpoint_that_captured_nothing(session: Any, bucket: Any) -> None:
    assert find_files(session, STACK, TimeRange(NINE, NINE + HOUR)) == []


def test_hours_are_those_of_utc(session: Any, bucket: Any) -> None:
    put(bucket, NINE)
    put(bucket, NINE + 3 * HOUR)
    local = datetime.fromisoformat("2026-11-20T17:30:00+05:00")
    found = find_files(session, STACK, TimeRange(local, local + timedelta(minutes=1)))
    assert hours(found) == ["2026/11/20/12"]


def test_records_of_a_range(session: Any, bucket: Any) -> None:
    moments = [NINE + timedelta(minutes=minutes) for minutes in (0, 10, 20, 30)]
    put(bucket, NINE, *(line(number, at) for number, at in enumerate(moments)))
    span = TimeRange(moments[1], moments[3])
    files = find_files(session, STACK, span)
    assert ids(list(read_records(session, files, span, ignore))) == ["event-1", "event-2"]


def test_many_files_are_read_in_their_order(session: Any, bucket: Any) -> None:
    for number in range(40):
        put(bucket, NINE + timedelta(minutes=number), line(number, NINE))
    span = TimeRange(NINE, NINE + HOUR)
    files = find_files(session, STACK, span)
    shown: list[CaptureFile] = []
    found = list(read_records(session, files, span, shown.append))
    assert ids(found) == [f"event-{number}" for number in reversed(range(40))]
    assert shown == files


def test_the_latest_of_the_latest_files(session: Any, bucket: Any) -> None:
    put(bucket, NINE, line(0, NINE), "damaged")
    put(bucket, NINE + HOUR, *(line(n, NINE + HOUR + timedelta(minutes=n)) for n in (3, 2, 1)))
    put(bucket, NINE + 2 * HOUR, line(9, NINE + 2 * HOUR))
    span = TimeRange(NINE, NINE + 3 * HOUR)
    files = find_files(session, STACK, span)
    shown: list[CaptureFile] = []
    assert ids(list(read_records(session, files, span, shown.append, limit=3))) == [
        "event-9",
        "event-2",
        "event-3",
    ]
    assert hours(shown) == ["2026/11/20/11", "2026/11/20/10"]


def test_damage_is_told_with_its_file(session: Any, bucket: Any) -> None:
    put(bucket, NINE, line(1, NINE), "damaged", line(2, NINE))
    span = TimeRange(NINE, NINE + HOUR)
    files = find_files(session, STACK, span)
    (damage,) = [
        item
        for item in read_records(session, files, span, ignore)
        if isinstance(item, CorruptRecord)
    ]
    assert (damage.file, damage.line) == (files[0].uri, 2)
    assert files[0].uri.startswith("s3://data/captures/scones/AllTraffic/2026/11/20/09/")
    assert len(list(read_records(session, files, span, ignore, limit=5))) == 3


def test_a_file_that_is_gone_meanwhile(session: Any, bucket: Any) -> None:
    put(bucket, NINE)
    span = TimeRange(NINE, NINE + HOUR)
    files = find_files(session, STACK, span)
    bucket.delete_object(Bucket=STACK.data_bucket, Key=files[0].key)
    with pytest.raises(ClientError, match="404"):
        list(read_records(session, files, span, ignore))


def test_who_stops_reading_leaves_nothing_behind(
    session: Any, bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for minute in range(20):
        put(bucket, NINE + timedelta(minutes=minute))
    span = TimeRange(NINE, NINE + HOUR)
    reading = read_records(session, find_files(session, STACK, span), span, ignore)
    next(reading)
    assert list(tmp_path.iterdir())
    reading.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
