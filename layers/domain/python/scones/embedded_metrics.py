"""Measures written to the log, where CloudWatch finds them (embedded metric format)."""

from collections.abc import Iterable
from datetime import datetime

from aws_lambda_powertools.metrics import EphemeralMetrics

from scones.event_metrics import NAMESPACE, UNITS, Measures, dimension_value


def write(stack: str, measures: Iterable[Measures], at: datetime) -> None:
    """Print measures, a line for those of the same dimensions.

    Parameters
    ----------
    stack
        Name of the stack, the dimension that all have.
    measures
        What was measured.
    at
        When. CloudWatch takes no metric of more than two weeks ago.
    """
    for group in measures:
        # Without Powertools' own dimension, which it takes from the environment.
        metrics = EphemeralMetrics(namespace=NAMESPACE, service="")
        for name, value in {"Stack": dimension_value(stack), **group.dimensions}.items():
            metrics.add_dimension(name, value)
        metrics.set_timestamp(at)
        for name, measured in group.values.items():
            metrics.add_metric(name, UNITS[name], measured)
        metrics.flush_metrics()
