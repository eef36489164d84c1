"""A model by way of the two machines: retrained, approved, promoted, as an operator would do it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from scones_operator.aws.executions import ExecutionOutcome
from scones_operator.aws.stack import Stack
from scones_operator.models.promotion import (
    ApprovalRequest,
    approve_version,
    follow_promotion,
    send_approval,
    wait_for_promotion,
)
from scones_operator.models.retraining import follow_retraining, start_retraining
from scones_operator.progress import Epoch
from scones_operator.progress import ProgressEvent as Told

if TYPE_CHECKING:
    import boto3

OPERATOR = "make run"
"""Who asks for the retraining, approves the version and answers the promotion's question."""


class ModelError(Exception):
    """No model came to production; the message says why."""


@dataclass(frozen=True)
class TrainedModel:
    """What a retraining made.

    Attributes
    ----------
    version
        Its number in the model package group.
    accuracy
        Share of the validation photos that it classifies rightly, 0 to 1.
    seconds
        How long the training job ran.
    epoch_accuracies
        Share of the validation photos that was classified correctly after each epoch, 0 to 1; the
        model is that after the last one.
    """

    version: int
    accuracy: float
    seconds: float
    epoch_accuracies: tuple[float, ...] = ()


class Progress(Protocol):
    """Where the steps of a run are shown."""

    def step(self, title: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show a step while it lasts; what is entered takes lines of detail."""
        ...


def retrain(session: "boto3.Session", stack: Stack, output: Callable[[str], None]) -> TrainedModel:
    """Retrain on the uploaded dataset, to a registered version.

    Parameters
    ----------
    session, stack
        Where.
    output
        Called with a line for each step and each epoch.

    Raises
    ------
    ModelError
        If none is registered, since it is not good enough.
    scones_operator.errors.OperationError
        If the retraining fails.
    """
    accuracies: list[float] = []

    def on_event(progress: Told) -> None:
        if isinstance(progress, Epoch):
            accuracies.append(progress.accuracy)
        output(str(progress))

    execution = start_retraining(session, stack, OPERATOR)
    outcome = follow_retraining(session, execution, on_event, _sleep_briefly)
    if outcome.outcome != "registered":
        raise ModelError(f"no model was registered ({outcome.outcome}): {outcome.message}")
    details = outcome.details
    return TrainedModel(
        int(details["version"]),
        float(details["accuracy"]),
        _training_duration(session, details["run"]),
        tuple(accuracies),
    )


def promote(
    session: "boto3.Session", stack: Stack, version: int, output: Callable[[str], None]
) -> None:
    """Approve a registered version, and let it into production when it asks.

    Parameters
    ----------
    session, stack
        Where.
    version
        Its number.
    output
        Called with a line for each step.

    Raises
    ------
    ModelError
        If it does not get to production, such as for a failed smoke test.
    scones_operator.errors.OperationError
        If the promotion fails.
    """
    approval = approve_version(session, stack, version, OPERATOR)
    execution = wait_for_promotion(session, stack, approval, _sleep_briefly)
    approval_request = follow_promotion(
        session, execution, _print_metrics(output), pause=_sleep_briefly
    )
    if isinstance(approval_request, ApprovalRequest):
        send_approval(session, stack, approval_request, approved=True)
        approval_request = follow_promotion(
            session, execution, _print_metrics(output), approval_request.event_id, _sleep_briefly
        )
    _require_promoted(approval_request)


def _require_promoted(outcome: ApprovalRequest | ExecutionOutcome) -> None:
    if isinstance(outcome, ApprovalRequest):
        raise ModelError(f"version {outcome.version} asks again")
    if outcome.outcome != "promoted":
        raise ModelError(f"the model is not in production ({outcome.outcome}): {outcome.message}")


def _training_duration(session: "boto3.Session", job: str) -> float:
    described = session.client("sagemaker").describe_training_job(TrainingJobName=job)
    duration = described["TrainingEndTime"] - described["TrainingStartTime"]
    return float(duration.total_seconds())


def _sleep_briefly() -> None:
    """Wait between two looks; the local cloud is near."""
    time.sleep(0.2)


def _print_metrics(output: Callable[[str], None]) -> Callable[[Told], None]:
    return lambda message: output(str(message))
