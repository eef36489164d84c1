"""What a report needs of each photo, and no more: there may be a hundred thousand."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scones.classes import NONE_OF_THE_CLASSES
from scones.event_metrics import upload_to_decision
from scones.events import Status
from scones.records import Record, Skipped, is_simulated, query_records
from scones_operator.aws.stack import Stack
from scones_operator.captures.files import TimeRange
from scones_operator.progress import ProgressCallback, ignore_progress, track
from scones_operator.report.ground_truth import GroundTruth

if TYPE_CHECKING:
    import boto3

NONE_OF_THE_CLASSES_TEXT = "none of the classes"
"""Shown where a person says that a photo shows none."""

STEPS = ("serialize", "classify", "threshold", "all steps", "upload to decision")
"""What takes time: the machine's steps, all of them, and the whole way as drivers have it."""


@dataclass(frozen=True, slots=True)
class ReportPhoto:
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
        The class that a person sees, or `NONE_OF_THE_CLASSES_TEXT`; None where nobody said.
    truth
        Its class, where the report is given it.
    """

    key: str
    version: str
    status: Status
    decided_at: datetime
    label: str | None
    confidence: float | None
    threshold: float | None
    familiarity: float | None
    familiarity_limit: float | None
    unfamiliar: bool
    reason: str | None
    message: str | None
    steps: tuple[float | None, ...]
    reviewed_label: str | None
    truth: str | None

    @property
    def label_shown(self) -> str | None:
        """The class by the report's truth, else by a reviewer; None if neither is known."""
        return self.truth or self.reviewed_label

    @property
    def simulated(self) -> bool:
        """Whether it was sent to try the application: no person is asked about it."""
        return is_simulated(self.key)

    @property
    def review_pending(self) -> bool:
        """Whether a person is yet to say what it shows."""
        return self.status == "needs_review" and not self.reviewed_label and not self.simulated


def read_photos(
    session: "boto3.Session",
    stack: Stack,
    time_range: TimeRange,
    truth: GroundTruth,
    skipped: Skipped,
    on_progress: ProgressCallback = ignore_progress,
) -> list[ReportPhoto]:
    """Read what was decided in a range of time, the earliest first.

    Parameters
    ----------
    session, stack
        Where.
    time_range
        The range.
    truth
        The classes that are known.
    skipped
        Gets the unreadable records.
    on_progress
        Told of each result that was read.
    """
    client = session.client("dynamodb")
    records = query_records(
        client, stack.results_table, skipped, since=time_range.since, until=time_range.until
    )
    photos = (_photo(record, truth) for record in track(records, "Results", on_progress))
    return sorted(photos, key=lambda photo: photo.decided_at)


def _photo(record: Record, truth: GroundTruth) -> ReportPhoto:
    decision, review = record.decision, record.effective_review
    photo, timings = decision.photo, decision.timings
    durations = (timings.serialize_ms, timings.classify_ms, timings.threshold_ms, timings.total_ms)
    return ReportPhoto(
        key=photo.key,
        version=record.version,
        status=decision.status,
        decided_at=timings.decided_at,
        label=decision.label,
        confidence=decision.confidence,
        threshold=decision.threshold,
        familiarity=decision.familiarity,
        familiarity_limit=decision.familiarity_limit,
        unfamiliar=decision.unfamiliar,
        reason=decision.reason.code if decision.reason else None,
        message=decision.reason.message if decision.reason else None,
        steps=(*durations, upload_to_decision(timings)),
        reviewed_label=(review.label or NONE_OF_THE_CLASSES_TEXT) if review else None,
        truth=_truth_label(truth.label(photo.bucket, photo.key, photo.version_id)),
    )


def _truth_label(truth: str | None) -> str | None:
    return NONE_OF_THE_CLASSES_TEXT if truth == NONE_OF_THE_CLASSES else truth
