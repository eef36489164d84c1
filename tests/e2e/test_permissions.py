"""What roles may do beside the daily work: tell what is gone, keep what failed, write logs."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.models.drift import check_drift
from scones_operator.photos.dead_letter_queue import receive_messages
from scones_operator.photos.redrive import queue_items, redrive
from tests.e2e.harness import Application, eventually
from tests.e2e.operations import Operator
from tools.prove_iam.removal import statement_removed

pytestmark = pytest.mark.e2e

ABSENT = "incoming/deleted.png"


def uploaded(application: Application, key: str, version: str) -> str:
    """The event that S3 sends for a photo."""
    written = {"key": key, "size": 1, "etag": "0", "version-id": version, "sequencer": "0"}
    detail = {
        "version": "0",
        "bucket": {"name": application.stack.photos_bucket},
        "object": written,
        "reason": "PutObject",
    }
    event = {
        "version": "0",
        "id": "2ee9cc15-d022-99ea-1fb8-1b1bac4850f9",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-11-02T09:14:31Z",
        "detail": detail,
    }
    return json.dumps(event)


def test_a_deleted_photo_is_rejected_as_gone(application: Application) -> None:
    application.client("stepfunctions").start_execution(
        stateMachineArn=application.machine(), input=uploaded(application, ABSENT, "x" * 32)
    )

    decided = application.decided((f"s3://{application.stack.photos_bucket}/{ABSENT}", "x" * 32))

    assert (decided.status, decided.reason and decided.reason.code) == ("rejected", "gone")


def test_photos_deleted_since_they_were_listed_are_counted(application: Application) -> None:
    s3, bucket = application.client("s3"), application.stack.data_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="retraining/")["Contents"]
    (list_file, *_) = [item for item in listed if item["Key"].endswith("/lists/validation.lst")]
    batch = {
        "run": list_file["Key"].split("/")[1],
        "photos": f"s3://{bucket}/dataset/deleted/",
        "start": 0,
        "end": list_file["Size"],
        "list_file": "validation.lst",
    }

    answer = application.client("lambda").invoke(
        FunctionName=application.resource("PrepareImagesFunction"), Payload=json.dumps(batch)
    )

    prepared = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, prepared
    assert prepared["prepared"] == 0


def test_a_missing_evaluation_is_told_as_missing(application: Application) -> None:
    s3, bucket = application.client("s3"), application.stack.data_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="retraining/")["Contents"]
    keys = [item["Key"] for item in listed if item["Key"].endswith("/evaluation.json")]
    bodies = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)
    try:
        checked = check_drift(application.session, application.stack, "tests")
    finally:
        for key, body in bodies.items():
            s3.put_object(Bucket=bucket, Key=key, Body=body)

    assert checked.outcome == "no_evaluation", checked.message
    assert "AccessDenied" not in checked.message


FUNCTIONS = (
    "Serialize",
    "Classify",
    "Threshold",
    "GenerateLists",
    "PrepareImages",
    "Evaluate",
    "SmokeTest",
    "EmitMetrics",
    "CheckDrift",
    "Review",
    "AnswerPromotion",
)


def test_every_function_writes_its_log(application: Application) -> None:
    client, since = application.client("lambda"), milliseconds()
    for name in FUNCTIONS:
        # What it makes of the event does not matter here.
        client.invoke(FunctionName=application.resource(f"{name}Function"), Payload=b"{}")

    silent = [name for name in FUNCTIONS if not logged(application, f"{name}Logs", since)]
    assert silent == []


@pytest.mark.parametrize("machine", ["Classify", "Retrain", "Promote"])
def test_every_state_machine_writes_its_log(application: Application, machine: str) -> None:
    client, since = application.client("stepfunctions"), milliseconds()
    arn = application.resource(f"{machine}StateMachine")
    execution = client.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
    if machine != "Classify":
        client.stop_execution(executionArn=execution)

    eventually(lambda: logged(application, f"{machine}Executions", since) or None, patience=10)


def milliseconds() -> int:
    """The time, as CloudWatch Logs counts it."""
    return int(datetime.now(UTC).timestamp() * 1000)


def logged(application: Application, group: str, since: int) -> list[Any]:
    """What was logged since a time."""
    found = application.client("logs").filter_log_events(
        logGroupName=application.resource(group), startTime=since
    )
    return list(found["events"])


def test_events_that_functions_fail_on_are_kept(application: Application) -> None:
    operator, client = Operator(application), application.client("lambda")
    with (
        operator.configured("EmitMetricsFunction", STACK_NAME=""),
        operator.configured("CheckDriftFunction", DRIFT_DAYS=""),
    ):
        for name in ("EmitMetricsFunction", "CheckDriftFunction"):
            client.invoke(
                FunctionName=application.resource(name),
                InvocationType="Event",
                Payload=json.dumps({"lost": name}),
            )
        kept: list[Any] = []
        while len(kept) < 2:
            kept += map(json.loads, taken(application, "MissedMeasurements"))

    lost = sorted(one["requestPayload"]["lost"] for one in kept)
    assert lost == ["CheckDriftFunction", "EmitMetricsFunction"]


def taken(application: Application, queue: str) -> list[str]:
    """Wait for messages of a queue, and take them."""
    sqs, url = application.client("sqs"), application.resource(queue)

    def look() -> list[Any] | None:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return found.get("Messages")

    messages = eventually(look)
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


def test_what_a_schedule_may_not_start_is_kept(application: Application) -> None:
    with ExitStack() as removals:
        for name in (
            "RetrainStateMachineScheduleRole/RetrainStateMachineScheduleStartExecutionPolicy#1",
            "CheckDriftFunctionScheduleRole/CheckDriftFunctionScheduleLambdaPolicy#1",
        ):
            removals.enter_context(statement_removed(application.session, DEFAULT_STACK_NAME, name))
        for name in ("RetrainStateMachineSchedule", "CheckDriftFunctionSchedule"):
            removals.enter_context(due(application, application.resource(name)))

        assert len(taken(application, "UndeliveredEvents")) == 1
        assert len(taken(application, "MissedMeasurements")) == 1


@contextmanager
def due(application: Application, name: str) -> Iterator[None]:
    """Have a second schedule like this one, due now."""
    client = application.client("scheduler")
    found = client.get_schedule(Name=name)
    now = datetime.now(UTC)
    client.create_schedule(
        Name=f"{name}-now",
        ScheduleExpression=f"at({now:%Y-%m-%dT%H:%M:%S})",
        **{member: found[member] for member in ("FlexibleTimeWindow", "Target")},
    )
    try:
        yield
    finally:
        client.delete_schedule(Name=f"{name}-now")


def test_an_operator_redrives_an_undelivered_event(
    application: Application, bicycle: bytes
) -> None:
    photo = application.upload("undelivered.png", bicycle)
    application.decided(photo)
    application.client("sqs").send_message(
        QueueUrl=application.stack.dead_letter_queue,
        MessageBody=uploaded(application, "incoming/undelivered.png", photo[1]),
    )
    session, stack = application.operator.session(), application.stack

    with receive_messages(session, stack.dead_letter_queue) as messages:
        (became,) = redrive(session, stack, queue_items(messages, stack), lambda _: None)

    assert became.done, became.message
