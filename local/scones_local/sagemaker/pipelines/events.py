"""Events of executions and of their steps.

https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html has
examples of both.
"""

from datetime import datetime
from typing import Any

from scones_local.sagemaker.pipelines.executions import Execution, StepRecord, format_time
from scones_local.sagemaker.platform import Platform, log

_EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
_STEP = "SageMaker Model Building Pipeline Execution Step Status Change"


class PipelineEvents:
    """Sends the events of pipelines."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def execution(self, execution: Execution, before: str | None) -> None:
        """Send the event of an execution's new status.

        Parameters
        ----------
        execution
            The execution.
        before
            Its previous status, or None if it has just started.
        """
        detail = {
            "pipelineExecutionDisplayName": execution.display_name,
            "pipelineExecutionDescription": execution.description,
            "currentPipelineExecutionStatus": execution.status,
            "previousPipelineExecutionStatus": before,
            "executionStartTime": _iso(execution.created),
            "executionEndTime": _iso(execution.ended),
        }
        self._send(_EXECUTION, detail, execution)

    def step(self, execution: Execution, record: StepRecord, before: str | None) -> None:
        """Send the event of a step's new status.

        Parameters
        ----------
        execution, record
            The execution, and the record of the step.
        before
            The step's previous status, or None if it has just started.
        """
        source = {"sourcePipelineExecutionArn": record.source}
        detail = {
            "metadata": _lower(record.metadata) or None,
            "stepStartTime": _iso(record.started),
            "stepEndTime": _iso(record.ended),
            "stepName": record.step.name,
            "stepType": record.step.kind,
            "previousStepStatus": before,
            "currentStepStatus": record.status,
            "failureReason": record.reason,
            "cacheHitResult": source if record.source else None,
        }
        self._send(_STEP, detail, execution)

    def _send(self, kind: str, detail: dict[str, Any], execution: Execution) -> None:
        arns = {"pipelineArn": execution.pipeline_arn, "pipelineExecutionArn": execution.arn}
        given = {name: value for name, value in detail.items() if value is not None}
        try:
            self._platform.emit(kind, given | arns, list(arns.values()))
        except Exception:  # an error of the host must not stop an execution
            log.exception("event %s was not taken", kind)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


def _lower(value: Any) -> Any:
    """Return metadata with the members' names as events have them: with a small first letter."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _lower(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_lower(item) for item in value]
    return value
