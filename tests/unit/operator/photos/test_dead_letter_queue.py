import json
from pathlib import Path
from typing import Any

import pytest

from scones_operator.photos.dead_letter_queue import (
    Message,
    UnknownMessageError,
    delete_message,
    parse_message,
    receive_messages,
)
from tests.unit.operator.deployed import STACK

EVENTS = Path(__file__).parents[4] / "events"
UPLOAD = json.loads((EVENTS / "photo-uploaded.json").read_text())
UPLOAD["detail"]["bucket"]["name"] = STACK.photos_bucket
APPROVAL = json.loads((EVENTS / "model-approved.json").read_text())
REQUEST = json.loads((EVENTS / "retraining-requested.json").read_text())


def message(body: Any, target: str | None = None, **attributes: str) -> Message:
    text = body if isinstance(body, str) else json.dumps(body)
    named = {"TARGET_ARN": target} if target else {}
    return Message("id", "receipt", text, named | attributes)


def changed(event: Any, *path: str, to: Any = None) -> Any:
    """Give an event with another value somewhere, or without one."""
    copy = json.loads(json.dumps(event))
    place = copy
    for name in path[:-1]:
        place = place[name]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return copy


# ---- what a message is for


@pytest.mark.parametrize("target", [None, STACK.classify_state_machine])
def test_an_upload_kept_by_the_machine_or_not_delivered(target: str | None) -> None:
    request = parse_message(message(UPLOAD, target), STACK)
    assert (request.state_machine, request.input) == ("classify", UPLOAD)
    found = UPLOAD["detail"]["object"]
    assert request.title == found["key"]
    assert request.photo == (f"s3://{STACK.photos_bucket}/{found['key']}", found["version-id"])


def test_an_upload_to_a_bucket_without_versions() -> None:
    event = changed(UPLOAD, "detail", "object", "version-id")
    request = parse_message(message(event), STACK)
    assert request.photo is not None
    assert request.photo[1] == UPLOAD["detail"]["object"]["etag"]


def test_an_approval() -> None:
    request = parse_message(message(APPROVAL, STACK.promote_state_machine, RULE_ARN="rule"), STACK)
    assert (request.state_machine, request.input, request.photo) == ("promote", APPROVAL, None)
    number = APPROVAL["detail"]["ModelPackageArn"].rpartition("/")[2]
    assert request.title == f"approval of version {number}"


def test_a_requested_retraining_is_given_what_its_rule_gives() -> None:
    event = {**UPLOAD, "source": "scones", "detail-type": "Retraining Requested"}
    event["detail"] = {"requested_by": "drift", "force": True}
    for body in (event, event["detail"]):
        request = parse_message(message(body, STACK.retrain_state_machine), STACK)
        assert (request.state_machine, request.input) == ("retrain", event["detail"])
        assert request.title == "requested by drift"


def test_a_scheduled_retraining() -> None:
    scheduled = message({"requested_by": "schedule"}, STACK.retrain_state_machine, SCHEDULE_ARN="s")
    assert parse_message(scheduled, STACK).input == {"requested_by": "schedule"}


@pytest.mark.parametrize(
    ("not_understood", "why"),
    [
        (message("{"), "is not JSON"),
        (message("[]"), "is not a JSON object"),
        (message({}), "type None"),
        (message({"detail-type": "Object Deleted"}), "type Object Deleted"),
        (message(UPLOAD, "arn:aws:lambda:x"), "was for arn:aws:lambda:x"),
        (message(changed(UPLOAD, "detail", "object", "etag")), "it is not an upload event"),
        (message(changed(UPLOAD, "time")), "it is not an upload event"),
        (message(changed(UPLOAD, "detail", to="x")), "it is not an upload event"),
        (message(changed(UPLOAD, "detail", "bucket", "name", to="b")), "is in b, not in"),
        (message(UPLOAD, STACK.promote_state_machine), "has no ModelPackageArn"),
        (message({"detail-type": "Retraining Requested", "detail": "x"}), "is not a JSON object"),
        (message({"detail-type": "Retraining Requested"}), "is not a JSON object"),
    ],
)
def test_what_can_not_be_understood(not_understood: Message, why: str) -> None:
    with pytest.raises(UnknownMessageError, match=why):
        parse_message(not_understood, STACK)


# ---- the queue


@pytest.fixture
def queue(session: Any) -> Any:
    client = session.client("sqs")
    client.create_queue(QueueName=STACK.dead_letter_queue.rpartition("/")[2])
    return client


def waiting(queue: Any) -> list[str]:
    answer = queue.receive_message(
        QueueUrl=STACK.dead_letter_queue, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return sorted(item["Body"] for item in answer.get("Messages", []))


def test_messages_are_received_with_their_attributes(
    session: Any, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scones_operator.photos.dead_letter_queue.LONG_POLL_SECONDS", 0)
    attribute = {"TARGET_ARN": {"DataType": "String", "StringValue": "arn"}}
    for number in range(13):
        queue.send_message(
            QueueUrl=STACK.dead_letter_queue,
            MessageBody=str(number),
            MessageAttributes=attribute if number == 0 else {},
        )
    with receive_messages(session, STACK.dead_letter_queue) as messages:
        assert sorted(int(message.body) for message in messages) == list(range(13))
        assert {m.body: m.attributes for m in messages}["0"] == {"TARGET_ARN": "arn"}
        assert {m.body: m.attributes for m in messages}["1"] == {}
        # Nobody else takes them meanwhile.
        assert waiting(queue) == []


def test_what_is_not_deleted_can_be_received_again(
    session: Any, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scones_operator.photos.dead_letter_queue.LONG_POLL_SECONDS", 0)
    for body in "abc":
        queue.send_message(QueueUrl=STACK.dead_letter_queue, MessageBody=body)

    def leave() -> None:
        with receive_messages(session, STACK.dead_letter_queue) as messages:
            found = next(message for message in messages if message.body == "b")
            delete_message(session, STACK.dead_letter_queue, found)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert waiting(queue) == ["a", "c"]
