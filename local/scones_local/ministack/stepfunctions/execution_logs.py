"""Executions write their history to the log group that their machine names, as on AWS.

MiniStack takes a machine's logging configuration and writes nothing. For Express machines the log
is the only history that AWS keeps.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ministack.services import cloudwatch_logs, stepfunctions

from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import DeniedError, Permission, require_permission
from scones_local.ministack.stepfunctions import executions

_log = logging.getLogger("local.execution_logs")

# What an event holds of the execution's data.
_DATA = ("input", "output", "parameters", "inputDetails", "outputDetails")
_ERRORS = ("Failed", "TimedOut", "Aborted")


def install() -> None:
    """Write each event of an execution's history."""
    wrap(stepfunctions, "_add_event", _with_logging)


def _with_logging(add: Callable[..., Any]) -> Callable[..., Any]:
    def run(execution: dict[str, Any], *rest: Any) -> Any:
        first = execution["events"][0] if len(execution["events"]) == 1 else None
        event = add(execution, *rest)
        for one in filter(None, (first, event)):
            _write(execution, one)
        return event

    return run


def _write(execution: dict[str, Any], event: dict[str, Any]) -> None:
    machine = executions.state_machine(execution)
    # Templates spell the configuration's members with capitals, the API doesn't.
    settings = _with_lowercase_keys(machine.get("loggingConfiguration") or {})
    if not _is_logged(str(settings.get("level", "OFF")), event["type"]):
        return
    with_data = str(settings.get("includeExecutionData", False)).lower() == "true"
    for destination in settings.get("destinations", []):
        group = destination["cloudWatchLogsLogGroup"]["logGroupArn"].split(":")[6]
        try:
            require_permission(
                executions.assume_role_of(machine).access_key,
                Permission("logs:CreateLogDelivery", "*"),
            )
        except DeniedError as denied:
            _log.warning("%s writes no log: %s", machine["name"], denied)
            return
        _put(group, _stream(execution, machine, group), _log_line(execution, event, with_data))


def _is_logged(level: str, kind: str) -> bool:
    match level:
        case "ALL":
            return True
        case "ERROR":
            return kind.endswith(_ERRORS)
        case "FATAL":
            return kind.startswith("Execution") and kind.endswith(_ERRORS)
    return False


def _log_line(execution: dict[str, Any], event: dict[str, Any], with_data: bool) -> str:
    details = {
        name: value
        for member, found in event.items()
        if member.endswith("EventDetails")
        for name, value in found.items()
        if with_data or name not in _DATA
    }
    time = datetime.fromisoformat(event["timestamp"])
    return json.dumps(
        {
            "id": str(event["id"]),
            "type": event["type"],
            "details": details,
            "redrive_count": "0",
            "previous_event_id": str(event["id"] - 1),
            "event_timestamp": str(int(time.timestamp() * 1000)),
            "execution_arn": execution["executionArn"],
        },
        ensure_ascii=False,
    )


def _stream(execution: dict[str, Any], machine: dict[str, Any], group: str) -> str:
    if "logStream" not in execution:
        started = datetime.fromisoformat(execution["startDate"])
        execution["logStream"] = (
            f"states/{machine['name']}/{started:%Y-%m-%d-%H-%M}/{uuid.uuid4().hex[:8]}"
        )
        created = {"logGroupName": group, "logStreamName": execution["logStream"]}
        cloudwatch_logs._create_log_stream(created)
    return str(execution["logStream"])


def _put(group: str, stream: str, line: str) -> None:
    event = {"timestamp": int(time.time() * 1000), "message": line}
    cloudwatch_logs._put_log_events(
        {"logGroupName": group, "logStreamName": stream, "logEvents": [event]}
    )


def _with_lowercase_keys(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_lowercase_keys(item) for item in value]
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: _with_lowercase_keys(item) for name, item in value.items()
        }
    return value
