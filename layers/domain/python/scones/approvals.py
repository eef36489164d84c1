"""Responses to the approval request of a promotion, in the name of the verified caller."""

import json
from typing import TYPE_CHECKING, Annotated, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from scones.callers import Caller
from scones.endpoint_state import MAX_COMMENT_LENGTH

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_EXPIRED_TOKEN_CODES = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


class Decision(BaseModel):
    """Whether the version in staging may go to production.

    Attributes
    ----------
    token
        Task token of the state that waits.
    approved
        Whether the version may go to production.
    comment
        The reason, or empty.
    answer
        ID of the answer, of the caller's choice: it is in the promotion's history, so that the
        caller of a repeated request recognizes their own. None if the caller gave none.
    """

    # A field that is not known, such as a name, is an error: it would have no effect.
    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str = Field(min_length=1, max_length=2048, repr=False)
    approved: bool = Field(strict=True)
    comment: str = Field(default="", max_length=MAX_COMMENT_LENGTH)
    answer: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None


class ApprovalResponse(BaseModel):
    """Result of a decision: ``not_waiting`` if the request was answered before, or timed out."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["answered", "not_waiting"]


def respond(client: "SFNClient", decision: Decision, caller: Caller) -> ApprovalResponse:
    """Send a decision to the promotion that waits for it.

    Parameters
    ----------
    client
        A Step Functions client.
    decision
        The decision.
    caller
        The verified caller.

    Raises
    ------
    botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
        If Step Functions fails.
    """
    output = {
        "approved": decision.approved,
        "by": caller.name,
        "arn": caller.arn,
        "user_id": caller.user_id,
    }
    if decision.comment:
        output["comment"] = decision.comment
    if decision.answer:
        output["answer"] = decision.answer
    try:
        client.send_task_success(taskToken=decision.token, output=json.dumps(output))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _EXPIRED_TOKEN_CODES:
            raise
        return ApprovalResponse(kind="not_waiting")
    return ApprovalResponse(kind="answered")
