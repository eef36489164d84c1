"""Metrics that are embedded in log lines become CloudWatch's, as on AWS.

MiniStack keeps such lines as any others. The format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ministack.services import cloudwatch, cloudwatch_logs
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from scones_local.ministack.patching import wrap

_MEMBER = "CloudWatchMetrics"
_MAX_AGE_SECONDS = 14 * 24 * 3600
_MAX_AHEAD_SECONDS = 2 * 3600

_log = logging.getLogger("local.embedded_metrics")

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_VALUES: TypeAdapter[list[float]] = TypeAdapter(Annotated[list[_Number], Field(max_length=100)])
# Of CloudWatch's API: ASCII without control characters, and not only spaces.
_DIMENSION: TypeAdapter[str] = TypeAdapter(
    Annotated[str, Field(max_length=1024, pattern=r"\A[ -~]*[!-~][ -~]*\z")]
)


class _Metric(BaseModel):
    name: str = Field(alias="Name", min_length=1, max_length=1024)
    unit: str = Field(alias="Unit", default="None")
    resolution: Literal[1, 60] = Field(alias="StorageResolution", default=60)


class _Directive(BaseModel):
    namespace: str = Field(alias="Namespace", min_length=1, max_length=1024)
    dimensions: list[Annotated[list[str], Field(max_length=30)]] = Field(alias="Dimensions")
    metrics: list[_Metric] = Field(alias="Metrics", max_length=100)


class _Metadata(BaseModel):
    timestamp: int = Field(alias="Timestamp")
    directives: list[_Directive] = Field(alias="CloudWatchMetrics")


@dataclass(frozen=True)
class Datum:
    """Values of one metric with one set of dimensions.

    Attributes
    ----------
    namespace, name, unit
        As CloudWatch names them.
    dimensions
        Value by name.
    timestamp
        Seconds since 1970.
    values
        What was measured.
    """

    namespace: str
    name: str
    unit: str
    dimensions: dict[str, str]
    timestamp: float
    values: list[float]


def install() -> None:
    """Look into each line that comes into a log."""
    wrap(cloudwatch_logs, "_append_log_events", _with_metrics)


def parse_line(line: str) -> list[Datum]:
    """Read the metrics of a log line; none where it holds none.

    Parameters
    ----------
    line
        The whole message of a log event.

    Raises
    ------
    ValueError
        If the line says that it holds metrics, and breaks their format.
    """
    if _MEMBER not in line:
        return []
    try:
        document = json.loads(line)
    except ValueError:
        return []
    if not isinstance(document, dict) or _MEMBER not in (document.get("_aws") or {}):
        return []
    metadata = _Metadata.model_validate(document["_aws"])
    return [
        datum for directive in metadata.directives for datum in _data(document, metadata, directive)
    ]


def _data(document: dict[str, Any], metadata: _Metadata, directive: _Directive) -> Iterator[Datum]:
    for names in directive.dimensions:
        dimensions = {name: _DIMENSION.validate_python(document.get(name)) for name in names}
        for metric in directive.metrics:
            found = document.get(metric.name)
            yield Datum(
                directive.namespace,
                metric.name,
                metric.unit,
                dimensions,
                metadata.timestamp / 1000,
                _VALUES.validate_python(found if isinstance(found, list) else [found]),
            )


def _with_metrics(append: Callable[..., None]) -> Callable[..., None]:
    def run(stream: Any, events: list[dict[str, Any]]) -> None:
        append(stream, events)
        for event in events:
            _store_metrics(event["message"])

    return run


def _store_metrics(line: str) -> None:
    try:
        data = parse_line(line)
    except (ValidationError, ValueError) as error:
        # As on AWS, nothing of such a line is kept; there a metric of AWS/Logs counts it.
        _log.warning("embedded metrics are not taken: %s: %.500s", error, line)
        return
    for datum in data:
        if -_MAX_AHEAD_SECONDS <= time.time() - datum.timestamp <= _MAX_AGE_SECONDS:
            cloudwatch._store_datum(
                datum.namespace,
                datum.name,
                datum.dimensions,
                datum.timestamp,
                datum.unit,
                None,
                datum.values,
                None,
                None,
            )
        else:
            _log.warning("%s of too long ago, or of the future, is not taken", datum.name)
