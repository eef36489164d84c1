"""Blue/green deployments: how traffic goes from an endpoint's old fleet to the new one.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scones_local.sagemaker.platform import Platform, log
from scones_local.sagemaker.protocol import unsupported_error, validation_error

ALARM_SECONDS = 1.0
"""How often the alarms are looked at."""


class RollbackError(Exception):
    """An alarm went off; the message becomes the endpoint's FailureReason."""


@dataclass(frozen=True)
class Step:
    """A share of the traffic for the new fleet, 0 to 1, and the seconds it is watched for."""

    share: float
    bake_seconds: float
    reason: str


def plan_steps(config: dict[str, Any] | None, instances: int) -> list[Step]:
    """Return the steps of a deployment.

    Parameters
    ----------
    config
        A ``DeploymentConfig``; None means all at once, without watching.
    instances
        The number of instances of the new fleet, at least 1.

    Raises
    ------
    ServiceError
        If the configuration is not one the embedded SageMaker can follow.
    """
    if not config:
        return [Step(1.0, 0.0, "")]
    if "RollingUpdatePolicy" in config:
        raise unsupported_error("rolling deployments")
    policy = config["BlueGreenUpdatePolicy"]
    routing = policy["TrafficRoutingConfiguration"]
    interval = routing["WaitIntervalInSeconds"]
    last = Step(1.0, policy.get("TerminationWaitInSeconds", 0), "TerminationWaitInSeconds")
    if routing["Type"] == "ALL_AT_ONCE":
        return [last]
    return [
        Step(share, interval, "WaitIntervalInSeconds") for share in _step_shares(routing, instances)
    ] + [last]


def alarm_names(config: dict[str, Any] | None) -> list[str]:
    """Return the names of the alarms that roll a deployment back."""
    rollback = (config or {}).get("AutoRollbackConfiguration", {})
    return [alarm["AlarmName"] for alarm in rollback.get("Alarms", [])]


class AlarmMonitor:
    """Waits while the alarms stay quiet."""

    def __init__(self, platform: Platform, names: list[str], cancelled: threading.Event) -> None:
        self._platform = platform
        self._names = names
        self._cancelled = cancelled

    def bake(self, seconds: float) -> None:
        """Wait; raise RollbackError as soon as an alarm is in ALARM or the endpoint goes away."""
        deadline = time.monotonic() + seconds
        self._check_alarms()
        while (remaining := deadline - time.monotonic()) > 0:
            if self._cancelled.wait(min(remaining, ALARM_SECONDS)):
                raise RollbackError("The endpoint is being stopped.")
            self._check_alarms()

    @cached_property
    def _cloudwatch(self) -> Any:
        return self._platform.client("cloudwatch", None)

    def _check_alarms(self) -> None:
        if not self._names:
            return
        try:
            states = self._cloudwatch.describe_alarms(
                AlarmNames=self._names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
        except Exception as error:
            log.warning("alarms could not be read: %s", error)
            return
        alarming = [
            alarm["AlarmName"]
            for alarm in states.get("MetricAlarms", []) + states.get("CompositeAlarms", [])
            if alarm["StateValue"] == "ALARM"
        ]
        if alarming:
            names = ", ".join(sorted(alarming))
            raise RollbackError(
                f"One or more alarms of the automatic rollback are in ALARM state: {names}."
            )


def run_steps(steps: list[Step], monitor: AlarmMonitor, set_share: Callable[[Step], None]) -> None:
    """Take the steps one by one; ``set_share`` sends the step's share to the new fleet."""
    for step in steps:
        set_share(step)
        monitor.bake(step.bake_seconds)


def _step_shares(routing: dict[str, Any], instances: int) -> list[float]:
    if routing["Type"] == "CANARY":
        share = _capacity_share(routing, "CanarySize", instances)
        if share > 0.5:
            raise validation_error("CanarySize must be at most 50 percent of the new fleet.")
        return [share]
    share = _capacity_share(routing, "LinearStepSize", instances)
    if not 0.1 <= share <= 0.5:
        raise validation_error("LinearStepSize must be 10 to 50 percent of the new fleet.")
    return [n * share for n in range(1, math.ceil(1 / share - 1e-9))]


def _capacity_share(routing: dict[str, Any], name: str, instances: int) -> float:
    if name not in routing:
        raise validation_error(f"{name} is required for {routing['Type']} traffic routing.")
    size = routing[name]
    if size["Type"] == "CAPACITY_PERCENT":
        return float(size["Value"]) / 100
    return min(1.0, float(size["Value"]) / instances)
