"""Makes metrics of the events on the bus."""

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from scones import embedded_metrics
from scones.event_metrics import Event, measures_of
from scones.settings import MeasureSettings

logger = Logger()
settings = MeasureSettings.read(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Measure the event; see `scones.event_metrics.measures_of`."""
    published = Event.model_validate(event)
    embedded_metrics.write(settings.stack, measures_of(published), published.time)
