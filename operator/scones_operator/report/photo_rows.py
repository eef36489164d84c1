"""What a report needs of each photo, and no more: there may be a hundred thousand."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scones.classes import NONE_OF_THE_CLASSES
from scones.event_metrics import upload_to_decision
from scones.events import Status
from scones.records import Record, Skipped, is_simulated, read_decided
from scones_operator.aws.stack import Stack
from scones_operator.captures.files import Span
from scones_operator.item_progress import Tell, silence
from scones_operator.report.ground_truth import Truth
from scones_operator.report.telling import told

if TYPE_CHECKING:
    import boto3

NOT_A_VEHICLE = "none of the classes"
"""Shown where a person says that a photo shows none."""

STEPS = ("serialize", "classify", "threshold", "all steps", "upload to decision")
"""What takes time: the machine's steps, all of them, and the whole way as drivers have it."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A version of a photo that was decided.

    Attributes
    ----------
    key, version
        Key and version of the S3 object; the entity tag in a bucket without versioning.
    status, at
        How it ended, and when (UTC).
    label, confidence, threshold
        What the model takes for likeliest, and what it was held against; None where the model was
        not asked.
    familiarity, familiarity_limit
        How like the training photos it is and what that was held against; None if the model gives
        no familiarity, and where it was not asked.
    reason, message
        Why it was rejected or has failed, or that it is unfamiliar.
    unfamiliar
        Whether it needs review because it does not resemble the training photos.
    steps
        Milliseconds of each of `STEPS`; None where it was not reached.
    said
        The class that a person sees, or `NOT_A_VEHICLE`; None where nobody said.
    truth
        Its class, where the report is given it.
    """

    key: str
    version: str
    status: Status
    at: datetime
    label: str | None
    confidence: float | None
    threshold: float | None
    familiarity: float | None
    familiarity_limit: float | None
    unfamiliar: bool
    reason: str | None
    message: str | None
    steps: tuple[float | None, ...]
    said: str | None
    truth: str | None

    @property
    def shows(self) -> str | None:
        """The class by the report's truth, else by a reviewer; None if neither is known."""
        return self.truth or self.said

    @property
    def simulated(self) -> bool:
        """Whether it was sent to try the application: no person is asked about it."""
        return is_simulated(self.key)

    @property
    def waiting(self) -> bool:
        """Whether a person is yet to say what it shows."""
        return self.status == "needs_review" and not self.said and not self.simulated


def read_photos(
    session: "boto3.Session",
    stack: Stack,
    span: Span,
    truth: Truth,
    skipped: Skipped,
    tell: Tell = silence,
) -> list[Photo]:
    """Read what was decided in a range of time, the earliest first.

    Parameters
    ----------
    session, stack
        Where.
    span
        The range.
    truth
        The classes that are known.
    skipped
        Gets the unreadable records.
    tell
        Told of each result that was read.
    """
    client = session.client("dynamodb")
    found = read_decided(client, stack.results_table, skipped, since=span.since, until=span.until)
    photos = (_photo(record, truth) for record in told(found, "Results", tell))
    return sorted(photos, key=lambda photo: photo.at)


def _photo(record: Record, truth: Truth) -> Photo:
    decided, review = record.decided, record.effective_review
    photo, timings = decided.photo, decided.timings
    taken = (timings.serialize_ms, timings.classify_ms, timings.threshold_ms, timings.total_ms)
    return Photo(
        key=photo.key,
        version=record.version,
        status=decided.status,
        at=timings.decided_at,
        label=decided.label,
        confidence=decided.confidence,
        threshold=decided.threshold,
        familiarity=decided.familiarity,
        familiarity_limit=decided.familiarity_limit,
        unfamiliar=decided.unfamiliar,
        reason=decided.reason.code if decided.reason else None,
        message=decided.reason.message if decided.reason else None,
        steps=(*taken, upload_to_decision(timings)),
        said=(review.label or NOT_A_VEHICLE) if review else None,
        truth=_class_shown(truth.of(photo.bucket, photo.key, photo.version_id)),
    )


def _class_shown(truth: str | None) -> str | None:
    return NOT_A_VEHICLE if truth == NONE_OF_THE_CLASSES else truth
