"""What an execution's history tells of its tasks, as AWS writes it."""

import json
from typing import Any

from ministack.services import stepfunctions

from scones_local.ministack.stepfunctions import executions


def add_task_event(kind: str, resource: str, **details: Any) -> None:
    """Note an event of the task that runs in this thread.

    Parameters
    ----------
    kind
        Such as ``Scheduled``.
    resource
        The task's ``Resource``.
    **details
        Further members of the event's details; those that are None are left out.
    """
    add_event(f"Task{kind}", f"task{kind}", **split_resource(resource), **details)


def add_event(kind: str, member: str, **details: Any) -> None:
    """Note an event of the execution that runs in this thread.

    Parameters
    ----------
    kind
        The event's type.
    member
        What the member with its details is called, without ``EventDetails``.
    **details
        Their members; those that are None are left out.
    """
    given = {name: value for name, value in details.items() if value is not None}
    stepfunctions._add_event(executions.current_execution(), kind, {f"{member}EventDetails": given})


def to_json(value: Any) -> str:
    """Give a value as an event has it: as a string of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def split_resource(resource: str) -> dict[str, str]:
    """Give a task's ``Resource`` in the two parts that events have.

    Parameters
    ----------
    resource
        Such as ``arn:aws:states:::aws-sdk:s3:putObject``.
    """
    if ":function:" in resource:
        return {"resourceType": "lambda", "resource": resource}
    kind, _, action = resource.split(":", 5)[5].rpartition(":")
    return {"resourceType": kind, "resource": action}
