"""SageMaker pipelines as targets of rules and schedules, which MiniStack does not have."""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge

from scones_local.ministack.patching import wrap
from scones_local.ministack.sagemaker import call
from scones_local.sagemaker import LocalSageMaker

_log = logging.getLogger("local.pipeline_targets")


def install(hosted: LocalSageMaker) -> None:
    """Deliver events and schedules to pipelines of `hosted`; `delivery` checks the permission."""
    wrap(eventbridge, "_invoke_target", lambda invoke: _starting_pipelines(invoke, hosted))


def is_pipeline(arn: str) -> bool:
    """Return whether a target is a pipeline."""
    return ":sagemaker:" in arn and ":pipeline/" in arn


def _starting_pipelines(invoke: Callable[..., None], hosted: LocalSageMaker) -> Callable[..., None]:
    def run(target: dict[str, Any], event: dict[str, Any], *rest: Any) -> None:
        if not is_pipeline(target["Arn"]):
            invoke(target, event, *rest)
            return
        response = call(hosted, "StartPipelineExecution", _start_request(target, event))
        if response.status >= 400:
            reason = json.loads(response.body).get("message")
            _log.warning("%s is not started: %s", target["Arn"], reason)

    return run


def _start_request(target: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    listed = (target.get("SageMakerPipelineParameters") or {}).get("PipelineParameterList", [])
    return {
        "PipelineName": target["Arn"],
        "PipelineParameters": [
            {"Name": item["Name"], "Value": _parameter_value(item["Value"], event)}
            for item in listed
        ],
        "ClientRequestToken": str(uuid.uuid4()),
    }


def _parameter_value(text: str, event: dict[str, Any]) -> str:
    """Return the value of a parameter; ``$.detail.bucket.name`` is a path into the event.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-dynamic-path-parameters.html
    """
    if not text.startswith("$."):
        return text
    value: Any = eventbridge._pattern_event_view(event).event_with_detail()
    for part in text.removeprefix("$.").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else json.dumps(value)
