"""Photos and reports, for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from scones_operator.captures.files import TimeRange
from scones_operator.models.registry import ModelVersion, ProductionModel
from scones_operator.report.captured_images import CapturedImage, CapturedImages
from scones_operator.report.photo_rows import ReportPhoto
from scones_operator.report.render import Report

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
CLASSES = ("bicycle", "motorcycle")
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs="

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/scones/4"


UNFAMILIAR: dict[str, Any] = {
    "status": "needs_review",
    "familiarity": 0.012346,
    "unfamiliar": True,
    "reason": "unfamiliar",
    "message": "the photo does not resemble the training photos",
}
"""Changes of a photo that needs review though the model is sure."""


def photo(
    label: str | None = "bicycle", confidence: float = 0.98, minutes: float = 0, **changes: Any
) -> ReportPhoto:
    """Return a photo that the model answered; without a label one that was rejected."""
    sure = confidence >= 0.93
    values: dict[str, Any] = {
        "key": "incoming/7.png",
        "version": "v1",
        "status": "classified" if sure else "needs_review",
        "decided_at": NINE + timedelta(minutes=minutes),
        "label": label,
        "confidence": confidence,
        "threshold": 0.93,
        "familiarity": 0.41,
        "familiarity_limit": 0.05,
        "unfamiliar": False,
        "reason": None,
        "message": None,
        "steps": (400.0, 150.0, 50.0, 1000.0, 2000.0),
        "reviewed_label": None,
        "truth": None,
    }
    if label is None:
        values |= {"status": "rejected", "confidence": None, "threshold": None}
        values |= {"familiarity": None, "familiarity_limit": None}
        values |= {"reason": "corrupt", "message": "it is damaged"}
        values["steps"] = (400.0, None, None, 1000.0, 2000.0)
    return ReportPhoto(**values | changes)


def report(*photos: ReportPhoto, **changes: Any) -> Report:
    """Return a report of a day."""
    values: dict[str, Any] = {
        "endpoint": "scones",
        "region": "us-east-1",
        "time_range": TimeRange(NINE - timedelta(hours=9), NINE + timedelta(hours=15)),
        "made_at": NINE + timedelta(hours=15),
        "class_names": CLASSES,
        "photos": sorted(photos, key=lambda photo: photo.decided_at),
        "captured_images": CapturedImages((CapturedImage(DOT, "bicycle", 0.55, NINE),), read=1),
        "production": ProductionModel("scones", "InService", ARN),
        "version": ModelVersion(4, ARN, NINE, "Approved", "fine", {"accuracy": "0.9512"}),
    }
    return Report(**values | changes)
