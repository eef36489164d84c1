"""Makes metrics of the events on the bus."""

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from scones import embedded_metrics
from scones.event_metrics import BusEvent, metrics_for_event
from scones.settings import EmitMetricsSettings

logger = Logger()
settings = EmitMetricsSettings.read(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Measure the event; see `scones.event_metrics.metrics_for_event`."""
    bus_event = BusEvent.model_validate(event)
    embedded_metrics.emit(settings.stack, metrics_for_event(bus_event), bus_event.time)
