"""Follow a pipeline execution: print each step's progress, and why a step failed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

POLL_SECONDS = 5.0

SUCCEEDED = "Succeeded"
FINAL_STATUSES = frozenset({SUCCEEDED, "Failed", "Stopped", "CompletedWithFailures"})
"""Final statuses. The SDK's own wait does not know the last two and polls to its limit."""

_LOG_GROUPS = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
    "TransformJob": "/aws/sagemaker/TransformJobs",
}


@dataclass(frozen=True)
class Outcome:
    """Final state of an execution.

    Attributes
    ----------
    status
        One of `FINAL_STATUSES`.
    reason
        FailureReason of the execution, or None.
    failures
        One text for each step that failed: name, reason and the command that shows its log.
    """

    status: str
    reason: str | None
    failures: tuple[str, ...] = ()


@dataclass
class _Progress:
    """Statuses that were printed, by step."""

    printed: dict[str, str] = field(default_factory=dict)

    def changed_steps(self, steps: list[dict[str, Any]]) -> Iterator[str]:
        """Yield a line for each step whose status changed."""
        for step in steps:
            name, status = step["StepName"], step["StepStatus"]
            if self.printed.get(name) == status:
                continue
            self.printed[name] = status
            yield f"{name:<24} {status}{_format_step_note(step)}"


def follow_execution(
    client: Any,
    execution_arn: str,
    on_update: Callable[[str], None],
    poll_seconds: float = POLL_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Wait until an execution ends.

    Parameters
    ----------
    client
        Client of SageMaker.
    execution_arn
        ARN of the execution.
    on_update
        Called with a line of text for each change of a step.
    poll_seconds, sleep
        Seconds between two polls; function that waits.

    Raises
    ------
    botocore.exceptions.ClientError
        If SageMaker rejects a request.
    """
    progress = _Progress()
    while True:
        # Described before its steps are listed, so that the last list is complete.
        execution = client.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
        steps = list_steps(client, execution_arn)
        for line in progress.changed_steps(steps):
            on_update(line)
        status = execution["PipelineExecutionStatus"]
        if status in FINAL_STATUSES:
            failures = tuple(
                _step_failure(step) for step in steps if step["StepStatus"] == "Failed"
            )
            return Outcome(status, execution.get("FailureReason"), failures)
        sleep(poll_seconds)


def list_steps(client: Any, execution_arn: str) -> list[dict[str, Any]]:
    """Return the steps of an execution that have begun, oldest first.

    Parameters
    ----------
    client, execution_arn
        As for `follow_execution`.
    """
    steps: list[dict[str, Any]] = []
    request = {"PipelineExecutionArn": execution_arn, "SortOrder": "Ascending", "MaxResults": 100}
    while True:
        page = client.list_pipeline_execution_steps(**request)
        steps += page["PipelineExecutionSteps"]
        if not page.get("NextToken"):
            return steps
        request["NextToken"] = page["NextToken"]


def _format_step_note(step: dict[str, Any]) -> str:
    notes = []
    condition = step.get("Metadata", {}).get("Condition")
    if condition and "Outcome" in condition:
        notes.append(f"condition is {condition['Outcome'].lower()}")
    if step.get("CacheHitResult"):
        notes.append("result of an earlier execution")
    if step.get("AttemptCount", 1) > 1:
        notes.append(f"attempt {step['AttemptCount']}")
    started, ended = step.get("StartTime"), step.get("EndTime")
    if started and ended:
        notes.append(f"{(ended - started).total_seconds():.0f} s")
    return f" ({', '.join(notes)})" if notes else ""


def _step_failure(step: dict[str, Any]) -> str:
    metadata = step.get("Metadata", {})
    reason = step.get("FailureReason") or metadata.get("Fail", {}).get("ErrorMessage")
    text = f"{step['StepName']}: {reason or 'no reason given'}"
    for kind, group in _LOG_GROUPS.items():
        if arn := metadata.get(kind, {}).get("Arn"):
            job = arn.rpartition("/")[2]
            text += f"\n  log: aws logs tail {group} --log-stream-name-prefix {job}/"
    return text
