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
from scones_local.ministack.stepfunctions.sdk_tasks import exception_name
from scones_local.ministack.stepfunctions.task_permissions import api_action
from scones_local.sagemaker import LocalSageMaker

_POLL_SECONDS = 0.25
_MANAGED_TAG = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}


def install(hosted: LocalSageMaker) -> None:
    """Let state machines use `hosted`."""
    # createTrainingJob, createModel and so on; the dispatch takes prefixes.
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:"] = _integration(hosted)


def _integration(hosted: LocalSageMaker) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    def run(resource: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if not resource.endswith(".sync"):
            return _call(hosted, api_action(resource), arguments)
        tags = [*arguments.get("Tags", []), _MANAGED_TAG]
        created = _call(hosted, api_action(resource), {**arguments, "Tags": tags})
        history.add_task_event("Submitted", resource, output=history.to_json(created))
        return _wait_for_job(hosted, api_action(resource).removeprefix("Create"), arguments)

    return run


def _wait_for_job(hosted: LocalSageMaker, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    name = {f"{kind}Name": arguments[f"{kind}Name"]}
    while True:
        described = _call(hosted, f"Describe{kind}", name)
        match described[f"{kind}Status"]:
            case "Completed":
                return described
            case "Failed" | "Stopped":
                raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
        if executions.is_cancelled():
            with suppress(stepfunctions._ExecutionError):  # it may just have ended
                _call(hosted, f"Stop{kind}", name)
            raise executions.CancelledError
        time.sleep(_POLL_SECONDS)


def _call(hosted: LocalSageMaker, name: str, members: dict[str, Any]) -> dict[str, Any]:
    response = call(hosted, name, members)
    body = json.loads(response.body or b"{}")
    model = responses._service_model("sagemaker")
    if response.status < 400:
        shape = model.operation_model(name).output_shape
        result: dict[str, Any] = _with_milliseconds(body, shape)
        return result
    modelled = exception_name(model, body["__type"])
    error = f"SageMaker.{_exception_name(modelled) if modelled else 'AmazonSageMakerException'}"
    raise stepfunctions._ExecutionError(error, body.get("message", ""))


def _exception_name(shape: str) -> str:
    """Name an error as the AWS SDK for Java 1, which optimized integrations call."""
    return shape if shape.endswith("Exception") else f"{shape}Exception"


def _with_milliseconds(value: Any, shape: Any) -> Any:
    """Give the times in a result as optimized integrations do."""
    match shape.type_name if shape is not None else None:
        case "structure":
            return {k: _with_milliseconds(v, shape.members.get(k)) for k, v in value.items()}
        case "list":
            return [_with_milliseconds(item, shape.member) for item in value]
        case "timestamp":
            return int(value * 1000)
    return value
