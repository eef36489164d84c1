"""The function `review`: the caller's name comes from Lambda, whatever is sent."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.unit.functions.conftest import Context
from tests.unit.operator.deployed import STACK, Session
from tests.unit.operator.reviewed import Office


class LambdaContext(Context):
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def office(aws: None) -> Office:
    return Office(Session({}))


@pytest.fixture
def function(load: Callable[..., ModuleType], office: Office) -> ModuleType:
    loaded = load(
        "review",
        DATA_BUCKET=STACK.data_bucket,
        RESULTS_TABLE=STACK.results_table,
        EVENT_BUS=STACK.event_bus,
        CLASS_NAMES=STACK.parameters["ClassNames"],
        LOADING_BAYS=STACK.parameters["LoadingBays"],
        VALIDATION_SHARE="0.1",
    )
    loaded.services.bus = office.bus
    return loaded


@pytest.fixture
def signed(event: Callable[[str], Any], office: Office) -> Any:
    """The event of events/, about a photo that waits."""
    record = office.arrive()
    given = event("review")
    request = json.loads(given["body"])
    given["body"] = json.dumps({**request, "photo": record.photo, "version": record.version})
    return given


def test_a_review_is_by_the_caller(function: ModuleType, signed: Any) -> None:
    answer = function.handler(signed, LambdaContext())

    assert answer["kind"] == "reviewed"
    assert (answer["review"]["label"], answer["review"]["by"]) == ("bicycle", "anna")
    json.dumps(answer)


def test_the_log_has_the_caller_s_arn(
    function: ModuleType, signed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    function.handler(signed, LambdaContext())

    told = vars(caplog.records[0])
    assert told["caller"] == "arn:aws:iam::123456789012:user/anna"
    assert told["request"]["action"] == "label"


@pytest.mark.parametrize("name", ["by", "userArn"])
def test_a_name_in_the_request_is_refused(function: ModuleType, signed: Any, name: str) -> None:
    signed["body"] = json.dumps({**json.loads(signed["body"]), name: "ben"})

    answer = function.handler(signed, LambdaContext())

    assert answer["statusCode"] == 400
    assert name in json.loads(answer["body"])["errors"][0]["loc"]


def test_an_event_without_a_caller_is_refused(
    function: ModuleType, signed: Any, office: Office
) -> None:
    del signed["requestContext"]["authorizer"]

    with pytest.raises(PermissionError, match="signed request"):
        function.handler(signed, LambdaContext())
    assert office.bus.taken == []
