"""SageMaker pipelines as targets of rules and schedules, which MiniStack does not have."""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge

from scones_local.ministack.patching import wrap
from scones_local.ministack.sagemaker import call
from scones_local.sagemaker import EmbeddedSageMaker

_log = logging.getLogger("local.pipeline_targets")


def install(hosted: EmbeddedSageMaker) -> None:
    """Deliver events and schedules to pipelines of `hosted`; `delivery` checks the permission."""
    wrap(eventbridge, "_invoke_target", lambda invoke: _starting(invoke, hosted))


def is_pipeline(arn: str) -> bool:
    """Return whether a target is a pipeline."""
    return ":sagemaker:" in arn and ":pipeline/" in arn


def _starting(invoke: Callable[..., None], hosted: EmbeddedSageMaker) -> Callable[..., None]:
    def run(target: dict[str, Any], event: dict[str, Any], *rest: Any) -> None:
        if not is_pipeline(target["Arn"]):
            invoke(target, event, *rest)
            return
        answer = call(hosted, "StartPipelineExecution", _request(target, event))
        if answer.status >= 400:
            reason = json.loads(answer.body).get("message")
            _log.warning("%s is not started: %s", target["Arn"], reason)

    return run


def _request(target: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    listed = (target.get("SageMakerPipelineParameters") or {}).get("PipelineParameterList", [])
    return {
        "PipelineName": target["Arn"],
        "PipelineParameters": [
            {"Name": item["Name"], "Value": _value(item["Value"], event)} for item in listed
        ],
        "ClientRequestToken": str(uuid.uuid4()),
    }


def _value(text: str, event: dict[str, Any]) -> str:
    """Return the value of a parameter; ``$.detail.bucket.name`` is a path into the event.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-dynamic-path-parameters.html
    """
    if not text.startswith("$."):
        return text
    found: Any = eventbridge._pattern_event_view(event).event_with_detail()
    for part in text.removeprefix("$.").split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, str) else json.dumps(found)
