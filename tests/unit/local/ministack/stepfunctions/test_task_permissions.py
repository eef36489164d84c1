from typing import Any

import pytest
from ministack.services import stepfunctions

from scones_local.ministack.stepfunctions.task_permissions import permissions_for_task

OURS = "us-east-1:123456789012"


def pairs(service: str, resource: str, arguments: dict[str, Any]) -> set[tuple[str, str]]:
    found = permissions_for_task(service, f"arn:aws:states:::{resource}", arguments)
    return {(permission.action, permission.resource) for permission in found}


def test_sending_a_message_needs_its_queue() -> None:
    url = "http://127.0.0.1:1/123456789012/q"
    assert pairs("sqs", "sqs:sendMessage", {"QueueUrl": url}) == {
        ("sqs:SendMessage", f"arn:aws:sqs:{OURS}:q")
    }


def test_waiting_for_an_execution_needs_to_see_and_stop_it_and_to_hear_of_it() -> None:
    machine = f"arn:aws:states:{OURS}:stateMachine:m"
    rule = f"arn:aws:events:{OURS}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
    arguments = {"StateMachineArn": machine}
    started = {("states:StartExecution", machine)}
    assert pairs("states", "states:startExecution", arguments) == started
    assert pairs("states", "states:startExecution.sync:2", arguments) == started | {
        ("states:DescribeExecution", f"arn:aws:states:{OURS}:execution:m:*"),
        ("states:StopExecution", f"arn:aws:states:{OURS}:execution:m:*"),
        ("events:PutTargets", rule),
        ("events:PutRule", rule),
        ("events:DescribeRule", rule),
    }


@pytest.mark.parametrize("service", ["batch", "glue"])
def test_an_unknown_service_is_not_let_through(service: str) -> None:
    with pytest.raises(stepfunctions._ExecutionError) as failure:
        pairs(service, f"{service}:run", {})
    assert service in failure.value.cause
