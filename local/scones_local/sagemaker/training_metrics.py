"""Metrics of a training job, read from the lines of its log."""

import re
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.protocol import validation_error

_BUILTIN_IMAGE = [
    {"Name": "train:accuracy", "Regex": r"Epoch\S* Train-accuracy=(\S*)"},
    {"Name": "validation:accuracy", "Regex": r"Epoch\S* Validation-accuracy=(\S*)"},
]
"""What AWS reads from the log of its image-classification image."""

_XGBOOST_METRICS = (
    "auc",
    "aucpr",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "logloss",
    "mae",
    "map",
    "mape",
    "merror",
    "mlogloss",
    "ndcg",
    "poisson-nloglik",
    "rmse",
    "rmsle",
)
_XGBOOST_IMAGE = [
    {
        "Name": f"{channel}:{metric}",
        "Regex": rf".*\[[0-9]+\].*#011{channel}-{metric}:(\S+?)(?:#011.*)?$",
    }
    for channel in ("train", "validation")
    for metric in _XGBOOST_METRICS
]
"""What AWS reads from the log of its XGBoost image, as far as the package XGBoost has it."""


def metric_definitions(specification: dict[str, Any]) -> list[dict[str, str]]:
    """Return the metric definitions of an ``AlgorithmSpecification``.

    AWS's own images have their own, whatever the job says.
    """
    image = specification.get("TrainingImage", "")
    if "/image-classification:" in image:
        return _BUILTIN_IMAGE
    if "/sagemaker-xgboost:" in image:
        return _XGBOOST_IMAGE
    configured: list[dict[str, str]] = specification.get("MetricDefinitions", [])
    return configured


class Metrics:
    """The last value of each metric; raises ServiceError for a regex that is none."""

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        self._patterns = [(d["Name"], _pattern(d)) for d in definitions]
        self._last: dict[str, dict[str, Any]] = {}

    def read(self, line: str) -> None:
        """Take the metrics of one line."""
        for name, pattern in self._patterns:
            match = pattern.search(line)
            value = _number(match[1]) if match and match.groups() else None
            if value is not None:
                last = {"MetricName": name, "Value": value, "Timestamp": datetime.now(UTC)}
                self._last[name] = last

    def final(self) -> list[dict[str, Any]]:
        """Return what ``FinalMetricDataList`` holds."""
        return list(self._last.values())


def _pattern(definition: dict[str, str]) -> re.Pattern[str]:
    try:
        return re.compile(definition["Regex"])
    except re.error as error:
        raise validation_error(
            f"The regex of metric {definition['Name']} is invalid: {error}."
        ) from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
