"""Executions of the three machines, the latest first: when, how long, and what they came to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from scones_operator.aws.classify_log import DELIVERY, LONGEST_EXECUTION, LogEvent, read_ends
from scones_operator.aws.executions import parse_object
from scones_operator.aws.stack import Stack

if TYPE_CHECKING:
    import boto3

Machine = Literal["retrain", "promote", "classify"]
Status = Literal["running", "succeeded", "failed", "timed_out", "aborted"]

MACHINES: tuple[Machine, ...] = ("retrain", "promote", "classify")

FIRST_WINDOW = timedelta(minutes=10)
"""How far back the log is read at first. CloudWatch Logs gives the oldest lines first, so that the
latest are looked for in ever larger windows."""

LOOK_BACK = timedelta(days=1)
"""How far back the log of `classify` is read where nobody says."""

_ENDS: Mapping[str, Status] = {
    "ExecutionSucceeded": "succeeded",
    "ExecutionFailed": "failed",
    "ExecutionTimedOut": "timed_out",
    "ExecutionAborted": "aborted",
}


@dataclass(frozen=True)
class PastExecution:
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

    machine: Machine
    arn: str
    status: Status
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    kind: str | None = None
    message: str = ""
    photo: str | None = None


def read_executions(
    session: "boto3.Session",
    stack: Stack,
    machine: Machine,
    limit: int,
    since: datetime | None = None,
) -> list[PastExecution]:
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
        since = since or datetime.now(UTC) - LOOK_BACK
        found = list(islice(_read_express(session, stack, since), limit))
        return _with_photos(session, stack, found)
    arn = stack.retrain_machine if machine == "retrain" else stack.promote_machine
    return list(islice(_read_standard(session, machine, arn, since), limit))


def _read_standard(
    session: "boto3.Session", machine: Machine, arn: str, since: datetime | None
) -> Iterator[PastExecution]:
    client = session.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=arn, PaginationConfig={"PageSize": 50}
    )
    for page in pages:
        for item in page["executions"]:
            if since and item["startDate"] < since:
                return
            description = client.describe_execution(executionArn=item["executionArn"])
            yield _described(machine, description)


def _described(machine: Machine, description: Mapping[str, Any]) -> PastExecution:
    output: Mapping[str, Any] = {}
    if description["status"] == "SUCCEEDED":
        output = parse_object(description.get("output", "{}"))
    return PastExecution(
        machine=machine,
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
) -> Iterator[PastExecution]:
    until, window = datetime.now(UTC) + DELIVERY, FIRST_WINDOW + DELIVERY
    while until > since:
        start = max(since, until - window)
        # Those that start within the window end within it, or soon after.
        events = read_ends(session, stack, start, until + LONGEST_EXECUTION)
        yield from _logged(events, start, until)
        until, window = start, 4 * window


def _logged(
    events: Iterable[LogEvent], since: datetime, until: datetime
) -> Iterator[PastExecution]:
    """Yield the executions that start in a window, the latest first."""
    starts, ends = {}, {}
    for event in events:
        if event.kind == "ExecutionStarted":
            starts[event.execution] = event
        elif event.kind in _ENDS:
            ends[event.execution] = event
    for start in sorted(starts.values(), key=lambda event: event.at, reverse=True):
        if not since <= start.at < until:
            continue
        end = ends.get(start.execution)
        yield PastExecution(
            machine="classify",
            arn=start.execution,
            status=_ENDS[end.kind] if end else "running",
            started_at=start.at,
            ended_at=end.at if end else None,
            message=_reason(end.details) if end else "",
        )


def _reason(said: Mapping[str, Any]) -> str:
    return ": ".join(part for part in (said.get("error"), said.get("cause")) if part)


def _with_photos(
    session: "boto3.Session", stack: Stack, found: list[PastExecution]
) -> list[PastExecution]:
    """Add which photo each one decided, and how; one that decided nothing stays as it is."""
    if not found:
        return found
    # It brings Pydantic and the photos' decoders, which takes long beside showing help.
    from scones.records import Skipped, read_decided  # noqa: PLC0415

    records = read_decided(
        session.client("dynamodb"),
        stack.results_table,
        Skipped(),  # their executions are shown without a photo
        since=min(execution.started_at for execution in found),
        until=max(execution.started_at for execution in found) + LONGEST_EXECUTION,
    )
    decided = {record.decided.execution: record.decided for record in records}
    completed = []
    for execution in found:
        if detail := decided.get(execution.arn):
            message = detail.reason.code if detail.reason else execution.message
            execution = replace(  # noqa: PLW2901
                execution, photo=detail.photo.key, outcome=detail.status, message=message
            )
        completed.append(execution)
    return completed
