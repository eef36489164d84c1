"""Measures written to the log, where CloudWatch finds them (embedded metric format)."""

from collections.abc import Iterable
from datetime import datetime

from aws_lambda_powertools.metrics import EphemeralMetrics

from scones.event_metrics import METRIC_UNITS, NAMESPACE, MetricSet, dimension_value


def emit(stack: str, metric_sets: Iterable[MetricSet], time: datetime) -> None:
    """Print measures, a line for those of the same dimensions.

    Parameters
    ----------
    stack
        Name of the stack, the dimension that all have.
    metric_sets
        What was measured.
    time
        When. CloudWatch takes no metric of more than two weeks ago.
    """
    for group in metric_sets:
        # Without Powertools' own dimension, which it takes from the environment.
        metrics = EphemeralMetrics(namespace=NAMESPACE, service="")
        for name, value in {"Stack": dimension_value(stack), **group.dimensions}.items():
            metrics.add_dimension(name, value)
        metrics.set_timestamp(time)
        for name, values in group.values.items():
            metrics.add_metric(name, METRIC_UNITS[name], values)
        metrics.flush_metrics()
