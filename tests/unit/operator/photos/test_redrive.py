import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scones.events import PhotoDecided
from scones.records import Record, Skipped
from scones_operator.photos.dead_letter_queue import parse_message, receive_messages
from scones_operator.photos.redrive import (
    MIN_UNDECIDED_AGE,
    RedriveResult,
    failed_photo_items,
    queue_items,
    redrive,
    unrecorded_photo_items,
    upload_event,
)
from tests.unit.operator.deployed import STACK
from tests.unit.operator.photos.test_dead_letter_queue import APPROVAL, message
from tests.unit.operator.step_functions import StepFunctions
from tests.unit.results_table import (
    BROKEN,
    START,
    UNFAMILIAR,
    break_record,
    create_table,
    decided,
    key_of,
    put_record,
)


def event_of(name: str) -> dict[str, Any]:
    """Give the upload's event of a photo."""
    return upload_event(Record(failed(name), None), STACK, "us-east-1")


def failed(name: str) -> PhotoDecided:
    reason = {"code": "EndpointMissing", "message": "there is no endpoint"}
    return decided(name, "failed", reason=reason)


class Machine:
    """The machine `classify`: has a photo end as it is told to, as statemachine/classify does."""

    def __init__(self, session: Any) -> None:
        self.table = session.client("dynamodb")
        self.input: list[Any] = []
        self.ends: dict[str, str] = {}
        session.machines.express = self.run

    def run(self, event: Any) -> dict[str, str]:
        self.input.append(event)
        name = event["detail"]["object"]["key"].removeprefix("incoming/")
        match self.ends.get(name, "classified"):
            case "lost":
                return {"status": "FAILED", "error": "DynamoDB.Throttled", "cause": "slow"}
            case "silent":
                self.put(decided(name), announced=False)
                return {"status": "SUCCEEDED", "output": "{}"}
            case "timed out":
                return {"status": "TIMED_OUT"}
            case "failed":
                return {"status": "FAILED", "error": "EndpointBusy", "cause": "try later"}
            case "unfamiliar":
                self.put(decided(name, "needs_review", **UNFAMILIAR))
                return {"status": "SUCCEEDED", "output": "{}"}
            case status:
                self.put(decided(name, status))
                return {"status": "SUCCEEDED", "output": "{}"}

    def put(self, event: PhotoDecided, *, announced: bool = True) -> None:
        put_record(self.table, STACK.results_table, event)
        if not announced:
            photo = event.photo
            key = {"photo": {"S": f"s3://{photo.bucket}/{photo.key}"}}
            self.table.update_item(
                TableName=STACK.results_table,
                Key=key | {"version": {"S": photo.version_id}},
                UpdateExpression="REMOVE announced_at",
            )


@pytest.fixture
def machine(session: Any, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("scones_operator.photos.dead_letter_queue.LONG_POLL_SECONDS", 0)
    create_table(session.client("dynamodb"), STACK.results_table)
    session.client("sqs").create_queue(QueueName=STACK.dead_letter_queue.rpartition("/")[2])
    return Machine(session)


def send(session: Any, body: Any, target: str | None = None) -> None:
    attribute = {"TARGET_ARN": {"DataType": "String", "StringValue": target}}
    session.client("sqs").send_message(
        QueueUrl=STACK.dead_letter_queue,
        MessageBody=body if isinstance(body, str) else json.dumps(body),
        MessageAttributes=attribute if target else {},
    )


def redrive_queue(session: Any) -> dict[str, RedriveResult]:
    """Redrive the queue; gives what became of each job by what it is about."""
    with receive_messages(session, STACK.dead_letter_queue) as messages:
        found = redrive(session, STACK, queue_items(messages, STACK), lambda _: None)
    return {became.item.title: became for became in found}


def waiting(session: Any) -> int:
    with receive_messages(session, STACK.dead_letter_queue) as messages:
        return len(messages)


# ---- failed photos


def test_the_event_of_a_failed_photo_is_that_of_its_upload() -> None:
    event = event_of("50% [1].png")
    request = parse_message(message(event), STACK)
    assert request.photo == ("s3://photos/incoming/50% [1].png", "version-of-50% [1].png")
    assert event["time"] == "2026-11-20T08:59:58Z"
    assert event["detail"]["object"]["size"] == 1234
    assert event["resources"] == ["arn:aws:s3:::photos"]
    assert (event["source"], event["account"]) == ("aws.s3", "123456789012")


def test_the_event_of_a_photo_in_a_bucket_without_versions() -> None:
    photo = failed("a").photo.model_copy(update={"version_id": None})
    record = Record(failed("a").model_copy(update={"photo": photo}), None)
    found = upload_event(record, STACK, "us-east-1")["detail"]["object"]
    assert "version-id" not in found
    assert found["etag"] == "etag-of-a"
    assert "sequencer" not in found


def test_the_event_of_a_photo_with_a_sequencer_keeps_it() -> None:
    photo = failed("a").photo.model_copy(update={"sequencer": "0A1"})
    record = Record(failed("a").model_copy(update={"photo": photo}), None)
    assert upload_event(record, STACK, "us-east-1")["detail"]["object"]["sequencer"] == "0A1"


def test_photos_without_a_record_are_decided_at_last(session: Any, machine: Machine) -> None:
    bucket = session.client("s3")
    bucket.create_bucket(Bucket="photos")
    enabled = {"Status": "Enabled"}
    bucket.put_bucket_versioning(Bucket="photos", VersioningConfiguration=enabled)
    versions = {}
    for name in ("lost", "decided", "deleted"):
        answer = bucket.put_object(Bucket="photos", Key=f"incoming/{name}", Body=b"x" * 9)
        versions[name] = answer["VersionId"]
    bucket.delete_object(Bucket="photos", Key="incoming/deleted")
    photo = decided("decided").photo.model_copy(update={"version_id": versions["decided"]})
    event = decided("decided").model_copy(update={"photo": photo})
    put_record(machine.table, STACK.results_table, event)

    uploaded = datetime.now(UTC)
    later = uploaded + MIN_UNDECIDED_AGE + timedelta(seconds=1)
    (job,) = unrecorded_photo_items(session, STACK, START, later)

    assert job.title == "incoming/lost"
    assert job.request is not None
    assert job.request.photo == ("s3://photos/incoming/lost", versions["lost"])
    assert job.request.input["detail"]["object"]["size"] == 9
    redrive(session, STACK, [job], lambda _: None)
    assert machine.input == [job.request.input]
    assert list(unrecorded_photo_items(session, STACK, START, uploaded)) == []
    assert list(unrecorded_photo_items(session, STACK, later, later + timedelta(days=1))) == []


def test_failed_photos_are_decided_anew(session: Any, machine: Machine) -> None:
    put_record(machine.table, STACK.results_table, decided("fine"))
    for name in ("a", "b", "c", "d"):
        put_record(machine.table, STACK.results_table, failed(name))
    machine.ends = {"b": "failed", "c": "needs_review", "d": "unfamiliar"}
    shown: list[RedriveResult] = []
    jobs = list(failed_photo_items(session, STACK, Skipped()))
    found = redrive(session, STACK, jobs, shown.append)
    became = {one.item.title.removeprefix("incoming/"): one for one in found}
    assert {name: one.status for name, one in became.items()} == {
        **{"a": "classified", "b": "failed", "c": "needs_review", "d": "needs_review"}
    }
    assert [name for name, one in became.items() if not one.done] == ["b"]
    assert became["a"].message == "bicycle 0.99"
    assert became["d"].message == "bicycle 0.99, unfamiliar"
    # What it failed of this time, not the last time.
    assert became["b"].message == "EndpointBusy: try later"
    assert {one.item.title for one in shown} == {one.item.title for one in found}
    assert [job.title for job in failed_photo_items(session, STACK, Skipped())] == ["incoming/b"]


# ---- the queue


def test_each_message_goes_to_its_machine_and_out_of_the_queue(
    session: Any, machine: Machine, machines: StepFunctions
) -> None:
    send(session, event_of("kept"))
    send(session, event_of("undelivered"), STACK.classify_state_machine)
    send(session, APPROVAL, STACK.promote_state_machine)
    send(session, {"requested_by": "schedule"}, STACK.retrain_state_machine)
    became = redrive_queue(session)
    assert {what: one.status for what, one in became.items()} == {
        "incoming/kept": "classified",
        "incoming/undelivered": "classified",
        "approval of version 7": "started",
        "requested by schedule": "started",
    }
    requests = {execution.arn.split(":")[6]: execution.request for execution in machines.executions}
    assert requests == {
        "scones-promote": APPROVAL,
        "scones-retrain": {"requested_by": "schedule"},
    }
    assert len(machine.input) == 2
    assert waiting(session) == 0


@pytest.mark.parametrize(
    ("end", "told", "message"),
    [
        ("lost", "not_recorded", "DynamoDB.Throttled: slow"),
        ("timed out", "not_recorded", "its execution has the status TIMED_OUT"),
        ("silent", "not_announced", "try again in 5 minutes"),
    ],
)
def test_the_message_of_a_photo_that_nobody_was_told_of_stays(
    session: Any, machine: Machine, end: str, told: str, message: str
) -> None:
    send(session, event_of("a"))
    machine.ends = {"a": end}
    became = redrive_queue(session)["incoming/a"]
    assert (became.status, became.done) == (told, False)
    assert message in became.message
    assert waiting(session) == 1


def test_the_message_of_a_photo_that_fails_goes_as_its_record_tells_of_it(
    session: Any, machine: Machine
) -> None:
    put_record(machine.table, STACK.results_table, failed("a"))
    send(session, event_of("a"))
    machine.ends = {"a": "failed"}
    became = redrive_queue(session)["incoming/a"]
    assert (became.status, became.done) == ("failed", False)
    assert waiting(session) == 0


def test_several_messages_of_one_photo_are_one_job(session: Any, machine: Machine) -> None:
    for _ in range(3):
        send(session, event_of("a"))
    (became,) = redrive_queue(session).values()
    assert len(became.item.messages) == 3
    assert len(machine.input) == 1
    assert waiting(session) == 0


def test_what_is_not_understood_stays(session: Any, machine: Machine) -> None:
    send(session, "garbage")
    send(session, event_of("a"))
    became = redrive_queue(session)
    assert became["incoming/a"].done
    (other,) = (one for what, one in became.items() if what.startswith("message "))
    assert (other.status, other.done, other.message) == (
        "not_understood",
        False,
        "its body is not JSON",
    )
    assert waiting(session) == 1


def test_an_execution_whose_message_was_not_deleted_is_not_started_again(
    session: Any, machine: Machine, machines: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: Any) -> None:
        raise KeyboardInterrupt

    send(session, APPROVAL, STACK.promote_state_machine)
    with monkeypatch.context() as patch:
        patch.setattr("scones_operator.photos.dead_letter_queue.delete_message", break_off)
        with pytest.raises(KeyboardInterrupt):
            redrive_queue(session)
    assert waiting(session) == 1
    (became,) = redrive_queue(session).values()
    assert became.status == "started"
    assert "was already started" in became.message
    assert len(machines.executions) == 1
    assert waiting(session) == 0


def test_what_breaks_off_leaves_the_messages(
    session: Any, machine: Machine, machines: StepFunctions
) -> None:
    def refuse(_: Any) -> dict[str, str]:
        raise ValueError("not allowed")

    machines.express = refuse
    send(session, event_of("a"))
    with pytest.raises(ValueError, match="not allowed"):
        redrive_queue(session)
    assert waiting(session) == 1


def test_a_record_that_can_not_be_read_does_not_stop_the_others(
    session: Any, machine: Machine
) -> None:
    for name in ("a", "b"):
        put_record(machine.table, STACK.results_table, failed(name))
        send(session, event_of(name))
    machine.ends = {"a": "failed", "b": "needs_review"}
    break_record(machine.table, STACK.results_table, key_of("a"), BROKEN["a later version"])

    became = redrive_queue(session)

    assert (became["incoming/a"].status, became["incoming/a"].done) == ("not_recorded", False)
    assert "cannot be read" in became["incoming/a"].message
    assert became["incoming/b"].status == "needs_review"
    assert waiting(session) == 1
