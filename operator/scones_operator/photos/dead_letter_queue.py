"""The queue of events that could not be delivered or worked on, and which machine each is for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scones_operator.aws.stack import Stack

if TYPE_CHECKING:
    import boto3

StateMachine = Literal["classify", "retrain", "promote"]

VISIBILITY_TIMEOUT_SECONDS = 900
"""How long messages are hidden from others that look: they wait for the executions of those before
them, which may take minutes."""

LONG_POLL_SECONDS = 2
"""Waiting asks all of SQS's servers; without it messages may be overlooked."""

_STATE_MACHINES: Mapping[str, StateMachine] = {
    "Object Created": "classify",
    "Retraining Requested": "retrain",
    "SageMaker Model Package State Change": "promote",
}
"""Which machine an event is for, by its detail-type, as the template's rules have it."""


class UnknownMessageError(Exception):
    """It can't be told what a message is for; says why."""


@dataclass(frozen=True)
class Message:
    """A message of the queue.

    Attributes
    ----------
    id
        SQS's name for it.
    receipt
        What it can be deleted with.
    body
        Its text.
    attributes
        What EventBridge says of it: ``RULE_ARN``, ``TARGET_ARN``, ``ERROR_CODE`` and more. None
        where the machine `classify` itself put it there.
    """

    id: str
    receipt: str
    body: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class ExecutionRequest:
    """An execution that should have been.

    Attributes
    ----------
    machine
        Of which machine.
    given
        Its input.
    what
        What it is about, for people: a photo's key, or who asked for what.
    """

    state_machine: StateMachine
    input: Mapping[str, Any]
    title: str

    @property
    def photo(self) -> tuple[str, str] | None:
        """S3 URI and version of the photo that it is about, as the results table has them."""
        if self.state_machine != "classify":
            return None
        detail = self.input["detail"]
        found = detail["object"]
        uri = f"s3://{detail['bucket']['name']}/{found['key']}"
        return uri, found.get("version-id") or found["etag"]


@contextmanager
def receive_messages(session: "boto3.Session", queue: str) -> Iterator[Sequence[Message]]:
    """Take all messages of a queue; those not deleted in the end can be received again at once.

    Parameters
    ----------
    session
        Where.
    queue
        URL of the queue.
    """
    client = session.client("sqs")
    messages: dict[str, Message] = {}
    try:
        _receive(client, queue, messages)
        yield list(messages.values())
    finally:
        for message in messages.values():
            _make_visible(client, queue, message)


def delete_message(session: "boto3.Session", queue: str, message: Message) -> None:
    """Delete a message of a queue."""
    session.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message.receipt)


def parse_message(message: Message, stack: Stack) -> ExecutionRequest:
    """Tell which execution a message should have started.

    Parameters
    ----------
    message
        From EventBridge, whose body is the event and whose attributes name the target, from
        EventBridge Scheduler, whose body is what its target would have been given, or from the
        machine `classify`, whose body is its own input.
    stack
        Whose machines.

    Raises
    ------
    NotUnderstood
        If its body is none of these, or is for none of the stack's machines.
    """
    try:
        event = json.loads(message.body)
    except ValueError:
        raise UnknownMessageError("its body is not JSON") from None
    if not isinstance(event, dict):
        raise UnknownMessageError("its body is not a JSON object")
    machine = _machine(event, message.attributes, stack)
    if machine == "classify":
        return _classification(event, stack)
    if machine == "promote":
        return _promotion(event)
    return _retraining(event)


def _machine(event: Mapping[str, Any], attributes: Mapping[str, str], stack: Stack) -> StateMachine:
    targets: dict[str, StateMachine] = {
        stack.classify_state_machine: "classify",
        stack.retrain_state_machine: "retrain",
        stack.promote_state_machine: "promote",
    }
    target = attributes.get("TARGET_ARN")
    if target is not None:
        if target not in targets:
            raise UnknownMessageError(
                f"it was for {target}, which is not a state machine of this stack"
            )
        return targets[target]
    kind = str(event.get("detail-type"))
    if kind not in _STATE_MACHINES:
        raise UnknownMessageError(f"no state machine accepts events of the detail type {kind}")
    return _STATE_MACHINES[kind]


def _classification(event: Mapping[str, Any], stack: Stack) -> ExecutionRequest:
    """Check all that the machine's first state reads."""
    try:
        bucket, found = event["detail"]["bucket"]["name"], event["detail"]["object"]
        key, _, _, _ = found["key"], found["etag"], found["size"], event["time"]
    except (KeyError, TypeError):
        raise UnknownMessageError(
            "it is not an upload event: it has no time or no object"
        ) from None
    if bucket != stack.photos_bucket:
        raise UnknownMessageError(f"its photo is in {bucket}, not in {stack.photos_bucket}")
    return ExecutionRequest("classify", event, key)


def _promotion(event: Mapping[str, Any]) -> ExecutionRequest:
    try:
        package = event["detail"]["ModelPackageArn"]
    except (KeyError, TypeError):
        raise UnknownMessageError("it has no ModelPackageArn to promote") from None
    return ExecutionRequest("promote", event, f"approval of version {package.rpartition('/')[2]}")


def _retraining(event: Mapping[str, Any]) -> ExecutionRequest:
    # The rule gives the machine the event's detail alone.
    given = event.get("detail") if event.get("detail-type") == "Retraining Requested" else event
    if not isinstance(given, Mapping):
        raise UnknownMessageError("the detail of its event is not a JSON object")
    return ExecutionRequest(
        "retrain", given, f"requested by {given.get('requested_by', 'unknown')}"
    )


def _receive(client: Any, queue: str, messages: dict[str, Message]) -> None:
    """Receive until there is nothing new."""
    while True:
        answer = client.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
            WaitTimeSeconds=LONG_POLL_SECONDS,
        )
        found = [_message(item) for item in answer.get("Messages", [])]
        if all(message.id in messages for message in found):
            return
        messages |= {message.id: message for message in found}


def _message(item: Mapping[str, Any]) -> Message:
    attributes = {
        name: value["StringValue"]
        for name, value in item.get("MessageAttributes", {}).items()
        if "StringValue" in value
    }
    return Message(item["MessageId"], item["ReceiptHandle"], item["Body"], attributes)


def _make_visible(client: Any, queue: str, message: Message) -> None:
    """Let a message be received again; one that is deleted is none of the queue's any more."""
    try:
        client.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message.receipt, VisibilityTimeout=0
        )
    except client.exceptions.ClientError:
        return
