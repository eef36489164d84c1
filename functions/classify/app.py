"""Step 2 of `classify`: the endpoint's class probabilities and familiarity for the picture."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from scones.endpoint import predict
from scones.serialize import IdentifiedImage
from scones.settings import ClassifySettings

logger = Logger()
settings = ClassifySettings.read(os.environ)
# Who retries is the state machine, which waits in between. No model of pictures needs the 60 s that
# an endpoint may take, and the machine has 5 minutes for everything.
sagemaker = boto3.client(
    "sagemaker-runtime",
    config=Config(connect_timeout=4, read_timeout=18, retries={"total_max_attempts": 1}),
)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Classify the picture in the event; see `scones.endpoint.predict`."""
    image = IdentifiedImage.model_validate(event)
    prediction = predict(
        sagemaker,
        settings.endpoint_name,
        image.decoded(),
        image.content_type,
        len(settings.class_names),
        image.inference_id,
    )
    logger.info("classified", extra={"prediction": prediction.model_dump()})
    return prediction.model_dump(mode="json")
