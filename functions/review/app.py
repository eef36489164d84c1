"""Reviews of photos, by the caller who signed the request to the function's URL."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from scones.callers import caller_from_event, invalid_request_response, request_body
from scones.reviews import REQUEST, ReviewServices, respond
from scones.settings import ReviewSettings

logger = Logger()
services = ReviewServices(
    boto3.client("dynamodb"),
    boto3.client("s3"),
    boto3.client("events"),
    ReviewSettings.read(os.environ),
)

MAX_MS_PER_REVIEW = 30_000
"""Time, in milliseconds, that finishing one review may take: no other is begun with less."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Label, undo, or finish; see `scones.reviews.respond`."""
    caller = caller_from_event(event)
    try:
        request = REQUEST.validate_json(request_body(event))
    except ValidationError as error:
        return invalid_request_response(error)

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > MAX_MS_PER_REVIEW

    # First, so that the log has the caller also if the rest fails.
    logger.info("request", extra={"request": request.model_dump(), "caller": caller.arn})
    response = respond(services, request, caller, has_time)
    logger.info(response.kind)
    return response.model_dump(mode="json")
