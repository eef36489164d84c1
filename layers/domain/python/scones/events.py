"""The schema of the events that Scones publishes, for those who consume them."""

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from scones.serialize import PhotoReference, Reason

Status = Literal["classified", "needs_review", "rejected", "failed"]
Probability = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0)]


class _Detail(BaseModel):
    model_config = ConfigDict(frozen=True)


class Model(_Detail):
    """What answered: a SageMaker endpoint and one of its production variants."""

    endpoint: str
    variant: str


class Timings(_Detail):
    """When things happened (UTC) and how long they took (milliseconds, retries included).

    A step that was not reached has no duration.
    """

    uploaded_at: datetime
    started_at: datetime
    decided_at: datetime
    serialize_ms: Milliseconds | None
    classify_ms: Milliseconds | None
    threshold_ms: Milliseconds | None
    total_ms: Milliseconds


class PhotoDecided(_Detail):
    """Detail of a "Photo Decided" event, version 1.

    Attributes
    ----------
    version
        Version of this schema. A field may be added within a version; nothing else changes.
    status
        ``classified``: decided by the model. ``needs_review``: the model is not sure enough, a
        person will say. ``rejected``: no usable photo, `reason` says why. ``failed``: we could
        not decide, `reason` says why; the photo may be decided later by another event.
    photo
        The version of the S3 object that was decided.
    label, confidence
        The most likely class and its probability; null where the photo was not classified.
    probabilities
        By class name, all of them; null where the photo was not classified.
    threshold
        The confidence from which on the model decides; null where the photo was not classified.
    loading_bay
        Where the vehicle goes; null where its class has none.
    reason
        Code and message of a rejection or failure, else null.
    model
        What answered; null where the photo did not reach it.
    timings
        When and how long.
    execution
        ARN of the execution that decided.
    """

    version: Literal["1"]
    status: Status
    photo: PhotoReference
    label: str | None
    confidence: Probability | None
    probabilities: dict[str, Probability] | None
    threshold: Probability | None
    loading_bay: str | None
    reason: Reason | None
    model: Model | None
    timings: Timings
    execution: str


def _print_schema() -> None:
    print(json.dumps(PhotoDecided.model_json_schema(), indent=2))


if __name__ == "__main__":
    _print_schema()
