"""Decisions of approvers, by the caller who signed the request to the function's URL."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from scones.approvals import Decision, respond
from scones.callers import body_of, caller_of, invalid

logger = Logger()
stepfunctions = boto3.client("stepfunctions")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a promotion's approval request; see `scones.approvals.respond`."""
    caller = caller_of(event)
    try:
        decision = Decision.model_validate_json(body_of(event))
    except ValidationError as error:
        return invalid(error)
    answer = respond(stepfunctions, decision, caller.name)
    told = decision.model_dump(exclude={"token"})
    logger.info(answer.kind, extra={"decision": told, "caller": caller.arn})
    return answer.model_dump(mode="json")
