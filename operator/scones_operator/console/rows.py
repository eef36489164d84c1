"""Records as the page shows them."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from scones.events import Status
from scones.records import Record, Review
from scones.serialize import Reason
from scones_operator.escaping import escape
from scones_operator.photos.results import State, state_of

MAX_RESULTS = 5000
"""The most results that a page is told of at once; of more, the latest."""


class PhotoRow(BaseModel):
    """What the page knows of one version of a photo; moments are UTC.

    Attributes
    ----------
    photo, version
        Which, as the table's key has it.
    key
        Of the object in the photos bucket, escaped to be shown.
    state
        Status of the photo with its review.
    endpoint
        Endpoint that answered, or None if the photo did not reach one.
    familiarity, familiarity_limit
        How like the training photos it is, and below what a photo is unfamiliar; null without.
    unfamiliar
        Whether it needs review because it does not resemble the training photos.
    loading_bay
        Where the vehicle goes, as far as is known now.
    started_at, at
        When its execution started, and when it was decided.
    review
        The review, or None if there is none or it is being undone.
    """

    photo: str
    version: str
    key: str
    status: Status
    state: State
    endpoint: str | None
    label: str | None
    confidence: float | None
    probabilities: dict[str, float] | None
    threshold: float | None
    familiarity: float | None
    familiarity_limit: float | None
    unfamiliar: bool
    loading_bay: str | None
    reason: Reason | None
    started_at: datetime
    decided_at: datetime
    uploaded_at: datetime
    total_ms: float
    review: Review | None


def to_photo_row(record: Record, bays: Mapping[str, str]) -> PhotoRow:
    """Leave out of a record what the page does not show.

    Parameters
    ----------
    record
        The record.
    bays
        The loading bay of each class: what a person said counts more than the model's guess.
    """
    decision, review = record.decision, record.effective_review
    return PhotoRow(
        photo=record.photo,
        version=record.version,
        key=escape(decision.photo.key),
        status=decision.status,
        state=state_of(record),
        endpoint=decision.model.endpoint if decision.model else None,
        label=decision.label,
        confidence=decision.confidence,
        probabilities=decision.probabilities,
        threshold=decision.threshold,
        familiarity=decision.familiarity,
        familiarity_limit=decision.familiarity_limit,
        unfamiliar=decision.unfamiliar,
        loading_bay=record.effective_bay(bays),
        reason=_escaped(decision.reason),
        started_at=decision.timings.started_at,
        decided_at=decision.timings.decided_at,
        uploaded_at=decision.timings.uploaded_at,
        total_ms=decision.timings.total_ms,
        review=review
        and review.model_copy(update={"by": escape(review.by), "arn": None, "user_id": None}),
    )


def _escaped(reason: Reason | None) -> Reason | None:
    return reason and reason.model_copy(update={"message": escape(reason.message)})
