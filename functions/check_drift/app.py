"""Whether what production decides is still like the model's own evaluation."""

import os
from datetime import UTC, datetime
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from scones.drift import Clients, Request, check_drift, publish
from scones.settings import CheckDriftSettings

logger = Logger()
settings = CheckDriftSettings.read(os.environ)
clients = Clients(
    sagemaker=boto3.client("sagemaker"),
    s3=boto3.client("s3"),
    dynamodb=boto3.client("dynamodb"),
)
events = boto3.client("events")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check, tell the bus, and answer what it was told; see `scones.drift.check_drift`."""
    request = Request.model_validate(event)
    result = check_drift(clients, settings, request, datetime.now(UTC))
    publish(events, settings.event_bus, result)
    logger.info(result.outcome, extra={"drift": result.model_dump(mode="json")})
    return result.model_dump(mode="json")
