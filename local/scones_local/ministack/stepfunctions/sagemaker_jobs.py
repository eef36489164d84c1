"""Step Functions' optimized integrations of SageMaker, with ``.sync`` for its jobs."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ministack.core import responses
from ministack.services import stepfunctions

from scones_local.ministack.sagemaker import call
from scones_local.ministack.stepfunctions import executions, history
from scones_local.ministack.stepfunctions.sdk_tasks import exception
from scones_local.ministack.stepfunctions.task_permissions import action
from scones_local.sagemaker import EmbeddedSageMaker

_POLL_SECONDS = 0.25
_STARTED_BY_US = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}


def install(hosted: EmbeddedSageMaker) -> None:
    """Let state machines use `hosted`."""
    # createTrainingJob, createModel and so on; the dispatch takes prefixes.
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:"] = _integration(hosted)


def _integration(hosted: EmbeddedSageMaker) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    def run(resource: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if not resource.endswith(".sync"):
            return _call(hosted, action(resource), arguments)
        tags = [*arguments.get("Tags", []), _STARTED_BY_US]
        made = _call(hosted, action(resource), {**arguments, "Tags": tags})
        history.task("Submitted", resource, output=history.text(made))
        return _await(hosted, action(resource).removeprefix("Create"), arguments)

    return run


def _await(hosted: EmbeddedSageMaker, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    name = {f"{kind}Name": arguments[f"{kind}Name"]}
    while True:
        described = _call(hosted, f"Describe{kind}", name)
        match described[f"{kind}Status"]:
            case "Completed":
                return described
            case "Failed" | "Stopped":
                raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
        if executions.abandoned():
            with suppress(stepfunctions._ExecutionError):  # it may just have ended
                _call(hosted, f"Stop{kind}", name)
            raise executions.Abandoned
        time.sleep(_POLL_SECONDS)


def _call(hosted: EmbeddedSageMaker, name: str, members: dict[str, Any]) -> dict[str, Any]:
    answer = call(hosted, name, members)
    body = json.loads(answer.body or b"{}")
    model = responses._service_model("sagemaker")
    if answer.status < 400:
        shape = model.operation_model(name).output_shape
        result: dict[str, Any] = _in_milliseconds(body, shape)
        return result
    modelled = exception(model, body["__type"])
    error = f"SageMaker.{_as_class(modelled) if modelled else 'AmazonSageMakerException'}"
    raise stepfunctions._ExecutionError(error, body.get("message", ""))


def _as_class(shape: str) -> str:
    """Name an error as the AWS SDK for Java 1, which optimized integrations call."""
    return shape if shape.endswith("Exception") else f"{shape}Exception"


def _in_milliseconds(value: Any, shape: Any) -> Any:
    """Give the times in a result as optimized integrations do."""
    match shape.type_name if shape is not None else None:
        case "structure":
            return {k: _in_milliseconds(v, shape.members.get(k)) for k, v in value.items()}
        case "list":
            return [_in_milliseconds(item, shape.member) for item in value]
        case "timestamp":
            return int(value * 1000)
    return value
