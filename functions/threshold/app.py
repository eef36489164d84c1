"""Step 3 of `classify`: decide, or leave the photo to a person."""

import os
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.typing import LambdaContext

from scones.decisions import apply_threshold, parse_familiarity_limit, parse_threshold
from scones.settings import ThresholdSettings

MAX_AGE_SECONDS = 60
"""Maximum age of a cached limit."""

NOT_SET = ""
"""Cached for a parameter that does not exist. SSM has no empty values."""


class LimitsProvider(SSMProvider):
    """Reads parameters, and caches for a missing one that it is missing."""

    def _get(self, name: str, *args: Any, **options: Any) -> str:
        try:
            return super()._get(name, *args, **options)
        except self.client.exceptions.ParameterNotFound:
            return NOT_SET


logger = Logger()
settings = ThresholdSettings.read(os.environ)
parameters = LimitsProvider()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Decide on the prediction in the event; see `scones.decisions.apply_threshold`."""
    threshold = parse_threshold(_read(settings.threshold_parameter) or settings.threshold)
    # Executions that started before familiarity was introduced send none.
    familiarity, limit = event.get("familiarity"), None
    if familiarity is not None:
        limit = parse_familiarity_limit(
            _read(settings.familiarity_limit_parameter) or settings.familiarity_limit
        )
    decision = apply_threshold(
        event["probabilities"],
        settings.class_names,
        settings.loading_bays,
        threshold,
        familiarity,
        limit,
        thresholds_by_class=settings.thresholds_by_class,
    )
    logger.info("decided", extra={"decision": asdict(decision)})
    return asdict(decision)


def _read(parameter: str) -> str:
    """Return what operators set, or an empty string."""
    return str(parameters.get(parameter, max_age=MAX_AGE_SECONDS))
