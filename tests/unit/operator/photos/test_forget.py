"""Forget a photo that is everywhere, and whatever interrupts it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from scones.records import SIMULATED_PREFIX, Record, inference_id
from scones.reviews.labeled_photos import copy_stem
from scones.runs import RETENTION_TAG
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.photos.dead_letter_queue import receive_messages
from scones_operator.photos.forget import PhotoTraces, TrainedRun, find_traces, forget, photo_key
from scones_operator.review import queue as review
from tests.unit.operator.captures.files import line
from tests.unit.operator.deployed import RETRAIN, STACK, Session
from tests.unit.operator.reviewed import Office
from tests.unit.results_table import BROKEN, START, break_record, decided, put_record

STAGES = replace(STACK, parameters={**STACK.parameters, "ValidationShare": "0.5"})
RUN = "scones-20261121031500-4f9a1c"
CAPTURES = "captures/scones/AllTraffic/2026/11/20/09"
SECRET = "north gate 7"
"""In the photo's key; with a hyphen for each space in those of its copies."""


@pytest.fixture
def office(session: Session, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("scones_operator.photos.dead_letter_queue.LONG_POLL_SECONDS", 0)
    office = Office(session, STAGES)
    for queue in (STAGES.dead_letter_queue, STAGES.missed_metrics_queue):
        session.client("sqs").create_queue(QueueName=queue.rpartition("/")[2])
    return office


@pytest.fixture
def record(office: Office, session: Session) -> Record:
    """A photo that left traces in all places, next to another photo's."""
    record = office.arrive(f"{SECRET}.png")
    first = label(office, record)
    review.undo(office, STAGES, first)
    # As undo left it before it removed all versions.
    put(office, str(first.review and first.review.dataset_key), b"the secret photo, once filed")
    office.s3.delete_object(Bucket="data", Key=first.review.dataset_key)  # type: ignore[union-attr]
    again = label(office, record)
    assert again.review is not None
    copy = str(again.review.dataset_key)
    office.arrive(f"{SECRET}.png", body=b"secret, uploaded anew", status="rejected")
    file_as_before(office, record)
    put(office, f"dataset/bicycle/reviewed/{SECRET.replace(' ', '-')}-0123456789abcdef.png", b"x")
    fill_run(office, copy, str(first.review and first.review.dataset_key))
    fill_captures(office, record)
    simulate(office, copy)
    fill_queues(office, record)
    session.register(run=RUN)
    return record


def label(office: Office, record: Record) -> Record:
    return review.label(office, STAGES, office.again(record), "motorcycle")


def put(office: Office, key: str, body: bytes | str) -> None:
    body = body.encode() if isinstance(body, str) else body
    office.s3.put_object(Bucket="data", Key=key, Body=body)


def file_as_before(office: Office, record: Record) -> None:
    """Leave copies of when only their metadata said of which photo they are."""
    told = {"photo": record.photo}
    for number, metadata in enumerate((told, {"photo-version": record.version})):
        folder = f"dataset/{('train', 'Val')[number]}/bicycle/reviewed"
        office.s3.put_object(
            Bucket="data",
            Key=f"{folder}/{SECRET.replace(' ', '-')}-0123456789a{number}.png",
            Body=b"secret",
            Metadata=metadata,
        )


def fill_run(office: Office, copy: str, undone: str) -> None:
    listed, before = (key.removeprefix("dataset/") for key in (copy, undone))
    folder = f"retraining/{RUN}"
    put(office, f"{folder}/lists/train.lst", f"0\t0\tbicycle/1.png\n7\t1\t{before}\n")
    manifest = [{"prefix": "s3://data/dataset/"}, "bicycle/1.png", before]
    put(office, f"{folder}/lists/train.manifest", json.dumps(manifest))
    put(office, f"{folder}/lists/validation.lst", f"0\t1\t{listed}\n1\t0\tbicycle/2.png\n")
    for index, body in enumerate((b"secret, prepared", b"another photo")):
        put(office, f"{folder}/pictures/{index}.png", body)
        put(office, f"{folder}/predictions/candidate/{index}.png.out", b"[0.5, 0.5]")
        put(office, f"{folder}/predictions/champion/pictures/{index}.png.out", b"[0.5, 0.5]")
    put(office, "retraining/scones-other/lists/train.lst", "0\t0\tbicycle/1.png\n")


def fill_captures(office: Office, record: Record) -> None:
    at = record.decision.timings.decided_at
    answer = json.dumps(list((record.decision.probabilities or {}).values()))
    lines = [
        identified(1, inference_id(record.photo, record.version), "secret"),
        line(2, at, answer),
        identified(3, inference_id(record.photo, "another version"), "of another photo"),
        line(4, at, "[0.75, 0.25]"),
        line(5, at + timedelta(minutes=20), answer),
        "half a record",
    ]
    put(office, f"{CAPTURES}/00-00-000-a.jsonl", "".join(f"{one}\n" for one in lines))
    put(office, f"{CAPTURES}/01-00-000-b.jsonl", f"{lines[0]}\n")


def identified(number: int, named: str, content: str) -> str:
    document = json.loads(line(number, START))
    document["eventMetadata"]["inferenceId"] = named
    document["captureData"]["endpointInput"] |= {"data": content, "encoding": "CSV"}
    return json.dumps(document)


def simulate(office: Office, copy: str) -> None:
    body = office.s3.get_object(Bucket="data", Key=copy)["Body"].read()
    key = f"{SIMULATED_PREFIX}20261121/00001.png"
    sent = office.s3.put_object(Bucket="photos", Key=key, Body=body)
    office.s3.put_object(
        Bucket="photos", Key=f"{SIMULATED_PREFIX}20261121/00002.png", Body=b"another"
    )
    event = decided()
    photo = event.photo.model_copy(update={"key": key, "version_id": sent["VersionId"]})
    put_record(office.table, STAGES.results_table, event.model_copy(update={"photo": photo}))


def fill_queues(office: Office, record: Record) -> None:
    found = {"bucket": {"name": "photos"}, "object": {"key": record.decision.photo.key}}
    others = {"bucket": {"name": "photos"}, "object": {"key": "incoming/other.png"}}
    upload = {"detail-type": "Object Created", "detail": found}
    ours = {"requestPayload": {"detail": {"photo": record.decision.photo.model_dump()}}}
    for queue, bodies in {
        STAGES.dead_letter_queue: [
            json.dumps(upload),
            json.dumps({"detail": others}),
            "no JSON",
        ],
        STAGES.missed_metrics_queue: [json.dumps([ours])],
    }.items():
        for body in bodies:
            office.client("sqs").send_message(QueueUrl=queue, MessageBody=body)


def find(office: Office, record: Record) -> PhotoTraces:
    return find_traces(office, STAGES, record.decision.photo.key)


def everything(office: Office) -> str:
    """All keys, contents, records and messages that there are."""
    found: list[Any] = [office.table.scan(TableName=STAGES.results_table)["Items"]]
    for bucket in ("photos", "data"):
        listed = office.s3.list_object_versions(Bucket=bucket)
        found += [item["Key"] for item in listed.get("DeleteMarkers", [])]
        for item in listed["Versions"]:
            which = {"Bucket": bucket, "Key": item["Key"], "VersionId": item["VersionId"]}
            found += [item["Key"], office.s3.get_object(**which)["Body"].read()]
    for queue in (STAGES.dead_letter_queue, STAGES.missed_metrics_queue):
        with receive_messages(office, queue) as messages:  # type: ignore[arg-type]
            found += [message.body for message in messages]
    return repr(found)


def assert_forgotten(office: Office, record: Record, copy: bytes) -> None:
    left = everything(office)
    others = f"{SECRET.replace(' ', '-')}-0123456789abcdef.png"
    for told in (SECRET, "secret", record.version, copy_stem(record.photo), repr(copy)[2:-1]):
        assert told not in left, left[max(left.find(told) - 200, 0) :][:300]
    assert left.replace(others, "").count(SECRET.replace(" ", "-")) == 0
    assert others in left  # of another photo with the same name
    folder = f"retraining/{RUN}"
    for kept in (
        *("incoming/other.png", "no JSON", "of another photo", "[0.75, 0.25]", "half a record"),
        *(f"{SIMULATED_PREFIX}20261121/00002.png", f"{folder}/pictures/1.png", "another photo"),
        *(f"{folder}/predictions/candidate/1.png.out", "event-5", "scones-other/lists/train.lst"),
    ):
        assert kept in left
    for gone in ("00001.png", f"{folder}/pictures/0.png", "pictures/0.png.out", "event-2"):
        assert gone not in left


def copy_of(office: Office, record: Record) -> bytes:
    kept = office.again(record).review
    assert kept is not None
    body = office.s3.get_object(Bucket="data", Key=kept.dataset_key)["Body"].read()
    return bytes(body)


def test_nothing_names_or_holds_a_forgotten_photo(office: Office, record: Record) -> None:
    copy = copy_of(office, record)
    found = find(office, record)
    shown: list[Any] = []

    forget(found, shown.append)

    assert_forgotten(office, record, copy)
    assert shown == list(found.traces)
    assert found.learned == [TrainedRun(RUN, "trained", 1)]
    assert find(office, record) == PhotoTraces(record.photo, [], [])
    lists = f"retraining/{RUN}/lists"
    read = {
        name: office.s3.get_object(Bucket="data", Key=f"{lists}/{name}")["Body"].read().decode()
        for name in ("train.lst", "train.manifest", "validation.lst")
    }
    assert read["train.lst"] == "0\t0\tbicycle/1.png\n"
    assert json.loads(read["train.manifest"]) == [{"prefix": "s3://data/dataset/"}, "bicycle/1.png"]
    assert read["validation.lst"] == "1\t0\tbicycle/2.png\n"
    tags = office.s3.get_object_tagging(Bucket="data", Key=f"{lists}/train.lst")["TagSet"]
    assert [f"{tag['Key']}={tag['Value']}" for tag in tags] == [RETENTION_TAG]


def test_searching_changes_nothing(office: Office, record: Record) -> None:
    before = everything(office)

    find(office, record)

    assert everything(office) == before


def test_what_was_interrupted_is_found_again_wherever_it_was(
    office: Office, record: Record
) -> None:
    copy = copy_of(office, record)

    while traces := find(office, record).traces:
        for trace in takewhile(lambda one: one.place == traces[0].place, traces):
            trace.remove()

    assert_forgotten(office, record, copy)


@pytest.mark.parametrize("place", ["capture", "list"])
def test_a_file_whose_old_version_is_left_is_found_again(
    office: Office, record: Record, place: str
) -> None:
    copy = copy_of(office, record)
    trace = next(trace for trace in find(office, record).traces if trace.place == place)
    office.lose_request("s3", "delete_object")
    with pytest.raises(EndpointConnectionError):
        trace.remove()
    office.mend()

    forget(find(office, record), lambda _: None)

    assert_forgotten(office, record, copy)


def test_a_photo_that_may_be_being_decided_is_refused(office: Office) -> None:
    office.s3.put_object(Bucket="photos", Key="incoming/new.png", Body=b"x")

    with pytest.raises(
        PreconditionError, match=r"may still be processed: try again in (2\d\d|300) s"
    ):
        find_traces(office, STAGES, "incoming/new.png")


def test_a_photo_that_may_be_trained_on_now_is_refused(office: Office) -> None:
    record = label(office, office.arrive())
    office.client("stepfunctions").run(RETRAIN, {}, [[]])

    with pytest.raises(PreconditionError, match="a retraining is running"):
        find(office, record)


def test_captures_of_a_failed_photo_are_searched_up_to_now(office: Office) -> None:
    record = office.arrive("a.png", status="failed")
    now = datetime.now(UTC)
    key = f"captures/other/main/{now:%Y/%m/%d/%H}/00-00-000-a.jsonl"
    put(office, key, identified(1, inference_id(record.photo, record.version), "x"))

    assert f"s3://data/{key}" in [trace.name for trace in find(office, record).traces]


@pytest.mark.parametrize(
    ("photo", "key"),
    [
        ("a/7.png", "incoming/a/7.png"),
        ("incoming/a/7.png", "incoming/a/7.png"),
        (f"{SIMULATED_PREFIX}7.png", f"{SIMULATED_PREFIX}7.png"),
        ("s3://photos/elsewhere/7.png", "elsewhere/7.png"),
    ],
)
def test_a_photo_is_named_whole(photo: str, key: str) -> None:
    assert photo_key(STAGES, photo) == key


def test_a_photo_of_another_bucket_is_refused() -> None:
    with pytest.raises(PreconditionError, match="is not in the photos bucket"):
        photo_key(STAGES, "s3://data/dataset/a.png")


def test_a_photo_whose_record_can_not_be_read_is_not_forgotten_by_halves(
    office: Office, record: Record
) -> None:
    break_record(office.table, STAGES.results_table, record.key, BROKEN["a later version"])
    before = everything(office)

    with pytest.raises(
        OperationError, match="captured data of the photo cannot be found: the record of"
    ):
        find(office, record)

    assert everything(office) == before
