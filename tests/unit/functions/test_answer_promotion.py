"""The function `answer_promotion`: the caller's name comes from Lambda, whatever is sent."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from botocore.stub import Stubber

Load = Callable[..., ModuleType]
Event = Callable[[str], Any]


@pytest.fixture
def function(load: Load) -> ModuleType:
    return load("answer_promotion")


def test_an_answer_is_by_the_caller(function: ModuleType, event: Event, context: Any) -> None:
    given = event("answer-promotion")
    output = {
        "approved": True,
        "by": "anna@example.com",
        "arn": "arn:aws:sts::123456789012:assumed-role/Approvers/anna@example.com",
        "user_id": "AROAIOSFODNN7EXAMPLE:anna@example.com",
        "comment": "better at night",
        "answer": "0123456789abcdef0123456789abcdef",
    }
    sent = {"taskToken": json.loads(given["body"])["token"], "output": json.dumps(output)}
    with Stubber(function.stepfunctions) as stubber:
        stubber.add_response("send_task_success", {}, sent)

        assert function.handler(given, context) == {"kind": "answered"}


def test_the_log_has_the_caller_s_arn_and_not_the_token(
    function: ModuleType, event: Event, context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Stubber(function.stepfunctions) as stubber:
        stubber.add_response("send_task_success", {})
        function.handler(event("answer-promotion"), context)

    told = vars(caplog.records[0])
    assert told["caller"].endswith(":assumed-role/Approvers/anna@example.com")
    assert told["decision"] == {
        "approved": True,
        "comment": "better at night",
        "answer": "0123456789abcdef0123456789abcdef",
    }


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_what_does_not_wait_is_an_outcome(
    function: ModuleType, event: Event, context: Any, code: str
) -> None:
    with Stubber(function.stepfunctions) as stubber:
        stubber.add_client_error("send_task_success", code)

        assert function.handler(event("answer-promotion"), context) == {"kind": "not_waiting"}


@pytest.mark.parametrize(
    "change",
    [{"by": "ben"}, {"approved": "yes"}, {"comment": "x" * 1025}, {"token": ""}, {"answer": "1"}],
)
def test_other_requests_and_names_in_them_are_refused(
    function: ModuleType, event: Event, context: Any, change: dict[str, Any]
) -> None:
    given = event("answer-promotion")
    given["body"] = json.dumps({**json.loads(given["body"]), **change})

    answer = function.handler(given, context)

    assert answer["statusCode"] == 400
    (error,) = json.loads(answer["body"])["errors"]
    assert error["loc"] == list(change)


def test_an_event_without_a_caller_is_refused(
    function: ModuleType, event: Event, context: Any
) -> None:
    given = event("answer-promotion")
    del given["requestContext"]["authorizer"]

    with pytest.raises(PermissionError, match="signed request"):
        function.handler(given, context)
