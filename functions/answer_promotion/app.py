"""Decisions of approvers, by the caller who signed the request to the function's URL."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from pydantic import ValidationError

from scones.approvals import Decision, respond
from scones.callers import body_of, caller_of, invalid

logger = Logger()
# Within the function's timeout, repeated requests included.
stepfunctions = boto3.client(
    "stepfunctions",
    config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2}),
)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a promotion's approval request; see `scones.approvals.respond`."""
    caller = caller_of(event)
    try:
        decision = Decision.model_validate_json(body_of(event))
    except ValidationError as error:
        return invalid(error)
    # First, so that the log has the caller also if the rest fails.
    shown = decision.model_dump(exclude={"token"})
    logger.info("request", extra={"decision": shown, "caller": caller.arn})
    answer = respond(stepfunctions, decision, caller)
    logger.info(answer.kind)
    return answer.model_dump(mode="json")
