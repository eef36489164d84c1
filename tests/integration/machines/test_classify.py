"""The `classify` machine itself: every way its steps can end, with stand-ins for the functions."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from scones.events import PhotoDecided
from scones.records import inference_id, is_simulated, review_queue, status_shard
from tests.integration.cloud.tiny_app import TinyApp, allow

ROOT = Path(__file__).parents[3]
EVENT = json.loads((ROOT / "events" / "photo-uploaded.json").read_text("utf-8"))

STEP = """
from itertools import count

FAULTS = {faults!r}
calls = count()

def handler(event, context):
    call = next(calls)
    if call < len(FAULTS):
        raise type(FAULTS[call], (Exception,), {{}})({message!r})
    return {answer!r}
"""

JOIN_REVIEWS = """
def handler(event, context):
    name = event["key"].removeprefix("incoming/")
    if name == "broken":
        raise RuntimeError("as told")
    return {"outcome": name if name in ("reviewed", "pending") else "new"}
"""
"""The outcome is in the photo's name."""

SERIALIZED = {"outcome": "serialized", "picture": {"content_type": "image/png", "data": "AA=="}}
REJECTED = {"outcome": "rejected", "reason": {"code": "corrupt", "message": "it is broken"}}
PREDICTION = {
    "probabilities": [0.98, 0.02],
    "familiarity": 0.41,
    "endpoint": "scones",
    "variant": "main",
}
WITHOUT_FAMILIARITY = {name: PREDICTION[name] for name in ("probabilities", "endpoint", "variant")}
DECISION = {
    "label": "bicycle",
    "confidence": 0.98,
    "probabilities": {"bicycle": 0.98, "motorcycle": 0.02},
    "threshold": 0.93,
    "loading_bay": None,
    "familiarity": 0.41,
    "familiarity_limit": 0.05,
    "reason": None,
}
UNFAMILIAR = DECISION | {
    "familiarity": 0.012346,
    "reason": {"code": "unfamiliar", "message": "the photo does not resemble the training photos"},
}
IDENTIFIED = f"""
def handler(event, context):
    return {{**{PREDICTION!r}, "variant": event["inference_id"]}}
"""
UNSURE = DECISION | {"confidence": 0.5, "probabilities": {"bicycle": 0.5, "motorcycle": 0.5}}


@dataclass
class Classify:
    """The machine with stand-ins, and what it leaves behind."""

    app: TinyApp
    machine: str
    table: str
    published: str
    notified: str
    undelivered: str

    def run(self, event: Any = EVENT) -> Any:
        return self.app.run(self.machine, event)

    def records(self) -> list[Any]:
        return list(self.app.client("dynamodb").scan(TableName=self.table)["Items"])

    def events(self, seconds: float = 5) -> list[Any]:
        messages = self.app.messages(self.published, seconds)
        return [json.loads(message["Body"])["detail"] for message in messages]

    def notifications(self, seconds: float = 5) -> list[Any]:
        messages = self.app.messages(self.notified, seconds)
        return [json.loads(message["Body"])["Message"] for message in messages]

    def kept(self, seconds: float = 5) -> list[Any]:
        messages = self.app.messages(self.undelivered, seconds)
        return [json.loads(message["Body"]) for message in messages]


def step(answer: Any = None, faults: tuple[str, ...] = (), message: str = "as told") -> str:
    return STEP.format(faults=faults, message=message, answer=answer)


@pytest.fixture
def deploy(app: TinyApp) -> Callable[..., Classify]:
    def deploy_machine(
        serialize: str | None = None,
        classify: str | None = None,
        threshold: str | None = None,
        without: str = "nothing",
    ) -> Classify:
        functions = {
            "JoinReviewsFunction": app.function(JOIN_REVIEWS),
            "SerializeFunction": app.function(serialize or step(SERIALIZED)),
            "ClassifyFunction": app.function(classify or step(PREDICTION)),
            "ThresholdFunction": app.function(threshold or step(DECISION)),
        }
        table, bus = _table(app), app.name("bus")
        app.client("events").create_event_bus(Name=bus)
        topic = app.client("sns").create_topic(Name=app.name("topic"))["TopicArn"]
        published, notified, undelivered = app.queue(), app.queue(), app.queue()
        _deliver(app, bus, published, topic, notified)
        text = (ROOT / "statemachine" / "classify.asl.json").read_text("utf-8")
        others = {
            "ResultsTable": table,
            "RecordRetentionDays": "30",
            "EventBus": bus,
            "ReviewTopic": topic,
            "UndeliveredEvents": undelivered,
        }
        for name, value in (functions | others).items():
            text = text.replace(f"${{{name}}}", value)
        actions = {
            "lambda:InvokeFunction",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "events:PutEvents",
            "sns:Publish",
            "sqs:SendMessage",
        }
        made = app.client("stepfunctions").create_state_machine(
            name=app.name("classify"),
            definition=text,
            roleArn=app.role("states.amazonaws.com", allow(sorted(actions - {without}))),
            type="EXPRESS",
        )
        return Classify(app, made["stateMachineArn"], table, published, notified, undelivered)

    return deploy_machine


def _table(app: TinyApp) -> str:
    name = app.name("results")
    app.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "photo", "AttributeType": "S"},
            {"AttributeName": "version", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "photo", "KeyType": "HASH"},
            {"AttributeName": "version", "KeyType": "RANGE"},
        ],
    )
    return name


def _deliver(app: TinyApp, bus: str, published: str, topic: str, notified: str) -> None:
    """Let queues receive what is published and notified."""
    for queue, service in ((published, "events"), (notified, "sns")):
        statement = allow("sqs:SendMessage", app.queue_arn(queue)) | {
            "Principal": {"Service": f"{service}.amazonaws.com"}
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        app.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    events = app.client("events")
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["scones"]}))
    target = {"Id": "queue", "Arn": app.queue_arn(published)}
    events.put_targets(Rule="all", EventBusName=bus, Targets=[target])
    app.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=app.queue_arn(notified))


def test_classified(deploy: Callable[..., Classify]) -> None:
    machine = deploy(classify=IDENTIFIED)

    result = machine.run()

    (record,) = machine.records()
    (event,) = machine.events()
    decided = PhotoDecided.model_validate(event)
    assert set(event) == set(PhotoDecided.model_fields)
    assert decided.status == "classified"
    assert decided.label == "bicycle"
    assert (decided.familiarity, decided.familiarity_limit) == (0.41, 0.05)
    assert decided.reason is None
    assert decided.photo.key == EVENT["detail"]["object"]["key"]
    assert decided.photo.version_id == EVENT["detail"]["object"]["version-id"]
    assert decided.photo.sequencer == EVENT["detail"]["object"]["sequencer"]
    assert result["output"] == event == json.loads(record["event"]["S"])
    assert decided.model is not None
    assert decided.model.variant == inference_id(record["photo"]["S"], record["version"]["S"])
    assert record["status"] == {"S": "classified"}
    assert float(record["confidence"]["N"]) == 0.98
    assert "announced_at" in record
    assert machine.notifications(seconds=0.5) == []


def test_rejected_photo_is_not_sent_to_the_endpoint(deploy: Callable[..., Classify]) -> None:
    machine = deploy(serialize=step(REJECTED), classify=step(faults=("Never",) * 99))

    assert machine.run()["status"] == "SUCCEEDED"

    (event,) = machine.events()
    decided = PhotoDecided.model_validate(event)
    assert decided.status == "rejected"
    assert decided.reason is not None
    assert (decided.reason.code, decided.reason.message) == ("corrupt", "it is broken")
    assert decided.timings.classify_ms is None


def test_needs_review(deploy: Callable[..., Classify]) -> None:
    below = step(faults=("ConfidenceBelowThreshold",), message=json.dumps(UNSURE))
    machine = deploy(threshold=below)

    assert machine.run()["status"] == "SUCCEEDED"

    (event,) = machine.events()
    decided = PhotoDecided.model_validate(event)
    assert decided.status == "needs_review"
    assert decided.probabilities == {"bicycle": 0.5, "motorcycle": 0.5}
    assert decided.threshold == 0.93
    (message,) = machine.notifications()
    # What encodeURIComponent of ECMAScript leaves as it is, and slashes.
    encoded = quote(EVENT["detail"]["object"]["key"], safe="/!'()*~")
    assert f'Photo: "{encoded}"\n' in message
    assert message.startswith("The confidence is below the threshold.")
    assert "Threshold: 0.93" in message
    assert "Familiarity: 0.41, limit 0.05" in message
    assert "motorcycle: 0.5" in message


def test_unfamiliar_photo_needs_review_though_the_model_is_sure(
    deploy: Callable[..., Classify],
) -> None:
    machine = deploy(threshold=step(faults=("UnfamiliarPhoto",), message=json.dumps(UNFAMILIAR)))

    assert machine.run()["status"] == "SUCCEEDED"

    (record,) = machine.records()
    key = record["photo"]["S"], record["version"]["S"]
    assert record["queue"] == {"S": review_queue(*key)}
    assert record["shard"] == {"S": status_shard("needs_review", *key)}
    assert float(record["expires_at"]["N"]) == pytest.approx(time.time() + 30 * 86400, abs=60)
    (event,) = machine.events()
    decided = PhotoDecided.model_validate(event)
    assert (decided.status, decided.label, decided.confidence) == ("needs_review", "bicycle", 0.98)
    assert (decided.familiarity, decided.familiarity_limit) == (0.012346, 0.05)
    assert decided.reason is not None
    assert decided.reason.code == "unfamiliar"
    (message,) = machine.notifications()
    assert message.startswith("This photo does not resemble the training photos.")
    assert "Familiarity: 0.012346, limit 0.05" in message
    assert "Predicted label: bicycle (0.98)" in message


ECHO = """
def handler(event, context):
    raise type("ConfidenceBelowThreshold", (Exception,), {})(__import__("json").dumps({
        "label": "bicycle", "confidence": 0.5, "threshold": 0.93, "loading_bay": None,
        "probabilities": {"bicycle": 0.5, "motorcycle": 0.5}, "reason": None,
        "familiarity": event["familiarity"], "familiarity_limit": None,
    }))
"""


@pytest.mark.parametrize("prediction", [WITHOUT_FAMILIARITY, PREDICTION | {"familiarity": None}])
def test_model_without_familiarity(
    deploy: Callable[..., Classify], prediction: dict[str, Any]
) -> None:
    """The threshold function gets null, also from a function of before familiarity was added."""
    machine = deploy(classify=step(prediction), threshold=ECHO)

    assert machine.run()["status"] == "SUCCEEDED"

    (event,) = machine.events()
    assert set(event) == set(PhotoDecided.model_fields)
    assert (event["familiarity"], event["familiarity_limit"]) == (None, None)
    (message,) = machine.notifications()
    assert message.startswith("The confidence is below the threshold.")
    assert "Familiarity" not in message


def test_threshold_gets_the_familiarity(deploy: Callable[..., Classify]) -> None:
    machine = deploy(threshold=ECHO)

    assert machine.run()["output"]["familiarity"] == 0.41


@pytest.mark.parametrize(
    ("key", "asks"),
    [
        ("simulated/20261121/00001.png", False),
        ("incoming/simulated/1.png", True),
        ("incoming/gate/simulated/1.png", True),
    ],
)
def test_nobody_is_asked_about_photos_sent_to_try_the_application(
    deploy: Callable[..., Classify], key: str, asks: bool
) -> None:
    below = step(faults=("ConfidenceBelowThreshold",), message=json.dumps(UNSURE))
    machine = deploy(threshold=below)
    event = deepcopy(EVENT)
    event["detail"]["object"]["key"] = key

    machine.run(event)

    (record,) = machine.records()
    assert record["status"] == {"S": "needs_review"}
    assert ("queue" in record) is asks
    assert is_simulated(key) is not asks
    assert bool(machine.notifications(seconds=5 if asks else 0.5)) is asks


@pytest.mark.parametrize(
    ("name", "asks"), [("reviewed", False), ("pending", False), ("new", True), ("broken", True)]
)
def test_nobody_is_asked_who_was_asked_about_the_same_bytes(
    deploy: Callable[..., Classify], name: str, asks: bool
) -> None:
    below = step(faults=("ConfidenceBelowThreshold",), message=json.dumps(UNSURE))
    machine = deploy(threshold=below)
    event = deepcopy(EVENT)
    event["detail"]["object"]["key"] = f"incoming/{name}"

    assert machine.run(event)["status"] == "SUCCEEDED"

    (record,) = machine.records()
    assert "announced_at" in record
    assert len(machine.events()) == 1
    assert bool(machine.notifications(seconds=5 if asks else 0.5)) is asks


PASSING = ["EndpointBusy", "EndpointUnreachable", "ModelFailed", "ModelTimedOut"]
LASTING = ["EndpointMissing", "EndpointRefused", "ModelRefusedPhoto", "UnusablePrediction"]


@pytest.mark.parametrize("fault", PASSING)
def test_passing_faults_of_the_endpoint_are_retried(
    deploy: Callable[..., Classify], fault: str
) -> None:
    machine = deploy(classify=step(PREDICTION, faults=(fault,)))

    assert machine.run()["output"]["status"] == "classified"


@pytest.mark.parametrize("fault", LASTING)
def test_lasting_faults_of_the_endpoint_fail_the_photo_at_once(
    deploy: Callable[..., Classify], fault: str
) -> None:
    machine = deploy(classify=step(PREDICTION, faults=(fault,), message="mend it so"))

    result = machine.run()

    assert (result["status"], result["error"]) == ("FAILED", fault)
    assert result["cause"] == "mend it so"
    (event,) = machine.events()
    decided = PhotoDecided.model_validate(event)
    assert decided.status == "failed"
    assert decided.reason is not None
    assert (decided.reason.code, decided.reason.message) == (fault, "mend it so")


def test_failed_photo_may_be_decided_later_but_not_fail_twice(
    deploy: Callable[..., Classify],
) -> None:
    machine = deploy(classify=step(PREDICTION, faults=("EndpointMissing", "EndpointMissing")))

    assert machine.run()["status"] == "FAILED"
    first = machine.records()
    assert machine.run()["status"] == "FAILED"
    assert machine.records() == first
    assert machine.run()["output"]["status"] == "classified"

    assert [record["status"]["S"] for record in machine.records()] == ["classified"]
    assert [event["status"] for event in machine.events()] == ["failed", "classified"]


@pytest.mark.parametrize("denied", ["events:PutEvents", "sns:Publish", "dynamodb:PutItem"])
def test_what_could_not_be_announced_is_kept_to_be_sent_again(
    deploy: Callable[..., Classify], denied: str
) -> None:
    below = step(faults=("ConfidenceBelowThreshold",), message=json.dumps(UNSURE))
    machine = deploy(threshold=below, without=denied)

    result = machine.run()

    assert result["status"] == "FAILED"
    assert denied in result["cause"]
    assert machine.kept() == [EVENT]
    assert not [record for record in machine.records() if "announced_at" in record]


def test_record_of_a_dead_execution_is_announced_later_by_one_other(
    deploy: Callable[..., Classify],
) -> None:
    dying = deploy(without="events:PutEvents")
    dying.run()
    (record,) = dying.records()
    working = deploy()

    _put_aged(working, record, timedelta(minutes=4))
    working.run()
    assert working.events(seconds=0.5) == []

    _put_aged(working, record, timedelta(minutes=6))
    with ThreadPoolExecutor(10) as pool:
        results = [pool.submit(working.run) for _ in range(10)]
    assert {result.result()["status"] for result in results} == {"SUCCEEDED"}
    (event,) = working.events()
    assert event["status"] == "classified"
    assert "announced_at" in working.records()[0]


def test_photo_of_a_class_that_always_needs_review_is_in_the_queue(
    deploy: Callable[..., Classify],
) -> None:
    reason = {
        "code": "always_reviewed",
        "message": "photos of the class bicycle always need review",
    }
    decision = json.dumps({**UNFAMILIAR, "familiarity": 0.41, "reason": reason})
    machine = deploy(threshold=step(faults=("AlwaysReviewed",), message=decision))

    assert machine.run()["status"] == "SUCCEEDED"

    (event,) = machine.events()
    decided = PhotoDecided.model_validate(event)
    assert (decided.status, decided.label, decided.confidence) == ("needs_review", "bicycle", 0.98)
    assert event["reason"] == reason
    (record,) = machine.records()
    assert "queue" in record
    (message,) = machine.notifications()
    assert message.startswith("Photos of this class always need review.")


@pytest.mark.parametrize("decision", [UNSURE, UNFAMILIAR])
def test_record_of_before_familiarity_was_added_is_announced(
    deploy: Callable[..., Classify], decision: dict[str, Any]
) -> None:
    fault = "UnfamiliarPhoto" if decision is UNFAMILIAR else "ConfidenceBelowThreshold"
    dying = deploy(
        threshold=step(faults=(fault,), message=json.dumps(decision)), without="events:PutEvents"
    )
    dying.run()
    (record,) = dying.records()
    if decision is UNSURE:
        event = json.loads(record["event"]["S"])
        del event["familiarity"], event["familiarity_limit"]
        record["event"]["S"] = json.dumps(event)
    working = deploy()
    _put_aged(working, record, timedelta(minutes=6))

    assert working.run()["status"] == "SUCCEEDED"

    (message,) = working.notifications()
    assert ("Familiarity" in message) is (decision is UNFAMILIAR)
    assert "Threshold: 0.93" in message


def _put_aged(machine: Classify, record: Any, age: timedelta) -> None:
    """Put a record as if its execution had claimed it some time ago."""
    claimed = (datetime.now(UTC) - age).isoformat(timespec="milliseconds")
    item = record | {"claimed_at": {"S": claimed.replace("+00:00", "Z")}}
    machine.app.client("dynamodb").put_item(TableName=machine.table, Item=item)


def test_a_write_whose_answer_was_lost_is_no_duplicate(deploy: Callable[..., Classify]) -> None:
    """A second write of the same run finds the record of the first, and goes on."""
    machine = deploy()
    definition = json.loads(
        machine.app.client("stepfunctions").describe_state_machine(stateMachineArn=machine.machine)[
            "definition"
        ]
    )
    again = json.loads(json.dumps(definition["States"]["Record Decision"]))
    definition["States"]["Record Decision"]["Next"] = "Record Again"
    definition["States"]["Record Again"] = again
    machine.app.client("stepfunctions").update_state_machine(
        stateMachineArn=machine.machine, definition=json.dumps(definition)
    )

    assert machine.run()["status"] == "SUCCEEDED"

    assert len(machine.events()) == 1
    assert "announced_at" in machine.records()[0]
