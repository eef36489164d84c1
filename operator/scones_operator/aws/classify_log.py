"""The log of the machine `classify`: the only list and history that an Express machine has."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scones_operator.aws.stack import Stack

if TYPE_CHECKING:
    import boto3

MAX_EXECUTION_TIME = timedelta(minutes=5)
"""Step Functions' limit of an Express execution."""

MAX_DELIVERY_DELAY = timedelta(minutes=5)
"""How late what an execution logs may arrive, and how wrong the clock here may be."""


@dataclass(frozen=True)
class LogEvent:
    """An event of an execution's history, as it is logged.

    Attributes
    ----------
    number
        Its place in the history, from 1.
    kind
        As Step Functions calls it, such as ``TaskStateEntered`` or ``ExecutionFailed``.
    at
        When (UTC).
    execution
        ARN of the execution.
    details
        What else is said of it; without the execution's data unless the stack logs them.
    """

    number: int
    kind: str
    at: datetime
    execution: str
    details: Mapping[str, Any]


def read_start_and_end_events(
    session: "boto3.Session", stack: Stack, since: datetime, until: datetime
) -> list[LogEvent]:
    """Read the events with which executions start and end.

    Others may be among them where the log knows no patterns.

    Parameters
    ----------
    session, stack
        Where.
    since, until
        Between which moments. Aware datetimes.
    """
    return list(_read(session, stack, '{ $.type = "Execution*" }', since, until))


def read_execution(
    session: "boto3.Session", stack: Stack, execution: str, started_at: datetime
) -> list[LogEvent]:
    """Read the history of one execution; empty where the log is gone, or not written yet.

    Parameters
    ----------
    session, stack
        Where.
    execution
        Its ARN.
    started_at
        When it started (UTC).
    """
    pattern = f'{{ $.execution_arn = "{execution}" }}'
    until = started_at + MAX_EXECUTION_TIME + MAX_DELIVERY_DELAY
    events = _read(session, stack, pattern, started_at - timedelta(seconds=1), until)
    found = [event for event in events if event.execution == execution]
    return sorted(found, key=lambda event: event.number)


def _read(
    session: "boto3.Session", stack: Stack, pattern: str, since: datetime, until: datetime
) -> Iterator[LogEvent]:
    pages = (
        session.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=stack.classify_log_group,
            filterPattern=pattern,
            startTime=_milliseconds(since),
            endTime=_milliseconds(until),
        )
    )
    for page in pages:
        for line in page["events"]:
            # Anyone with permission writes lines to a log; one of them must not hide the others.
            with suppress(ValueError, KeyError, TypeError):
                yield _parse(line["message"])


def _parse(line: str) -> LogEvent:
    """Read a line: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html."""
    said = json.loads(line)
    return LogEvent(
        number=int(said["id"]),
        kind=said["type"],
        at=datetime.fromtimestamp(int(said["event_timestamp"]) / 1000, UTC),
        execution=said["execution_arn"],
        details=said.get("details") or {},
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
