"""Before `classify` notifies reviewers: use the review of another version, if there is one."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from scones.reviews import ReviewStore, join
from scones.serialize import PhotoReference
from scones.settings import JoinReviewsSettings

logger = Logger()
store = ReviewStore(
    boto3.client("dynamodb"), boto3.client("events"), JoinReviewsSettings.read(os.environ)
)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Answer the photo that the event names; see `scones.reviews.join`."""
    photo = PhotoReference.model_validate(event)
    outcome = join(store, photo)
    logger.info(outcome, extra={"photo": photo.model_dump()})
    return {"outcome": outcome}
