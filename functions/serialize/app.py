"""Step 1 of `classify`: the photo in S3 becomes the picture that the model takes."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

import scones.photos.preparation  # noqa: F401  load the decoders while the function starts
from scones.serialize import PhotoReference, serialize
from scones.settings import SerializeSettings

logger = Logger()
settings = SerializeSettings.read(os.environ)
s3 = boto3.client("s3")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serialize the photo that the event names; see `scones.serialize.serialize`."""
    photo = PhotoReference.model_validate(event)
    result = serialize(s3, photo, settings.image_shape, settings.max_photo_bytes)
    logger.info(result.outcome, extra={"photo": photo.model_dump()})
    return result.model_dump()
