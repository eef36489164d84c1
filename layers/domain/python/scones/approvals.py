"""Responses to the approval request of a promotion, in the name of the verified caller."""

import json
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from scones.hosting import LONGEST_COMMENT

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_NOT_WAITING = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


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
    """

    # A field that is not known, such as a name, is an error: it would have no effect.
    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str = Field(min_length=1, max_length=2048, repr=False)
    approved: bool = Field(strict=True)
    comment: str = Field(default="", max_length=LONGEST_COMMENT)


class Answered(BaseModel):
    """Result of a decision: ``not_waiting`` if the request was answered before, or timed out."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["answered", "not_waiting"]


def respond(client: "SFNClient", decision: Decision, by: str) -> Answered:
    """Send a decision to the promotion that waits for it.

    Parameters
    ----------
    client
        A Step Functions client.
    decision
        The decision.
    by
        Name of the verified caller.

    Raises
    ------
    botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
        If Step Functions fails.
    """
    output = {"approved": decision.approved, "by": by}
    if decision.comment:
        output["comment"] = decision.comment
    try:
        client.send_task_success(taskToken=decision.token, output=json.dumps(output))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_WAITING:
            raise
        return Answered(kind="not_waiting")
    return Answered(kind="answered")
