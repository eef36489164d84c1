"""Gathers what a report is about, and writes its page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scones.records import Skipped
from scones_operator.aws.stack import Stack
from scones_operator.captures.files import TimeRange
from scones_operator.models.registry import get_production_model, get_production_version
from scones_operator.progress import ProgressCallback, ignore_progress
from scones_operator.report.captured_images import read_captured_images
from scones_operator.report.ground_truth import NO_GROUND_TRUTH, GroundTruth
from scones_operator.report.mistakes import read_mistakes
from scones_operator.report.photo_rows import read_photos
from scones_operator.report.render import Report, render

if TYPE_CHECKING:
    import boto3


def collect_report(
    session: "boto3.Session",
    stack: Stack,
    time_range: TimeRange,
    truth: GroundTruth = NO_GROUND_TRUTH,
    on_progress: ProgressCallback = ignore_progress,
) -> Report:
    """Gather what a report is about.

    Parameters
    ----------
    session, stack
        Where.
    time_range
        About which time.
    truth
        What is known of what photos show.
    on_progress
        Told of what was read, while it is.
    """
    production = get_production_model(session, stack)
    skipped = Skipped()
    photos = read_photos(session, stack, time_range, truth, skipped, on_progress)
    return Report(
        endpoint=stack.endpoint,
        region=session.region_name or "",
        time_range=time_range,
        made_at=datetime.now(UTC),
        class_names=stack.class_names,
        photos=photos,
        mistakes=read_mistakes(session, stack, photos, on_progress),
        captured_images=read_captured_images(session, stack, time_range, photos, on_progress),
        production=production,
        version=get_production_version(session, stack, production),
        skipped=skipped.message,
    )


def write_report(report: Report, file: Path) -> None:
    """Write a report's page to a file, in a folder that is made where it is not there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(report), encoding="utf-8")
