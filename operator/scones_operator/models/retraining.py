"""The machine `retrain`: started and followed."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from scones_operator.aws.executions import (
    ExecutionOutcome,
    poll_execution,
    sleep_briefly,
    start_execution,
    steps,
    task_arguments,
)
from scones_operator.aws.stack import Stack
from scones_operator.aws.step_titles import RETRAIN_TITLES
from scones_operator.models.training_log import DEFAULT_EPOCHS, TrainingLog, parse_line
from scones_operator.progress import ProgressEvent

if TYPE_CHECKING:
    import boto3


def start_retraining(
    session: "boto3.Session", stack: Stack, requested_by: str, *, force: bool = False
) -> str:
    """Start a retraining; gives the execution's ARN.

    Parameters
    ----------
    session, stack
        Where.
    requested_by
        Who wants it, for those who are told.
    force
        Train though nothing is new.
    """
    request = {"requested_by": requested_by} | ({"force": True} if force else {})
    return start_execution(session, stack.retrain_state_machine, request)


def follow_retraining(
    session: "boto3.Session",
    execution: str,
    show: Callable[[ProgressEvent], None],
    pause: Callable[[], None] = sleep_briefly,
) -> ExecutionOutcome:
    """Follow a retraining to its end.

    Parameters
    ----------
    session
        Where.
    execution
        Its ARN.
    show
        Called with each step, each epoch of training, and what else its log tells.
    pause
        Called between two looks.

    Returns
    -------
    Outcome
        ``registered``, ``unchanged``, ``not_good_enough`` or ``busy``.

    Raises
    ------
    scones_operator.aws.executions.ExecutionFailedError
        If it fails, with the reason.
    """
    training: _TrainingJobLog | None = None
    for tick in poll_execution(session, execution, pause=pause):
        if training:
            training.tell(show)
        for step in steps(tick.events, RETRAIN_TITLES):
            show(step)
            training = None
        for arguments in map(task_arguments, tick.events):
            if "TrainingJobName" in arguments:
                training = _TrainingJobLog(session, arguments)
        if tick.outcome:
            return tick.outcome
    raise AssertionError("an execution ends with an outcome or an error")


class _TrainingJobLog:
    """The log of a training job, from what the machine asked SageMaker for."""

    def __init__(self, session: "boto3.Session", request: Mapping[str, Any]) -> None:
        self._epochs = int(request.get("HyperParameters", {}).get("epochs", DEFAULT_EPOCHS))
        self._log = TrainingLog(session, request["TrainingJobName"])

    def tell(self, show: Callable[[ProgressEvent], None]) -> None:
        """Show what is new."""
        for line in self._log.new_lines():
            if told := parse_line(line, self._epochs):
                show(told)
