"""Step 3 of `classify`: decide, or leave the photo to a person."""

import os
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.typing import LambdaContext

from scones.decisions import decide, parse_threshold
from scones.settings import ThresholdSettings

THRESHOLD_MAX_AGE_SECONDS = 60

logger = Logger()
settings = ThresholdSettings.read(os.environ)
parameters = SSMProvider()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Decide on the probabilities in the event; see `scones.decisions.decide`."""
    text = parameters.get(settings.threshold_parameter, max_age=THRESHOLD_MAX_AGE_SECONDS)
    threshold = parse_threshold(str(text))
    decision = decide(
        event["probabilities"], settings.class_names, settings.loading_bays, threshold
    )
    logger.info("decided", extra={"decision": asdict(decision)})
    return asdict(decision)
