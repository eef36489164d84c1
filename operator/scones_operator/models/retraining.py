"""The machine `retrain`: started and followed."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from scones_operator.aws.executions import Outcome, scheduled, start, steps, wait_a_little, watch
from scones_operator.aws.stack import Stack
from scones_operator.aws.step_titles import RETRAIN
from scones_operator.models.training_log import DEFAULT_EPOCHS, TrainingLog, parse
from scones_operator.progress import Progress

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
    return start(session, stack.retrain_machine, request)


def follow_retraining(
    session: "boto3.Session",
    execution: str,
    show: Callable[[Progress], None],
    pause: Callable[[], None] = wait_a_little,
) -> Outcome:
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
    scones_operator.aws.executions.ExecutionFailed
        If it fails, with the reason.
    """
    training: _Training | None = None
    for tick in watch(session, execution, pause=pause):
        if training:
            training.tell(show)
        for step in steps(tick.events, RETRAIN):
            show(step)
            training = None
        for arguments in map(scheduled, tick.events):
            if "TrainingJobName" in arguments:
                training = _Training(session, arguments)
        if tick.outcome:
            return tick.outcome
    raise AssertionError("an execution ends with an outcome or an error")


class _Training:
    """The log of a training job, from what the machine asked SageMaker for."""

    def __init__(self, session: "boto3.Session", request: Mapping[str, Any]) -> None:
        self._epochs = int(request.get("HyperParameters", {}).get("epochs", DEFAULT_EPOCHS))
        self._log = TrainingLog(session, request["TrainingJobName"])

    def tell(self, show: Callable[[Progress], None]) -> None:
        """Show what is new."""
        for line in self._log.new_lines():
            if told := parse(line, self._epochs):
                show(told)
