from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from scones.events import PhotoDecided
from scones_operator.errors import PreconditionError
from scones_operator.photos.history import find_key, read_history
from tests.unit.operator.classify_logs import create_group, write_log
from tests.unit.operator.deployed import STACK
from tests.unit.results_table import START, create_table, decided, put_record

BUCKET = STACK.photos_bucket


@pytest.fixture
def photos(session: Any) -> Any:
    create_table(session.client("dynamodb"), STACK.results_table)
    create_group(session)
    client = session.client("s3")
    client.create_bucket(Bucket=BUCKET)
    enabled = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=enabled)
    return session


def upload(session: Any, name: str, body: bytes = b"photo") -> str:
    answer = session.client("s3").put_object(Bucket=BUCKET, Key=f"incoming/{name}", Body=body)
    return str(answer["VersionId"])


def record(session: Any, name: str, version: str, **changes: Any) -> PhotoDecided:
    event = decided(name, **changes)
    photo = event.photo.model_copy(update={"bucket": BUCKET, "version_id": version})
    event = event.model_copy(update={"photo": photo})
    put_record(session.client("dynamodb"), STACK.results_table, event)
    return event


# ---- which photo


@pytest.mark.parametrize(
    "said",
    [
        "incoming/gate/7.png",
        "gate/7.png",
        f"s3://{BUCKET}/incoming/gate/7.png",
        "7.png",
        "ate/7.png",
    ],
)
def test_a_photo_by_its_key_or_the_end_of_it(photos: Any, said: str) -> None:
    record(photos, "gate/7.png", "v1")
    record(photos, "gate/17.png", "v1")
    assert find_key(photos, STACK, said) == "incoming/gate/7.png"


def test_a_photo_without_a_result_by_its_key(photos: Any) -> None:
    upload(photos, "new.png")
    assert find_key(photos, STACK, "new.png") == "incoming/new.png"


def test_a_deleted_photo_is_not_stored_though_its_version_is_there(photos: Any) -> None:
    version = upload(photos, "gone.png")
    record(photos, "gone.png", version)
    photos.client("s3").delete_object(Bucket=BUCKET, Key="incoming/gone.png")

    history = read_history(photos, STACK, "incoming/gone.png")

    assert (history.version.version, history.version.in_bucket) == (version, False)


def test_the_key_of_the_message_to_reviewers_is_decoded(photos: Any) -> None:
    upload(photos, "north gate\u202e.jpg")
    key = "incoming/north gate\u202e.jpg"
    for photo in ("incoming/north%20gate%E2%80%AE.jpg", f"s3://{BUCKET}/{quote(key)}"):
        assert find_key(photos, STACK, photo) == key
    upload(photos, "north%20gate%E2%80%AE.jpg")
    assert find_key(photos, STACK, "north%20gate%E2%80%AE.jpg").endswith("%AE.jpg")


def test_a_key_that_is_the_beginning_of_another_is_not_it(photos: Any) -> None:
    upload(photos, "new.png.bak")
    with pytest.raises(PreconditionError, match=r'there is no photo "new.png"'):
        find_key(photos, STACK, "new.png")


def test_photos_that_can_not_be_told(photos: Any) -> None:
    for gate in "abcde":
        record(photos, f"{gate}/7.png", "v1")
    with pytest.raises(
        PreconditionError, match=r'"incoming/a/7.png", .*"incoming/c/7.png" and 2 more'
    ):
        find_key(photos, STACK, "7.png")
    with pytest.raises(
        PreconditionError, match="of none of the latest 5 with a result ends like that"
    ):
        find_key(photos, STACK, "8.png")
    with pytest.raises(PreconditionError, match="is not in the photos bucket"):
        find_key(photos, STACK, "s3://other/7.png")
    with pytest.raises(PreconditionError, match=r'there is no photo "s3://photos/7.png"'):
        find_key(photos, STACK, f"s3://{BUCKET}/7.png")


# ---- its versions


def test_versions_of_the_bucket_and_of_the_table(photos: Any) -> None:
    kept = upload(photos, "a.png")
    record(photos, "a.png", kept)
    record(photos, "a.png", "expired", status="failed", minutes=-600)
    history = read_history(photos, STACK, "incoming/a.png")
    assert (history.version.version, history.version.in_bucket) == (kept, True)
    assert history.version.size == len(b"photo")
    (other,) = history.other_versions
    assert (other.version, other.in_bucket, other.size) == ("expired", False, 1234)
    assert other.record is not None
    assert other.record.decision.status == "failed"
    named = read_history(photos, STACK, "incoming/a.png", "exp")
    assert named.version == other
    assert named.other_versions == (history.version,)


def test_a_version_that_can_not_be_told(photos: Any) -> None:
    record(photos, "a.png", "v1")
    record(photos, "a.png", "v2")
    with pytest.raises(PreconditionError, match="has 2 versions that begin with v"):
        read_history(photos, STACK, "incoming/a.png", "v")
    with pytest.raises(PreconditionError, match="has no versions that begin with x: there are v"):
        read_history(photos, STACK, "incoming/a.png", "x")
    with pytest.raises(PreconditionError, match=r'there is no photo "s3://photos/incoming/b.png"'):
        read_history(photos, STACK, "incoming/b.png")


# ---- its steps


def test_steps_of_a_photo_that_has_no_result(photos: Any) -> None:
    upload(photos, "a.png")
    (step,) = read_history(photos, STACK, "incoming/a.png").steps
    assert step.title == "uploaded"


def test_steps_by_the_record_where_the_log_is_gone(photos: Any) -> None:
    record(photos, "a.png", "v1")
    steps = read_history(photos, STACK, "incoming/a.png").steps
    assert [(step.title, step.at and (step.at - START).total_seconds()) for step in steps] == [
        ("uploaded", -2),
        ("execution started", -1),
        ("serialize", None),
        ("classify", None),
        ("threshold", None),
        ("decided", 0),
        ("announced", 0),
    ]
    assert steps[3].duration == timedelta(milliseconds=150)


def test_steps_by_the_log_with_what_went_wrong(photos: Any) -> None:
    # CloudWatch Logs takes no events of long ago.
    now = datetime.now(UTC).replace(microsecond=0)
    minutes = (now - START) / timedelta(minutes=1)
    event = record(photos, "a.png", "v1", status="failed", minutes=minutes)
    busy = ("TaskFailed", 0.5, {"error": "EndpointBusy", "cause": "c"})
    write_log(photos, "another execution", now, ("TaskStateEntered", 0, {"name": "Threshold"}))
    write_log(
        photos,
        event.execution,
        now - timedelta(seconds=1),
        ("ExecutionStarted", 0, {}),
        ("PassStateEntered", 0.1, {"name": "Read Event"}),
        ("TaskStateEntered", 0.2, {"name": "Serialize"}),
        ("TaskScheduled", 0.2, {}),
        ("TaskSucceeded", 0.3, {}),
        ("TaskStateExited", 0.4, {"name": "Serialize"}),
        ("TaskStateEntered", 0.4, {"name": "Classify"}),
        ("TaskScheduled", 0.4, {}),
        busy,
        ("TaskScheduled", 0.6, {}),
        ("TaskTimedOut", 0.8, {"error": "States.Timeout"}),
        ("TaskStateExited", 0.9, {"name": "Classify"}),
        ("TaskStateEntered", 0.9, {"name": "Ask The Weather"}),
        ("TaskStateExited", 0.9, {"name": "Ask The Weather"}),
        ("PassStateEntered", 0.9, {"name": "Failed"}),
    )
    steps = read_history(photos, STACK, "incoming/a.png").steps
    titles = [step.title for step in steps]
    assert titles == [
        *("uploaded", "execution started", "serialize", "classify", "Ask The Weather", "announced")
    ]
    assert steps[2].at == now - timedelta(milliseconds=800)
    assert steps[2].duration == timedelta(milliseconds=200)
    assert list(steps[2].failures) == []
    assert list(steps[3].failures) == ["EndpointBusy", "States.Timeout"]
    assert steps[3].duration == timedelta(milliseconds=500)


def test_what_a_person_said_is_the_last_step(photos: Any) -> None:
    said = '{"id": "1", "outcome": "labelled", "label": "motorcycle", "by": "anna", "at": "%s"}'
    event = decided("a.png", "needs_review")
    table = photos.client("dynamodb")
    put_record(table, STACK.results_table, event, review=said % "2026-11-20T10:00:00Z")
    last = read_history(photos, STACK, "incoming/a.png").steps[-1]
    assert last.title == "reviewed by anna: motorcycle"
    assert last.at == START + timedelta(hours=1)
