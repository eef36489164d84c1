"""Executions are counted in the metrics of AWS/States, as on AWS.

MiniStack counts none. Names and dimensions:
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
"""

from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch, stepfunctions

from scones_local.ministack.patching import wrap

_METRICS = {
    "ExecutionSucceeded": "ExecutionsSucceeded",
    "ExecutionFailed": "ExecutionsFailed",
    "ExecutionAborted": "ExecutionsAborted",
    "ExecutionTimedOut": "ExecutionsTimedOut",
}


def install() -> None:
    """Count the start and the end in each execution's history."""
    wrap(stepfunctions, "_add_event", _with_metrics)


def _with_metrics(add: Callable[..., Any]) -> Callable[..., Any]:
    def run(execution: dict[str, Any], kind: str, *details: Any) -> Any:
        # Its start is in the history from the beginning; it is counted with what comes next.
        starts = len(execution["events"]) == 1
        event = add(execution, kind, *details)
        if event is None:
            return None
        for metric in filter(None, ("ExecutionsStarted" if starts else None, _METRICS.get(kind))):
            machine = {"StateMachineArn": execution["stateMachineArn"]}
            cloudwatch.record_metric("AWS/States", metric, 1, "Count", machine)
        return event

    return run
