"""The machine `promote`: approved versions on their way to production, and the way back."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from scones_operator.aws.executions import (
    Event,
    Outcome,
    new_events,
    parse_object,
    scheduled,
    start,
    steps,
    wait_a_little,
    watch,
)
from scones_operator.aws.function_urls import UrlClient
from scones_operator.aws.stack import Stack
from scones_operator.aws.step_titles import PROMOTE
from scones_operator.errors import Fault, Refused
from scones_operator.models import registry
from scones_operator.models.registry import Version
from scones_operator.progress import Progress, Step

if TYPE_CHECKING:
    import boto3

START_ATTEMPTS = 60
"""How often is looked whether the approval's event has started the machine."""

ASKING = "Ask A Person"
"""The state that waits for a person's answer."""

SAVED_MODELS = "models/"
"""Prefix in the data bucket of models that may be hosted without being registered.

No policy of the template lets anybody put something there: it takes an administrator.
"""

_BEFORE_THE_ANSWER = {"TaskStarted", "TaskSubmitted"}


@dataclass(frozen=True)
class Question:
    """A promotion asks a person whether the version in staging may go to production.

    Attributes
    ----------
    execution
        ARN of the promotion.
    token
        What it is answered with.
    event_id
        Where in the execution's history it was asked.
    version
        The version in question.
    smoke_test
        What the smoke test came to, in a sentence.
    asked_at
        When.
    """

    execution: str
    token: str = field(repr=False)
    event_id: int
    version: int
    smoke_test: str
    asked_at: datetime


@dataclass(frozen=True)
class Promotion:
    """A promotion, rollback or hosting that is under way.

    Attributes
    ----------
    execution
        Its ARN.
    started_at
        When.
    what
        Such as ``version 3``.
    step
        What it is doing.
    question
        What it asks a person, if it does.
    """

    execution: str
    started_at: datetime
    what: str
    step: Step | None
    question: Question | None


@dataclass(frozen=True)
class Approval:
    """What approving a version came to.

    Attributes
    ----------
    version
        As it was before.
    execution
        ARN of its promotion; None where the approval's event starts it.
    known
        ARNs of the promotions that had been started before.
    """

    version: Version
    execution: str | None
    known: frozenset[str] = frozenset()


def find_promotions(session: "boto3.Session", stack: Stack) -> list[Promotion]:
    """Find what is under way, newest first."""
    client = session.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=stack.promote_machine, statusFilter="RUNNING"
    )
    running = [item for page in pages for item in page["executions"]]
    return [_promotion(client, item) for item in running]


def require_free(session: "boto3.Session", stack: Stack) -> None:
    """Make sure that no promotion is under way: the machine does one at a time.

    Raises
    ------
    Refused
        If one is; says what to do about it.
    """
    for promotion in find_promotions(session, stack):
        if promotion.question:
            version = promotion.question.version
            raise Refused(
                f"the promotion of version {version} waits for approval: approve or reject it "
                f"first, with `scones promote --approve {version}` or `--reject {version}`"
            )
        raise Refused(
            f"{promotion.what} is running ({promotion.step or 'just started'}): wait until it "
            "ends; `scones promote` shows its progress"
        )


def approve(
    session: "boto3.Session", stack: Stack, number: int, by: str, comment: str = ""
) -> Approval:
    """Approve a version, which starts its promotion.

    Where it was approved before, the registry is left as it is, since it is not documented
    whether SageMaker tells of a status that stays the same; the promotion is started directly.

    Parameters
    ----------
    session, stack
        Where.
    number
        Which version.
    by
        Who wants it, for those who are told.
    comment
        Why.

    Raises
    ------
    Refused
        If there is no such version, it is in production, or another promotion is under way.
    """
    version = registry.find_version(session, stack, number)
    production = registry.find_production(session, stack)
    if version.status == registry.APPROVED:
        if production and production.runs(version):
            raise Refused(f"version {number} is already approved and in production")
        return Approval(version, _promote_again(session, stack, version, by))
    require_free(session, stack)
    known = frozenset(item["executionArn"] for item in _newest(session, stack))
    registry.set_approval(session, version, registry.APPROVED, comment)
    return Approval(version, None, known)


def await_promotion(
    session: "boto3.Session",
    stack: Stack,
    approval: Approval,
    pause: Callable[[], None] = wait_a_little,
) -> str:
    """Wait until an approval's event has started the promotion; gives the execution's ARN.

    Raises
    ------
    Fault
        If that takes too long.
    """
    if approval.execution:
        return approval.execution
    client = session.client("stepfunctions")
    seen = set(approval.known)
    for _ in range(START_ATTEMPTS):
        # SageMaker may send an event twice: the older execution is the one that goes on.
        for item in reversed(_newest(session, stack)):
            arn = item["executionArn"]
            if arn in seen:
                continue
            seen.add(arn)
            request = parse_object(client.describe_execution(executionArn=arn)["input"])
            if _package(request) == approval.version.arn:
                return str(arn)
        pause()
    raise Fault(
        f"version {approval.version.number} is approved, but its promotion has not started: run "
        "the command again to start it directly, or check the rule of the state machine promote "
        "and the dead-letter queue UndeliveredEvents"
    )


def follow_promotion(
    session: "boto3.Session",
    execution: str,
    show: Callable[[Progress], None],
    after: int = 0,
    pause: Callable[[], None] = wait_a_little,
) -> Question | Outcome:
    """Follow a promotion until it asks a person or ends.

    Parameters
    ----------
    session
        Where.
    execution
        Its ARN.
    show
        Called with each step.
    after
        Id of the event after which to follow it: a question's, when that was answered.
    pause
        Called between two looks.

    Raises
    ------
    scones_operator.aws.executions.ExecutionFailed
        If it fails, with the reason.
    """
    for tick in watch(session, execution, after, pause):
        for step in steps(tick.events, PROMOTE):
            if step.state != ASKING:  # of which the question tells
                show(step)
        if tick.outcome:
            return tick.outcome
        if asked := _asked(execution, tick.events):
            return asked
    raise AssertionError("an execution ends with an outcome or an error")


def choose_question(promotions: list[Promotion], number: int | None) -> Question:
    """Return the question that is to be answered.

    Parameters
    ----------
    promotions
        What is under way.
    number
        The version that is meant; None where there is but one.

    Raises
    ------
    Refused
        If nothing waits for an answer, or several, or another version.
    """
    questions = [promotion.question for promotion in promotions if promotion.question]
    waiting = ", ".join(str(question.version) for question in questions)
    if not questions:
        if promotions:
            first = promotions[0]
            raise Refused(
                f"{first.what} is running, but does not wait for approval yet "
                f"({first.step or 'just started'})"
            )
        raise Refused(
            "no promotion is waiting for approval: start one with `scones approve VERSION`"
        )
    if number is None and len(questions) > 1:
        raise Refused(f"several promotions wait for approval: choose one of the versions {waiting}")
    for question in questions:
        if number in (None, question.version):
            return question
    raise Refused(f"version {number} does not wait for approval, but version {waiting} does")


def answer(
    session: "boto3.Session",
    stack: Stack,
    question: Question,
    *,
    approved: bool,
    comment: str = "",
) -> None:
    """Answer a promotion's question, in the name of the user whose credentials the session has.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    question
        The question.
    approved
        Whether the version may go to production.
    comment
        The reason.

    Raises
    ------
    Refused
        If it isn't waiting any more.
    """
    answer_id = uuid.uuid4().hex
    decision = {
        "token": question.token,
        "approved": approved,
        "comment": comment,
        "answer": answer_id,
    }
    answered = UrlClient(session, stack.answer_url, "scones promote").call(decision)
    # A request that is sent again after a broken connection may find its own answer.
    if answered["kind"] == "not_waiting" and not _is_answer(session, question, answer_id):
        raise Refused(
            f"the promotion of version {question.version} no longer waits for approval: it "
            "was approved or rejected in the meantime, or timed out"
        )


def _is_answer(session: "boto3.Session", question: Question, answer_id: str) -> bool:
    """Return True if a question was answered with this ID, by the promotion's history."""
    events = new_events(session.client("stepfunctions"), question.execution, question.event_id)
    outputs = [
        event["taskSucceededEventDetails"].get("output", "{}")
        for event in events
        if event["type"] == "TaskSucceeded" and "taskSucceededEventDetails" in event
    ]
    # The first task that succeeds after the question is the question itself.
    return bool(outputs) and parse_object(outputs[0]).get("answer") == answer_id


def start_rollback(session: "boto3.Session", stack: Stack, number: int, by: str) -> str:
    """Bring an earlier version back to production; gives the execution's ARN.

    Raises
    ------
    Refused
        If there is no such version, it is not approved or in production, or a promotion is
        under way.
    """
    version = registry.find_version(session, stack, number)
    if version.status != registry.APPROVED:
        raise Refused(
            f"version {number} is not approved (its status is {version.status}), so it cannot be "
            f"rolled back to: approve it with `scones approve {number}`, which tests it in staging"
        )
    production = registry.find_production(session, stack)
    if production and production.runs(version):
        raise Refused(f"version {number} is already in production")
    require_free(session, stack)
    return start(session, stack.promote_machine, {"rollback_to": version.arn, "requested_by": by})


def start_hosting(session: "boto3.Session", stack: Stack, artifacts: str, by: str) -> str:
    """Bring a model saved in S3 to production; gives the execution's ARN.

    Parameters
    ----------
    session, stack
        Where.
    artifacts
        S3 URI of a model.tar.gz in the data bucket.
    by
        Who wants it, for those who are told.

    Raises
    ------
    Refused
        If there is no such object in `SAVED_MODELS`, or a promotion is under way.
    """
    bucket, _, key = artifacts.removeprefix("s3://").partition("/")
    if bucket != stack.data_bucket or not key.startswith(SAVED_MODELS):
        raise Refused(
            f"only models in s3://{stack.data_bucket}/{SAVED_MODELS} can be hosted: copy the model "
            f"there with `aws s3 cp {artifacts} "
            f"s3://{stack.data_bucket}/{SAVED_MODELS}{key.rpartition('/')[2]}` (as an "
            "administrator: no policy of the stack allows it)"
        )
    try:
        session.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
            raise
        raise Refused(f"object {artifacts} does not exist") from None
    require_free(session, stack)
    return start(session, stack.promote_machine, {"artifacts": artifacts, "requested_by": by})


def _promote_again(session: "boto3.Session", stack: Stack, version: Version, by: str) -> str:
    """Return the promotion of a version that is under way, or start one."""
    client = session.client("stepfunctions")
    for promotion in find_promotions(session, stack):
        request = parse_object(client.describe_execution(executionArn=promotion.execution)["input"])
        if _package(request) == version.arn:
            return promotion.execution
    require_free(session, stack)
    # What the machine reads of the approval's event.
    request = {"detail": {"ModelPackageArn": version.arn}, "requested_by": by}
    return start(session, stack.promote_machine, request)


def _newest(session: "boto3.Session", stack: Stack) -> list[Any]:
    """List the latest executions, newest first."""
    return list(
        session.client("stepfunctions").list_executions(
            stateMachineArn=stack.promote_machine, maxResults=100
        )["executions"]
    )


def _promotion(client: Any, item: Any) -> Promotion:
    execution = item["executionArn"]
    events = new_events(client, execution)
    request = parse_object(events[0]["executionStartedEventDetails"]["input"]) if events else {}
    done = list(steps(events, PROMOTE))
    step = done[-1] if done else None
    return Promotion(execution, item["startDate"], _what(request), step, _asked(execution, events))


def _what(request: Any) -> str:
    if package := _package(request):
        return f"the promotion of version {package.rpartition('/')[2]}"
    if target := request.get("rollback_to"):
        return f"the rollback to version {str(target).rpartition('/')[2]}"
    return f"the hosting of {request.get('artifacts', 'a model')}"


def _package(request: Any) -> str | None:
    detail = request.get("detail")
    package = detail.get("ModelPackageArn") if isinstance(detail, dict) else None
    return None if package is None else str(package)


def _asked(execution: str, events: tuple[Event, ...]) -> Question | None:
    """Return the question that the latest events leave open."""
    latest = [event for event in events if event["type"] not in _BEFORE_THE_ANSWER]
    if not latest:
        return None
    attributes = scheduled(latest[-1]).get("MessageAttributes", {})
    if "task_token" not in attributes:
        return None
    texts = {name: given["StringValue"] for name, given in attributes.items()}
    return Question(
        execution=execution,
        token=texts["task_token"],
        event_id=latest[-1]["id"],
        version=int(texts["version"]),
        smoke_test=texts.get("smoke_test", ""),
        asked_at=latest[-1]["timestamp"],
    )
