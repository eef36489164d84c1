"""Decisions of approvers, by the caller who signed the request to the function's URL."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from pydantic import ValidationError

from scones.approvals import Decision, respond
from scones.callers import caller_from_event, invalid_request_response, request_body

logger = Logger()
# Within the function's timeout, repeated requests included.
stepfunctions = boto3.client(
    "stepfunctions",
    config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2}),
)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a promotion's approval request; see `scones.approvals.respond`."""
    caller = caller_from_event(event)
    try:
        decision = Decision.model_validate_json(request_body(event))
    except ValidationError as error:
        return invalid_request_response(error)
    # First, so that the log has the caller also if the rest fails.
    loggable = decision.model_dump(exclude={"token"})
    logger.info("request", extra={"decision": loggable, "caller": caller.arn})
    response = respond(stepfunctions, decision, caller)
    logger.info(response.kind)
    return response.model_dump(mode="json")
