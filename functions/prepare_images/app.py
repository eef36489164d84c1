"""A step of `retrain`: held-out photos become the images that models are judged on."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

import scones.photos.preparation  # noqa: F401  load the decoders while the function starts
from scones.prepared_images import THREADS, ImageBatch, prepare_images
from scones.settings import PrepareImagesSettings

logger = Logger()
settings = PrepareImagesSettings.read(os.environ)
s3 = boto3.client("s3", config=Config(max_pool_connections=THREADS))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Prepare the batch in the event; see `scones.prepared_images.prepare_images`."""
    batch = ImageBatch.model_validate(event)
    prepared = prepare_images(s3, settings.data_bucket, batch, settings.image_shape)
    logger.info("prepared", extra={"batch": batch.model_dump(), "pictures": prepared.model_dump()})
    return prepared.model_dump()
