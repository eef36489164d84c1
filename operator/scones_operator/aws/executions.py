"""Executions of the Standard machines: started, followed, and what they came to."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scones_operator.errors import OperationError
from scones_operator.progress import Step

if TYPE_CHECKING:
    import boto3

POLL_SECONDS = 1.0

Event = Mapping[str, Any]
"""An event of an execution's history, as GetExecutionHistory gives it."""


class ExecutionFailedError(OperationError):
    """An execution ended without an outcome; the message is its reason."""


@dataclass(frozen=True)
class ExecutionOutcome:
    """What an execution came to.

    Attributes
    ----------
    outcome
        In a word, such as ``registered`` or ``rolled_back``.
    message
        In a sentence.
    execution
        Its ARN.
    details
        All that the machine answered.
    """

    outcome: str
    message: str
    execution: str
    details: Mapping[str, Any] = field(default_factory=dict)


_TITLES: Mapping[tuple[str, str], str] = {
    ("rollback", "promoted"): "rollback done",
    ("rollback", "rolled_back"): "rollback undone by alarms",
    ("hosting", "promoted"): "hosted",
    ("promotion", "rolled_back"): "rolled back by alarms",
}


def outcome_title(outcome: str, kind: str | None) -> str:
    """Return what an outcome is called in front of people.

    Parameters
    ----------
    outcome
        Outcome of an execution, such as ``promoted``.
    kind
        For the machine `promote`: ``promotion``, ``rollback`` or ``hosting``; else None.

    Examples
    --------
    >>> outcome_title("promoted", "rollback"), outcome_title("not_good_enough", None)
    ('rollback done', 'not good enough')
    """
    return _TITLES.get((kind or "", outcome), outcome.replace("_", " "))


@dataclass(frozen=True)
class HistoryUpdate:
    """What is new of an execution: events, and in the end the outcome."""

    events: tuple[Event, ...]
    outcome: ExecutionOutcome | None


def sleep_briefly() -> None:
    """Wait between two looks at an execution."""
    time.sleep(POLL_SECONDS)


def start_execution(session: "boto3.Session", machine: str, request: Mapping[str, Any]) -> str:
    """Start an execution; gives its ARN.

    Parameters
    ----------
    session
        Where.
    machine
        The machine's ARN.
    request
        Its input.
    """
    started = session.client("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps(request)
    )
    return str(started["executionArn"])


def poll_execution(
    session: "boto3.Session",
    execution: str,
    after: int = 0,
    pause: Callable[[], None] = sleep_briefly,
) -> Iterator[HistoryUpdate]:
    """Yield what is new of an execution, again and again; the last tick has the outcome.

    Parameters
    ----------
    session
        Where.
    execution
        Its ARN.
    after
        Id of the event after which the history is new.
    pause
        Called between two looks.

    Raises
    ------
    ExecutionFailed
        If it fails, is stopped or runs out of time.
    """
    client = session.client("stepfunctions")
    while True:
        # In this order: the history of what has ended is whole.
        description = client.describe_execution(executionArn=execution)
        events = history_since(client, execution, after)
        after = events[-1]["id"] if events else after
        if description["status"] == "SUCCEEDED":
            yield HistoryUpdate(events, parse_outcome(description))
            return
        yield HistoryUpdate(events, None)
        if description["status"] != "RUNNING":
            raise execution_error(description)
        pause()


def history_since(client: Any, execution: str, after: int = 0) -> tuple[Event, ...]:
    """Read the events after the one of that id, oldest first."""
    found: list[Event] = []
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=execution, reverseOrder=True, PaginationConfig={"PageSize": 100}
    )
    for page in pages:
        fresh = [event for event in page["events"] if event["id"] > after]
        found += fresh
        if len(fresh) < len(page["events"]):
            break
    return tuple(reversed(found))


def parse_object(text: str) -> Mapping[str, Any]:
    """Return a JSON object; an empty one if the text is another JSON value.

    Anyone who may start executions chooses the input, so it can be a list or a string.

    Parameters
    ----------
    text
        JSON, such as an execution's input or output.
    """
    value = json.loads(text)
    return value if isinstance(value, dict) else {}


def parse_outcome(description: Mapping[str, Any]) -> ExecutionOutcome:
    """Read what an execution that succeeded came to from DescribeExecution's answer."""
    details = json.loads(description["output"])
    message = details.get("message") or ""
    return ExecutionOutcome(details["outcome"], message, description["executionArn"], details)


def execution_error(description: Mapping[str, Any]) -> ExecutionFailedError:
    """Say why an execution failed, was stopped or ran out of time.

    Parameters
    ----------
    description
        DescribeExecution's answer.
    """
    given = (description.get("error"), description.get("cause"))
    reason = ": ".join(part for part in given if part) or "no reason was given"
    how = {"FAILED": "failed", "ABORTED": "was stopped", "TIMED_OUT": "timed out"}
    machine, _, name = description["executionArn"].split(":", 6)[6].partition(":")
    said = how.get(description["status"], description["status"])
    return ExecutionFailedError(f"{machine} {said}: {reason} (execution {name})")


def steps(events: tuple[Event, ...], titles: Mapping[str, str]) -> Iterator[Step]:
    """Yield the steps that events tell of.

    Parameters
    ----------
    events
        Of a history.
    titles
        The steps' titles by the names of states.
    """
    for event in events:
        state = event.get("stateEnteredEventDetails", {}).get("name")
        if state in titles:
            yield Step(titles[state], state, event["timestamp"])


def task_arguments(event: Event) -> Mapping[str, Any]:
    """Return the arguments of the task that an event tells of, none where it tells of no task."""
    details = event.get("taskScheduledEventDetails", {})
    arguments: Mapping[str, Any] = json.loads(details.get("parameters", "{}"))
    return arguments
