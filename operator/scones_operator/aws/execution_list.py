"""Executions of the three machines, the latest first: when, how long, and what they came to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from scones_operator.aws.classify_log import (
    MAX_DELIVERY_DELAY,
    MAX_EXECUTION_TIME,
    LogEvent,
    read_start_and_end_events,
)
from scones_operator.aws.executions import parse_object
from scones_operator.aws.stack import Stack

if TYPE_CHECKING:
    import boto3

StateMachineName = Literal["retrain", "promote", "classify"]
Status = Literal["running", "succeeded", "failed", "timed_out", "aborted"]

STATE_MACHINES: tuple[StateMachineName, ...] = ("retrain", "promote", "classify")

FIRST_WINDOW = timedelta(minutes=10)
"""How far back the log is read at first. CloudWatch Logs gives the oldest lines first, so that the
latest are looked for in ever larger windows."""

DEFAULT_LOOKBACK = timedelta(days=1)
"""How far back the log of `classify` is read where nobody says."""

_STATUSES: Mapping[str, Status] = {
    "ExecutionSucceeded": "succeeded",
    "ExecutionFailed": "failed",
    "ExecutionTimedOut": "timed_out",
    "ExecutionAborted": "aborted",
}


@dataclass(frozen=True)
class ExecutionSummary:
    """An execution, whether it has ended or not.

    Attributes
    ----------
    machine
        Of which machine.
    arn
        Which one.
    status
        Step Functions' word for its state.
    started_at, ended_at
        When (UTC); `ended_at` is None while it runs.
    outcome
        What it came to in a word: that of a retraining or promotion, or a photo's status. None
        where it has none.
    kind
        Of the machine `promote`: whether it was a ``promotion``, ``rollback`` or ``hosting``.
    message
        More of that: a sentence, or why it failed.
    photo
        The photo's key, where it is known whose execution it was.
    """

    state_machine: StateMachineName
    arn: str
    status: Status
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    kind: str | None = None
    message: str = ""
    photo: str | None = None


def list_executions(
    session: "boto3.Session",
    stack: Stack,
    machine: StateMachineName,
    limit: int,
    since: datetime | None = None,
) -> list[ExecutionSummary]:
    """Read executions of a machine, the latest first.

    Parameters
    ----------
    session, stack
        Where.
    machine
        Of which machine.
    limit
        How many at most.
    since
        Started at or after, an aware datetime. None reads all of a Standard machine's, and those of
        `classify` of the last `LOOK_BACK`.
    """
    if machine == "classify":
        since = since or datetime.now(UTC) - DEFAULT_LOOKBACK
        found = list(islice(_read_express(session, stack, since), limit))
        return _add_photos(session, stack, found)
    arn = stack.retrain_state_machine if machine == "retrain" else stack.promote_state_machine
    return list(islice(_read_standard(session, machine, arn, since), limit))


def _read_standard(
    session: "boto3.Session", machine: StateMachineName, arn: str, since: datetime | None
) -> Iterator[ExecutionSummary]:
    client = session.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=arn, PaginationConfig={"PageSize": 50}
    )
    for page in pages:
        for item in page["executions"]:
            if since and item["startDate"] < since:
                return
            description = client.describe_execution(executionArn=item["executionArn"])
            yield _describe(machine, description)


def _describe(machine: StateMachineName, description: Mapping[str, Any]) -> ExecutionSummary:
    output: Mapping[str, Any] = {}
    if description["status"] == "SUCCEEDED":
        output = parse_object(description.get("output", "{}"))
    return ExecutionSummary(
        state_machine=machine,
        arn=description["executionArn"],
        status=description["status"].lower(),
        started_at=description["startDate"],
        ended_at=description.get("stopDate"),
        outcome=output.get("outcome"),
        kind=output.get("kind"),
        message=output.get("message") or _reason(description),
    )


def _read_express(
    session: "boto3.Session", stack: Stack, since: datetime
) -> Iterator[ExecutionSummary]:
    until, window = datetime.now(UTC) + MAX_DELIVERY_DELAY, FIRST_WINDOW + MAX_DELIVERY_DELAY
    while until > since:
        start = max(since, until - window)
        # Those that start within the window end within it, or soon after.
        events = read_start_and_end_events(session, stack, start, until + MAX_EXECUTION_TIME)
        yield from _from_log(events, start, until)
        until, window = start, 4 * window


def _from_log(
    events: Iterable[LogEvent], since: datetime, until: datetime
) -> Iterator[ExecutionSummary]:
    """Yield the executions that start in a window, the latest first."""
    starts, ends = {}, {}
    for event in events:
        if event.kind == "ExecutionStarted":
            starts[event.execution] = event
        elif event.kind in _STATUSES:
            ends[event.execution] = event
    for start in sorted(starts.values(), key=lambda event: event.at, reverse=True):
        if not since <= start.at < until:
            continue
        end = ends.get(start.execution)
        yield ExecutionSummary(
            state_machine="classify",
            arn=start.execution,
            status=_STATUSES[end.kind] if end else "running",
            started_at=start.at,
            ended_at=end.at if end else None,
            message=_reason(end.details) if end else "",
        )


def _reason(said: Mapping[str, Any]) -> str:
    return ": ".join(part for part in (said.get("error"), said.get("cause")) if part)


def _add_photos(
    session: "boto3.Session", stack: Stack, found: list[ExecutionSummary]
) -> list[ExecutionSummary]:
    """Add which photo each one decided, and how; one that decided nothing stays as it is."""
    if not found:
        return found
    # It brings Pydantic and the photos' decoders, which takes long beside showing help.
    from scones.records import Skipped, query_records  # noqa: PLC0415

    records = query_records(
        session.client("dynamodb"),
        stack.results_table,
        Skipped(),  # their executions are shown without a photo
        since=min(execution.started_at for execution in found),
        until=max(execution.started_at for execution in found) + MAX_EXECUTION_TIME,
    )
    decided = {record.decision.execution: record.decision for record in records}
    completed = []
    for execution in found:
        if detail := decided.get(execution.arn):
            message = detail.reason.code if detail.reason else execution.message
            execution = replace(  # noqa: PLW2901
                execution, photo=detail.photo.key, outcome=detail.status, message=message
            )
        completed.append(execution)
    return completed
