"""What is measured of each event of the bus: values, their units and their dimensions."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from scones.events import (
    DriftChecked,
    PhotoDecided,
    PhotoReviewed,
    PromotionEnded,
    RetrainingEnded,
    Timings,
)
from scones.records import is_simulated

NAMESPACE = "Scones"

METRIC_UNITS: Mapping[str, str] = {
    "Photos": "Count",
    "SimulatedPhotos": "Count",
    "Failed": "Count",
    "BelowThreshold": "Count",
    "Unfamiliar": "Count",
    "Confidence": "None",
    "Threshold": "None",
    "Familiarity": "None",
    "SerializeLatency": "Milliseconds",
    "ClassifyLatency": "Milliseconds",
    "ThresholdLatency": "Milliseconds",
    "TotalLatency": "Milliseconds",
    "UploadToDecision": "Milliseconds",
    "Reviewed": "Count",
    "ModelRight": "Count",
    "Withdrawn": "Count",
    "Retrainings": "Count",
    "Promotions": "Count",
    "DriftChecks": "Count",
    "Shifted": "Count",
    "ConfidenceDrift": "None",
    "LabelDrift": "None",
    "FamiliarityDrift": "None",
}
"""All metrics, with CloudWatch's name for their unit. Those that are 0 or 1 have an average that is
a rate: of `Failed`, `BelowThreshold`, `Unfamiliar`, `ModelRight` and `Shifted`."""

MAX_VALUE_LENGTH = 1024
"""Characters of a dimension's value, by CloudWatch's API."""

_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


@dataclass(frozen=True)
class MetricSet:
    """Values that have the same dimensions.

    Attributes
    ----------
    values
        By name, one of `METRIC_UNITS`.
    dimensions
        Beside that of the stack, which all have.
    """

    values: Mapping[str, float]
    dimensions: Mapping[str, str] = field(default_factory=dict)


class BusEvent(BaseModel):
    """An event as EventBridge delivers it.

    Attributes
    ----------
    detail_type
        Which one of docs/events.md.
    time
        When it was published.
    detail
        Its detail.
    """

    model_config = ConfigDict(frozen=True)

    detail_type: str = Field(alias="detail-type")
    time: datetime
    detail: dict[str, Any]


class UnknownEventError(Exception):
    """There is nothing to measure of events of this kind; the message names it."""


def metrics_for_event(event: BusEvent) -> list[MetricSet]:
    """Tell what is measured of an event.

    An event that is delivered twice is measured twice: there is nothing that remembers it.

    Raises
    ------
    UnknownEventError
        If it is of another kind than those of docs/events.md.
    pydantic.ValidationError
        If its detail is not as its schema says.
    """
    try:
        metrics = _METRICS_BY_DETAIL_TYPE[event.detail_type]
    except KeyError:
        raise UnknownEventError(
            f"nothing is measured of events of detail-type {event.detail_type!r}, only of "
            f"{', '.join(_METRICS_BY_DETAIL_TYPE)}: look at the pattern of the rule that "
            "starts this function"
        ) from None
    return list(metrics(event.detail))


def dimension_value(name: str) -> str:
    """Write a name as CloudWatch takes it: of printable ASCII, up to `MAX_VALUE_LENGTH` characters.

    Other characters are percent-encoded, as is the percent sign, so that names that differ stay
    different; of what is too long the end gives way to a digest.

    Examples
    --------
    >>> dimension_value("cargo bike"), dimension_value("Vélo")
    ('cargo bike', 'V%C3%A9lo')
    """
    value = quote(name, safe=_PRINTABLE) if name.strip() else quote(name, safe="")
    if len(value) <= MAX_VALUE_LENGTH:
        return value
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{value[: MAX_VALUE_LENGTH - len(digest) - 1]}~{digest}"


def upload_to_decision(timings: Timings) -> float:
    """Return how long a photo's uploader waited for the decision, in milliseconds."""
    duration = (timings.decided_at - timings.uploaded_at).total_seconds() * 1000
    # S3 tells the second of an upload, the machine the millisecond of a decision.
    return max(duration, 0.0)


def _decision_metrics(detail: Mapping[str, Any]) -> Iterator[MetricSet]:
    decided = PhotoDecided.model_validate(detail)
    if is_simulated(decided.photo.key):
        # No alarm is for what `scones simulate` sends.
        yield MetricSet({"SimulatedPhotos": 1}, {"Status": decided.status})
        return
    timings = decided.timings
    values = {
        "Photos": 1,
        "Failed": decided.status == "failed",
        "SerializeLatency": timings.serialize_ms,
        "ClassifyLatency": timings.classify_ms,
        "ThresholdLatency": timings.threshold_ms,
        "TotalLatency": timings.total_ms,
        "UploadToDecision": upload_to_decision(timings),
    }
    prediction: dict[str, float | None] = {}
    if decided.label is not None:
        prediction = {
            "Confidence": decided.confidence,
            "BelowThreshold": _below(decided.confidence, decided.threshold),
        }
        label = {"Label": dimension_value(decided.label)}
        yield MetricSet(_known({"Photos": 1, **prediction}), label)
    limits = {
        "Threshold": decided.threshold,
        "Familiarity": decided.familiarity,
        "Unfamiliar": _below(decided.familiarity, decided.familiarity_limit),
    }
    yield MetricSet(_known({**values, **prediction, **limits}))
    yield MetricSet({"Photos": 1}, {"Status": decided.status})


def _review_metrics(detail: Mapping[str, Any]) -> Iterator[MetricSet]:
    review = PhotoReviewed.model_validate(detail)
    if review.reviewed_version:
        return  # the event of that version was counted
    if review.outcome == "withdrawn":
        yield MetricSet({"Withdrawn": 1})
    else:
        yield MetricSet({"Reviewed": 1, "ModelRight": float(review.label == review.guess)})


def _retraining_metrics(detail: Mapping[str, Any]) -> Iterator[MetricSet]:
    ended = RetrainingEnded.model_validate(detail)
    yield MetricSet({"Retrainings": 1}, {"Outcome": ended.outcome})


def _promotion_metrics(detail: Mapping[str, Any]) -> Iterator[MetricSet]:
    ended = PromotionEnded.model_validate(detail)
    yield MetricSet({"Promotions": 1}, {"Outcome": ended.outcome})


def _drift_metrics(detail: Mapping[str, Any]) -> Iterator[MetricSet]:
    checked = DriftChecked.model_validate(detail)
    yield MetricSet({"DriftChecks": 1}, {"Outcome": checked.outcome})
    if checked.confidence and checked.labels:
        values = {
            "Shifted": checked.outcome == "shifted",
            "ConfidenceDrift": checked.confidence.index,
            "LabelDrift": checked.labels.index,
            "FamiliarityDrift": checked.familiarity.index if checked.familiarity else None,
        }
        yield MetricSet(_known(values))


def _below(value: float | None, limit: float | None) -> float | None:
    """Return 1 if a value is below its limit, 0 if it is not, or None if either is unknown."""
    return None if value is None or limit is None else float(value < limit)


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


_METRICS_BY_DETAIL_TYPE: Mapping[str, Callable[[Mapping[str, Any]], Iterator[MetricSet]]] = {
    "Photo Decided": _decision_metrics,
    "Photo Reviewed": _review_metrics,
    "Retraining Ended": _retraining_metrics,
    "Promotion Ended": _promotion_metrics,
    "Drift Checked": _drift_metrics,
}
