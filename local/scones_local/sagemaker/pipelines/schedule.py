"""Decide which steps of an execution start next."""

from collections.abc import Mapping
from enum import Enum

from scones_local.sagemaker.pipelines.definition import Dependency, Step

FINAL_STATUSES = ("Succeeded", "Failed", "Stopped")
"""Statuses of steps that have ended."""

_STATUS_BY_TRIGGER = {"Completed": ("Succeeded",), "Failed": ("Failed",), "Stopped": ("Stopped",)}


class _Verdict(Enum):
    READY = "ready"
    WAITING = "waiting"
    NEVER = "never"


class Schedule:
    """The state of an execution's steps, as far as it decides what starts next.

    Parameters
    ----------
    steps
        All steps by name.
    statuses
        Statuses of the steps that have started.
    outcomes
        Outcomes of the condition steps that have succeeded.
    """

    def __init__(
        self,
        steps: Mapping[str, Step],
        statuses: Mapping[str, str],
        outcomes: Mapping[str, bool],
    ) -> None:
        self._steps = steps
        self._statuses = statuses
        self._outcomes = outcomes
        self._verdicts: dict[str, _Verdict] = {}
        self._handlers: dict[str, bool] = {}
        self._failed = any(status in ("Failed", "Stopped") for status in statuses.values())

    def startable(self) -> list[str]:
        """Return the names of the steps to start, in the order of the definition.

        After a failure only those start that wait for a failure, and those that depend on them.
        """
        ready = [
            name
            for name in self._steps
            if name not in self._statuses and self._verdict(name) is _Verdict.READY
        ]
        return [name for name in ready if not self._failed or self._handles_failure(name)]

    def _verdict(self, name: str) -> _Verdict:
        if name not in self._verdicts:
            self._verdicts[name] = self._verdict_of_step(self._steps[name])
        return self._verdicts[name]

    def _verdict_of_step(self, step: Step) -> _Verdict:
        verdicts = [self._verdict_of_dependency(need) for need in step.needs]
        if step.branch is not None:
            verdicts.append(self._verdict_of_dependency(Dependency(step.branch.condition)))
            outcome = self._outcomes.get(step.branch.condition)
            if outcome is not None and outcome != step.branch.outcome:
                verdicts.append(_Verdict.NEVER)
        for verdict in (_Verdict.NEVER, _Verdict.WAITING):
            if verdict in verdicts:
                return verdict
        return _Verdict.READY

    def _verdict_of_dependency(self, need: Dependency) -> _Verdict:
        status = self._statuses.get(need.step)
        if status in FINAL_STATUSES:
            expected = _STATUS_BY_TRIGGER.get(need.trigger, FINAL_STATUSES)
            return _Verdict.READY if status in expected else _Verdict.NEVER
        if status is None and self._verdict(need.step) is _Verdict.NEVER:
            return _Verdict.NEVER
        return _Verdict.WAITING

    def _handles_failure(self, name: str) -> bool:
        if name not in self._handlers:
            self._handlers[name] = self._follows_failure(self._steps[name])
        return self._handlers[name]

    def _follows_failure(self, step: Step) -> bool:
        for need in step.needs:
            if self._statuses.get(need.step) != "Succeeded" or self._handles_failure(need.step):
                return True
        return step.branch is not None and self._handles_failure(step.branch.condition)
