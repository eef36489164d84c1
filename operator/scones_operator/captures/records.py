"""One captured request and its answer, as SageMaker's data capture writes them.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scones.decisions import top_class

_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""SageMaker's ids are UUIDs. Files are named after them, so that nothing else may be in them."""


class InvalidCaptureError(ValueError):
    """It is no record of data capture, or its payload is damaged; the message says how."""


@dataclass(frozen=True)
class CaptureRecord:
    """A request to an endpoint, and what it answered.

    Attributes
    ----------
    event_id
        SageMaker's id of the record.
    at
        When it was asked (UTC), to the second.
    content_type
        Of the request, such as ``image/png``; None where it had none.
    picture
        The request's body; None where requests are not captured.
    probabilities
        One per class, 0 to 1, in the order of the class indices; None where answers are not
        captured, or the endpoint answered something else.
    endpoint, variant
        Who answered; empty where the file's path does not tell.
    inference_id
        ID that the request named, for photos `scones.records.inference_id`, or None if it had none.
    """

    event_id: str
    requested_at: datetime
    content_type: str | None
    image: bytes | None = field(repr=False)
    probabilities: tuple[float, ...] | None
    endpoint: str = ""
    variant: str = ""
    inference_id: str | None = None

    @property
    def top_class(self) -> tuple[int, float] | None:
        """Index and probability of the most likely class, None where there is none."""
        return top_class(self.probabilities) if self.probabilities else None


def parse_record(document: Any, endpoint: str = "", variant: str = "") -> CaptureRecord:
    """Read one record from its JSON.

    Parameters
    ----------
    document
        The parsed JSON value.
    endpoint, variant
        Who answered: a record does not say it, the path of its file does.

    Raises
    ------
    UnreadableRecord
        If it is something else, or its payload is damaged.
    """
    parts = _member(document, "captureData")
    metadata = _member(document, "eventMetadata")
    request, response = parts.get("endpointInput"), parts.get("endpointOutput")
    return CaptureRecord(
        event_id=_event_id(metadata),
        requested_at=_parse_time(_text(metadata, "inferenceTime")),
        content_type=_content_type(request),
        image=None if request is None else _payload(request),
        probabilities=None if response is None else _probabilities(_payload(response)),
        endpoint=endpoint,
        variant=variant,
        inference_id=_optional_text(metadata, "inferenceId"),
    )


def _member(document: Any, name: str) -> Mapping[str, Any]:
    value = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(value, Mapping):
        raise InvalidCaptureError(f"not a record of data capture: it has no {name}")
    return value


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise InvalidCaptureError(f"it has no {name}")
    return value


def _optional_text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _event_id(metadata: Mapping[str, Any]) -> str:
    value = _text(metadata, "eventId")
    if not _ID.fullmatch(value):
        raise InvalidCaptureError(f"its eventId {value[:40]!r} is not valid")
    return value


def _content_type(part: Any) -> str | None:
    found = part.get("observedContentType") if isinstance(part, Mapping) else None
    return found if isinstance(found, str) else None


def _parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidCaptureError(f"its inferenceTime {text[:40]!r} is not a time") from None


def _payload(part: Any) -> bytes:
    """Return what was sent, whatever it was written as: BASE64, JSON or CSV."""
    if not isinstance(part, Mapping):
        raise InvalidCaptureError("its payload is not a JSON object")
    data = _text(part, "data")
    if part.get("encoding") != "BASE64":
        return data.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCaptureError(f"its payload is not base64: {error}") from None


def _probabilities(answer: bytes) -> tuple[float, ...] | None:
    """Read an answer: a JSON list, ``{"prediction": [...]}``, or numbers with commas between."""
    try:
        text = answer.decode("utf-8")
        value = json.loads(text) if text.lstrip()[:1] in ("[", "{") else _numbers(text)
    except (ValueError, RecursionError):
        return None
    values = value.get("prediction") if isinstance(value, dict) else value
    if not isinstance(values, Sequence) or not values or not all(map(_is_probability, values)):
        return None
    return tuple(float(value) for value in values)


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
