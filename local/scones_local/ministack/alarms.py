"""CloudWatch alarms that follow their own metric, as on AWS.

MiniStack's take the metric's values of all dimensions for theirs, know no missing data and no
single periods, and are looked at only when a value comes in: they never calm down by themselves.
How AWS evaluates them:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import logging
import operator
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch

from scones_local.ministack import ACCOUNT, REGION
from scones_local.ministack.patching import wrap

_INTERVAL_SECONDS = 1.0

_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}

_log = logging.getLogger("local.alarms")

# Until when an alarm stays as somebody set it, by its name.
_set_until: dict[str, float] = {}


def install() -> None:
    """Replace MiniStack's evaluation of alarms, and evaluate them all the time."""
    wrap(cloudwatch, "_evaluate_alarm", lambda _: _evaluate)
    wrap(cloudwatch, "_set_alarm_state", _with_pinned_state)
    # It evaluates all of them with each value that is put: from now on, time does.
    wrap(cloudwatch, "_evaluate_all_alarms", lambda _: lambda: None)
    threading.Thread(target=_evaluate_periodically, name="alarms", daemon=True).start()


def alarm_state(alarm: dict[str, Any], values: list[float | None]) -> str | None:
    """Give the state that an alarm goes into, None where it stays as it is.

    Parameters
    ----------
    alarm
        As DescribeAlarms gives it.
    values
        Its statistic for each of its evaluation periods; None where a period has no data.
    """
    treatment = alarm.get("TreatMissingData") or "missing"
    if all(value is None for value in values) and treatment in ("missing", "ignore"):
        return "INSUFFICIENT_DATA" if treatment == "missing" else None
    breaches = _BREACHES[alarm["ComparisonOperator"]]
    breach_count = sum(
        treatment == "breaching" if value is None else breaches(value, alarm["Threshold"])
        for value in values
    )
    needed = alarm.get("DatapointsToAlarm") or len(values)
    return "ALARM" if breach_count >= needed else "OK"


def _evaluate(alarm: dict[str, Any]) -> None:
    name = alarm["AlarmName"]
    if alarm.get("ComparisonOperator") not in _BREACHES or time.monotonic() < _set_until.get(
        name, 0
    ):
        return
    values = _values(alarm)
    new, old = alarm_state(alarm, values), alarm["StateValue"]
    if new is None or new == old:
        return
    reason = (
        f"{_statistic(alarm)} of the last {len(values)} periods of {alarm['Period']} s: "
        f"{[value if value is None else round(value, 3) for value in values]}, "
        f"{alarm['ComparisonOperator']} {alarm['Threshold']}."
    )
    alarm |= {"StateValue": new, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
    cloudwatch._record_history(name, old, new, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _values(alarm: dict[str, Any]) -> list[float | None]:
    """Give the alarm's statistic of each evaluation period, the newest first.

    The newest ends now, where AWS waits until a period is over: faults are noticed sooner.
    """
    dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    periods = int(alarm.get("EvaluationPeriods", 1))
    seconds, now = float(alarm.get("Period", 60)), time.time()
    points: list[list[Any]] = [[] for _ in range(periods)]
    for point in list(cloudwatch._metrics.get(key) or []):
        age = int((now - point["Timestamp"]) // seconds)
        if age < periods:
            points[max(age, 0)].append(point)
    return [_datapoints_of_alarm(alarm, period) for period in points]


def _datapoints_of_alarm(alarm: dict[str, Any], points: list[Any]) -> float | None:
    if not points:
        return None
    datapoints: float | None = cloudwatch._stat_value(
        cloudwatch._calc_stats(points), _statistic(alarm), points
    )
    return datapoints


def _statistic(alarm: dict[str, Any]) -> str:
    return str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average")


def _with_pinned_state(set_state: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what SetAlarmState set for the alarm's period, as AWS does until it looks again."""

    def run(parameters: Any, members: Any, *encoding: bool) -> Any:
        name = members.get("AlarmName") if members else cloudwatch._p(parameters, "AlarmName")
        period = float((cloudwatch._alarms.get(name) or {}).get("Period") or 0)
        _set_until[name] = time.monotonic() + period
        return set_state(parameters, members, *encoding)

    return run


def _evaluate_periodically() -> None:
    while True:
        time.sleep(_INTERVAL_SECONDS)
        with responses.request_scope(ACCOUNT, REGION):
            for alarm in list(cloudwatch._alarms.values()):
                try:
                    _evaluate(alarm)
                except Exception:
                    _log.exception("the alarm %s can't be evaluated", alarm["AlarmName"])
