"""The machine `promote`: approved versions on their way to production, and the way back."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from scones_operator.aws.executions import (
    Event,
    ExecutionOutcome,
    history_since,
    parse_object,
    poll_execution,
    sleep_briefly,
    start_execution,
    steps,
    task_arguments,
)
from scones_operator.aws.function_urls import UrlClient
from scones_operator.aws.stack import Stack
from scones_operator.aws.step_titles import PROMOTE_TITLES
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.models import registry
from scones_operator.models.registry import ModelVersion
from scones_operator.progress import ProgressEvent, Step

if TYPE_CHECKING:
    import boto3

MAX_START_POLLS = 60
"""How often is looked whether the approval's event has started the machine."""

APPROVAL_STATE = "Ask A Person"
"""The state that waits for a person's answer."""

SAVED_MODELS = "models/"
"""Prefix in the data bucket of models that may be hosted without being registered.

No policy of the template lets anybody put something there: it takes an administrator.
"""

_PENDING_TASK_EVENTS = {"TaskStarted", "TaskSubmitted"}


@dataclass(frozen=True)
class ApprovalRequest:
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
    requested_at: datetime


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
    title: str
    step: Step | None
    approval_request: ApprovalRequest | None


@dataclass(frozen=True)
class ApprovedVersion:
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

    version: ModelVersion
    execution: str | None
    earlier_executions: frozenset[str] = frozenset()


def list_running_promotions(session: "boto3.Session", stack: Stack) -> list[Promotion]:
    """Find what is under way, newest first."""
    client = session.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=stack.promote_state_machine, statusFilter="RUNNING"
    )
    running = [item for page in pages for item in page["executions"]]
    return [_promotion(client, item) for item in running]


def require_no_running_promotion(session: "boto3.Session", stack: Stack) -> None:
    """Make sure that no promotion is under way: the machine does one at a time.

    Raises
    ------
    PreconditionError
        If one is; says what to do about it.
    """
    for promotion in list_running_promotions(session, stack):
        if promotion.approval_request:
            version = promotion.approval_request.version
            raise PreconditionError(
                f"the promotion of version {version} waits for approval: approve or reject it "
                f"first, with `scones promote --approve {version}` or `--reject {version}`"
            )
        raise PreconditionError(
            f"{promotion.title} is running ({promotion.step or 'just started'}): wait until it "
            "ends; `scones promote` shows its progress"
        )


def approve_version(
    session: "boto3.Session", stack: Stack, number: int, by: str, comment: str = ""
) -> ApprovedVersion:
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
    PreconditionError
        If there is no such version, it is in production, or another promotion is under way.
    """
    version = registry.get_version(session, stack, number)
    production = registry.get_production_model(session, stack)
    if version.status == registry.APPROVED:
        if production and production.runs(version):
            raise PreconditionError(f"version {number} is already approved and in production")
        return ApprovedVersion(version, _restart_promotion(session, stack, version, by))
    require_no_running_promotion(session, stack)
    known = frozenset(item["executionArn"] for item in _recent_executions(session, stack))
    registry.set_approval_status(session, version, registry.APPROVED, comment)
    return ApprovedVersion(version, None, known)


def wait_for_promotion(
    session: "boto3.Session",
    stack: Stack,
    approval: ApprovedVersion,
    pause: Callable[[], None] = sleep_briefly,
) -> str:
    """Wait until an approval's event has started the promotion; gives the execution's ARN.

    Raises
    ------
    OperationError
        If that takes too long.
    """
    if approval.execution:
        return approval.execution
    client = session.client("stepfunctions")
    seen = set(approval.earlier_executions)
    for _ in range(MAX_START_POLLS):
        # SageMaker may send an event twice: the older execution is the one that goes on.
        for item in reversed(_recent_executions(session, stack)):
            arn = item["executionArn"]
            if arn in seen:
                continue
            seen.add(arn)
            request = parse_object(client.describe_execution(executionArn=arn)["input"])
            if _model_package_arn(request) == approval.version.arn:
                return str(arn)
        pause()
    raise OperationError(
        f"version {approval.version.number} is approved, but its promotion has not started: run "
        "the command again to start it directly, or check the rule of the state machine promote "
        "and the dead-letter queue UndeliveredEvents"
    )


def follow_promotion(
    session: "boto3.Session",
    execution: str,
    show: Callable[[ProgressEvent], None],
    after: int = 0,
    pause: Callable[[], None] = sleep_briefly,
) -> ApprovalRequest | ExecutionOutcome:
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
    scones_operator.aws.executions.ExecutionFailedError
        If it fails, with the reason.
    """
    for tick in poll_execution(session, execution, after, pause):
        for step in steps(tick.events, PROMOTE_TITLES):
            if step.state != APPROVAL_STATE:  # of which the question tells
                show(step)
        if tick.outcome:
            return tick.outcome
        if asked := _open_approval_request(execution, tick.events):
            return asked
    raise AssertionError("an execution ends with an outcome or an error")


def select_approval_request(promotions: list[Promotion], number: int | None) -> ApprovalRequest:
    """Return the question that is to be answered.

    Parameters
    ----------
    promotions
        What is under way.
    number
        The version that is meant; None where there is but one.

    Raises
    ------
    PreconditionError
        If nothing waits for an answer, or several, or another version.
    """
    questions = [
        promotion.approval_request for promotion in promotions if promotion.approval_request
    ]
    waiting = ", ".join(str(question.version) for question in questions)
    if not questions:
        if promotions:
            first = promotions[0]
            raise PreconditionError(
                f"{first.title} is running, but does not wait for approval yet "
                f"({first.step or 'just started'})"
            )
        raise PreconditionError(
            "no promotion is waiting for approval: start one with `scones approve VERSION`"
        )
    if number is None and len(questions) > 1:
        raise PreconditionError(
            f"several promotions wait for approval: choose one of the versions {waiting}"
        )
    for question in questions:
        if number in (None, question.version):
            return question
    raise PreconditionError(
        f"version {number} does not wait for approval, but version {waiting} does"
    )


def send_approval(
    session: "boto3.Session",
    stack: Stack,
    question: ApprovalRequest,
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
    PreconditionError
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
    if answered["kind"] == "not_waiting" and not _is_approval_response(
        session, question, answer_id
    ):
        raise PreconditionError(
            f"the promotion of version {question.version} no longer waits for approval: it "
            "was approved or rejected in the meantime, or timed out"
        )


def _is_approval_response(
    session: "boto3.Session", question: ApprovalRequest, answer_id: str
) -> bool:
    """Return True if a question was answered with this ID, by the promotion's history."""
    events = history_since(session.client("stepfunctions"), question.execution, question.event_id)
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
    PreconditionError
        If there is no such version, it is not approved or in production, or a promotion is
        under way.
    """
    version = registry.get_version(session, stack, number)
    if version.status != registry.APPROVED:
        raise PreconditionError(
            f"version {number} is not approved (its status is {version.status}), so it cannot be "
            f"rolled back to: approve it with `scones approve {number}`, which tests it in staging"
        )
    production = registry.get_production_model(session, stack)
    if production and production.runs(version):
        raise PreconditionError(f"version {number} is already in production")
    require_no_running_promotion(session, stack)
    return start_execution(
        session, stack.promote_state_machine, {"rollback_to": version.arn, "requested_by": by}
    )


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
    PreconditionError
        If there is no such object in `SAVED_MODELS`, or a promotion is under way.
    """
    bucket, _, key = artifacts.removeprefix("s3://").partition("/")
    if bucket != stack.data_bucket or not key.startswith(SAVED_MODELS):
        raise PreconditionError(
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
        raise PreconditionError(f"object {artifacts} does not exist") from None
    require_no_running_promotion(session, stack)
    return start_execution(
        session, stack.promote_state_machine, {"artifacts": artifacts, "requested_by": by}
    )


def _restart_promotion(
    session: "boto3.Session", stack: Stack, version: ModelVersion, by: str
) -> str:
    """Return the promotion of a version that is under way, or start one."""
    client = session.client("stepfunctions")
    for promotion in list_running_promotions(session, stack):
        request = parse_object(client.describe_execution(executionArn=promotion.execution)["input"])
        if _model_package_arn(request) == version.arn:
            return promotion.execution
    require_no_running_promotion(session, stack)
    # What the machine reads of the approval's event.
    request = {"detail": {"ModelPackageArn": version.arn}, "requested_by": by}
    return start_execution(session, stack.promote_state_machine, request)


def _recent_executions(session: "boto3.Session", stack: Stack) -> list[Any]:
    """List the latest executions, newest first."""
    return list(
        session.client("stepfunctions").list_executions(
            stateMachineArn=stack.promote_state_machine, maxResults=100
        )["executions"]
    )


def _promotion(client: Any, item: Any) -> Promotion:
    execution = item["executionArn"]
    events = history_since(client, execution)
    request = parse_object(events[0]["executionStartedEventDetails"]["input"]) if events else {}
    done = list(steps(events, PROMOTE_TITLES))
    step = done[-1] if done else None
    return Promotion(
        execution,
        item["startDate"],
        _title(request),
        step,
        _open_approval_request(execution, events),
    )


def _title(request: Any) -> str:
    if package := _model_package_arn(request):
        return f"the promotion of version {package.rpartition('/')[2]}"
    if target := request.get("rollback_to"):
        return f"the rollback to version {str(target).rpartition('/')[2]}"
    return f"the hosting of {request.get('artifacts', 'a model')}"


def _model_package_arn(request: Any) -> str | None:
    detail = request.get("detail")
    package = detail.get("ModelPackageArn") if isinstance(detail, dict) else None
    return None if package is None else str(package)


def _open_approval_request(execution: str, events: tuple[Event, ...]) -> ApprovalRequest | None:
    """Return the question that the latest events leave open."""
    latest = [event for event in events if event["type"] not in _PENDING_TASK_EVENTS]
    if not latest:
        return None
    attributes = task_arguments(latest[-1]).get("MessageAttributes", {})
    if "task_token" not in attributes:
        return None
    texts = {name: given["StringValue"] for name, given in attributes.items()}
    return ApprovalRequest(
        execution=execution,
        token=texts["task_token"],
        event_id=latest[-1]["id"],
        version=int(texts["version"]),
        smoke_test=texts.get("smoke_test", ""),
        requested_at=latest[-1]["timestamp"],
    )
