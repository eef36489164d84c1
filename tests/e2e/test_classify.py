"""One photo after another through the whole application, IAM enforced."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scones_local.samples import Samples
from scones_operator.aws.stack import DEFAULT_STACK_NAME
from tests.e2e.harness import Application, Inbox, eventually
from tools.prove_iam.deployed import read_policies
from tools.prove_iam.recording import Recording, parse_audit_trail
from tools.prove_iam.removal import statement_removed
from tools.prove_iam.replay import replay

pytestmark = pytest.mark.e2e


def events_of(inbox: Inbox, photo: tuple[str, str]) -> list[Any]:
    return [
        body["detail"]
        for body in inbox.bodies()
        if body["detail"].get("photo", {}).get("version_id") == photo[1]
    ]


def settled_events_of(inbox: Inbox, photo: tuple[str, str]) -> list[Any]:
    """Give a second event the time to arrive."""
    time.sleep(2)
    return events_of(inbox, photo)


def upload_event(application: Application, photo: tuple[str, str]) -> str:
    """The event that S3 sent for a photo, to be sent again."""
    key = photo[0].split("/", 3)[3]
    head = application.client("s3").head_object(
        Bucket=application.stack.photos_bucket, Key=key, VersionId=photo[1]
    )
    return json.dumps(
        {
            "version": "0",
            "id": "2ee9cc15-d022-99ea-1fb8-1b1bac4850f9",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "time": "2026-11-02T09:14:31Z",
            "detail": {
                "version": "0",
                "bucket": {"name": application.stack.photos_bucket},
                "object": {
                    "key": key,
                    "size": head["ContentLength"],
                    "etag": head["ETag"].strip('"'),
                    "version-id": photo[1],
                    "sequencer": "00617F08299329D189",
                },
                "reason": "PutObject",
            },
        }
    )


def send_again(application: Application, photo: tuple[str, str], times: int = 1) -> None:
    """Start the machine with a photo's event, all at once."""
    client, machine = application.client("stepfunctions"), application.machine()
    event = upload_event(application, photo)
    with ThreadPoolExecutor(times) as pool:
        starts = [
            pool.submit(client.start_execution, stateMachineArn=machine, input=event)
            for _ in range(times)
        ]
    assert len({start.result()["executionArn"] for start in starts}) == times


def test_photo_is_classified_recorded_and_published(
    application: Application, published: Inbox, bicycle: bytes
) -> None:
    photo = application.upload("van 7 + (north) 100% ü.png", bicycle)

    decided = application.decided(photo)

    assert decided.status == "classified"
    assert decided.label == "bicycle"
    assert decided.loading_bay == "A"
    assert decided.photo.key == "incoming/van 7 + (north) 100% ü.png"
    assert decided.model is not None
    assert decided.model.endpoint == application.stack.endpoint
    assert decided.timings.classify_ms is not None
    record = application.record(photo)
    assert record["label"] == {"S": "bicycle"}
    (event,) = eventually(lambda: events_of(published, photo) or None)
    assert event == json.loads(record["event"]["S"])


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("notes.jpg", b"these are notes, not a photo", "not_a_photo"),
        ("nothing.jpg", b"", "empty"),
        ("made by the S3 console/", b"", "empty"),
    ],
)
def test_what_is_not_a_photo_is_rejected_with_the_reason(
    application: Application, published: Inbox, name: str, body: bytes, code: str
) -> None:
    photo = application.upload(name, body)

    decided = application.decided(photo)

    assert decided.status == "rejected"
    assert decided.reason is not None
    assert decided.reason.code == code
    assert decided.label is None
    assert len(application.records(name)) == 1
    (event,) = eventually(lambda: events_of(published, photo) or None)
    assert event["status"] == "rejected"


def test_same_event_20_times_at_once_is_one_record_and_one_event(
    application: Application, published: Inbox, bicycle: bytes
) -> None:
    photo = application.upload("again and again.png", bicycle)
    application.decided(photo)
    first = application.record(photo)

    send_again(application, photo, times=20)
    wait_until_idle(application)

    assert application.records("again and again.png") == [first]
    assert len(settled_events_of(published, photo)) == 1


def test_20_first_events_at_once_are_one_record_and_one_event(
    application: Application, published: Inbox, bicycle: bytes
) -> None:
    """None of them comes first by much: each finds no record when it starts."""
    events = application.client("events")
    rule = application.resource("ClassifyStateMachinePhotoUploaded")
    events.disable_rule(Name=rule)
    photo = application.upload("all at once.png", bicycle)

    send_again(application, photo, times=20)
    application.decided(photo)
    wait_until_idle(application)
    events.enable_rule(Name=rule)

    assert len(application.records("all at once.png")) == 1
    assert len(settled_events_of(published, photo)) == 1


def wait_until_idle(application: Application) -> None:
    """Wait until no execution runs."""
    client, machine = application.client("stepfunctions"), application.machine()
    time.sleep(0.5)
    eventually(
        lambda: (
            not client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")[
                "executions"
            ]
            or None
        )
    )


def test_every_version_of_a_key_has_its_own_record(
    application: Application, bicycle: bytes
) -> None:
    first = application.upload("one key.png", bicycle)
    second = application.upload("one key.png", b"no photo")

    assert application.decided(first).status == "classified"
    assert application.decided(second).status == "rejected"
    assert len(application.records("one key.png")) == 2


def test_unsure_photo_goes_to_a_person(
    application: Application, published: Inbox, notified: Inbox, bicycle: bytes
) -> None:
    ssm, parameter = application.client("ssm"), application.stack.threshold_parameter
    ssm.put_parameter(Name=parameter, Value="1", Type="String", Overwrite=True)
    application.restart("ThresholdFunction")
    try:
        photo = application.upload("who knows.png", bicycle)
        decided = application.decided(photo)
    finally:
        ssm.put_parameter(Name=parameter, Value="0.6", Type="String", Overwrite=True)
        application.restart("ThresholdFunction")

    assert decided.threshold == 1
    assert decided.status == "needs_review"
    assert decided.label == "bicycle"
    (event,) = eventually(lambda: events_of(published, photo) or None)
    assert event["status"] == "needs_review"
    (message,) = eventually(
        lambda: [body for body in notified.bodies() if photo[1] in body["Message"]] or None
    )
    assert 'Photo: "incoming/who%20knows.png"' in message["Message"]
    assert "Threshold: 1" in message["Message"]
    assert "motorcycle: " in message["Message"]


def test_missing_endpoint_fails_the_photo_which_can_be_sent_again(
    application: Application, published: Inbox, bicycle: bytes
) -> None:
    sagemaker = application.client("sagemaker")
    endpoint = application.stack.endpoint
    config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    sagemaker.delete_endpoint(EndpointName=endpoint)
    try:
        photo = application.upload("too early.png", bicycle)
        failed = application.decided(photo)
    finally:
        often = {"Delay": 1, "MaxAttempts": 60}
        sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=endpoint, WaiterConfig=often)
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=endpoint, WaiterConfig=often)

    assert failed.status == "failed"
    assert failed.reason is not None
    assert failed.reason.code == "EndpointMissing"
    assert (
        f"endpoint {endpoint} does not exist or is not in service yet: approve a version"
        in failed.reason.message
    )

    send_again(application, photo)

    assert application.decided(photo, status="classified").label == "bicycle"
    statuses = eventually(lambda: found if len(found := events_of(published, photo)) > 1 else None)
    assert [event["status"] for event in statuses] == ["failed", "classified"]


@pytest.mark.parametrize(
    ("role", "statement", "says"),
    [
        ("SerializeFunctionRole", "ReadPhotos", "is not authorized to perform: s3:GetObject"),
        ("ClassifyFunctionRole", "AskTheEndpoint", "sagemaker:InvokeEndpoint"),
        ("ThresholdFunctionRole", "ReadLimits", "ssm:GetParameter"),
        ("ClassifyStateMachineRole", "CallSteps", "lambda:InvokeFunction"),
    ],
)
def test_removed_permission_fails_the_photo(
    application: Application, bicycle: bytes, role: str, statement: str, says: str
) -> None:
    with statement_removed(application.session, DEFAULT_STACK_NAME, f"{role}/{statement}"):
        seen = len(application.cloud.audit())
        application.restart("ThresholdFunction")
        decided = application.decided(application.upload(f"without {statement}.png", bicycle))
        asked = parse_audit_trail(application.cloud.audit()[seen:], [(0, "")])
        recording = Recording(read_policies(application.session, DEFAULT_STACK_NAME), asked)

    assert decided.status == "failed"
    assert decided.reason is not None
    assert says in decided.reason.message
    # What was refused is refused again when it is replayed, and nothing else is.
    assert any(request.principal.startswith("role/") and not request.allowed for request in asked)
    assert replay(recording).ignored == 0


def test_machine_that_may_not_record_leaves_the_event_to_be_sent_again(
    application: Application, bicycle: bytes
) -> None:
    with statement_removed(
        application.session, DEFAULT_STACK_NAME, "ClassifyStateMachineRole/RecordDecisions"
    ):
        photo = application.upload("unrecorded.png", bicycle)
        (event,) = eventually(lambda: undelivered(application) or None)

    assert application.record(photo) is None
    assert event["detail"]["object"]["version-id"] == photo[1]

    application.client("stepfunctions").start_execution(
        stateMachineArn=application.machine(), input=json.dumps(event)
    )

    assert application.decided(photo).status == "classified"


def undelivered(application: Application) -> list[Any]:
    """Take what is in the dead-letter queue."""
    sqs, url = application.client("sqs"), application.resource("UndeliveredEvents")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def test_every_sample_photo_ends_as_it_should(application: Application, drawn: Samples) -> None:
    sent = {
        entry.path: application.upload(
            f"samples/{entry.path}", (drawn.photos / entry.path).read_bytes()
        )
        for entry in drawn.read_manifest()
    }

    ends = {path: application.decided(photo).status for path, photo in sent.items()}

    expected = {entry.path: entry.statuses for entry in drawn.read_manifest()}
    assert {path: end for path, end in ends.items() if end not in expected[path]} == {}
    assert "rejected" in ends.values()
    assert "classified" in ends.values()
