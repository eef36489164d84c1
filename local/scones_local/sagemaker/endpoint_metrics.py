"""CloudWatch metrics of endpoints, collected in memory and sent in batches.

Names, units and dimensions:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import threading
from collections import Counter, defaultdict
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from scones_local.sagemaker.platform import Platform, log

FLUSH_SECONDS = 1.0

_UNITS = {
    "Invocations": "None",
    "Invocation4XXErrors": "None",
    "Invocation5XXErrors": "None",
    "ModelLatency": "Microseconds",
}
_MAX_VALUES = 150  # of one datum, by the API's limit

Key = tuple[str, str, str]  # endpoint, variant, metric


class EndpointMetrics:
    """Counts what endpoints answer."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._values: defaultdict[Key, Counter[float]] = defaultdict(Counter)
        self._lock = threading.Lock()
        platform.background("endpoint metrics", self._send_periodically)

    def count(self, endpoint: str, variant: str, status: int, microseconds: int | None) -> None:
        """Count one invocation with its HTTP status and the time its container took."""
        values: dict[str, float] = {
            "Invocations": 1,
            "Invocation4XXErrors": int(400 <= status < 500),
            "Invocation5XXErrors": int(status >= 500),
        }
        if microseconds is not None:
            values["ModelLatency"] = microseconds
        with self._lock:
            for metric, value in values.items():
                self._values[endpoint, variant, metric][value] += 1

    def send(self) -> None:
        """Send what was counted since the last time."""
        with self._lock:
            values, self._values = self._values, defaultdict(Counter)
        data = [datum for key, counts in values.items() for datum in _data(key, counts)]
        for start in range(0, len(data), 500):
            try:
                self._cloudwatch.put_metric_data(
                    Namespace="AWS/SageMaker", MetricData=data[start : start + 500]
                )
            except Exception as error:
                log.warning("metrics of endpoints were not taken: %s", error)

    @cached_property
    def _cloudwatch(self) -> Any:
        return self._platform.client("cloudwatch", None)

    def _send_periodically(self) -> None:
        while not self._platform.stopping.wait(FLUSH_SECONDS):
            self.send()


def _data(key: Key, counts: Counter[float]) -> list[dict[str, Any]]:
    endpoint, variant, metric = key
    now = datetime.now(UTC)
    values = list(counts)
    return [
        {
            "MetricName": metric,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": variant},
            ],
            "Timestamp": now,
            "Unit": _UNITS[metric],
            "Values": values[start : start + _MAX_VALUES],
            "Counts": [counts[value] for value in values[start : start + _MAX_VALUES]],
        }
        for start in range(0, len(values), _MAX_VALUES)
    ]
