"""A step of `promote`: whether the staging endpoint answers rightly and in time."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from scones.settings import SmokeTestSettings
from scones.smoke_test import READ_TIMEOUT_SECONDS, Request, smoke_test

logger = Logger()
settings = SmokeTestSettings.read(os.environ)
s3 = boto3.client(
    "s3", config=Config(connect_timeout=4, read_timeout=10, retries={"total_max_attempts": 2})
)
# As in `classify`, the state machine retries. A retry here would count as a slow answer.
sagemaker = boto3.client(
    "sagemaker-runtime",
    config=Config(
        connect_timeout=4, read_timeout=READ_TIMEOUT_SECONDS, retries={"total_max_attempts": 1}
    ),
)

MAX_MS_PER_PHOTO = 60_000
"""Time, in milliseconds, that a photo may take with the timeouts above."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Test the endpoint in the event; see `scones.smoke_test.smoke_test`."""
    request = Request.model_validate(event)

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > MAX_MS_PER_PHOTO

    result = smoke_test(s3, sagemaker, request, settings, has_time=has_time)
    logger.info("passed" if result.passed else "failed", extra={"smoke_test": result.model_dump()})
    return result.model_dump()
