"""Gathers what a report is about, and writes its page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scones.records import Skipped
from scones_operator.aws.stack import Stack
from scones_operator.captures.files import Span
from scones_operator.item_progress import Tell, silence
from scones_operator.models.registry import find_production, find_version_in_production
from scones_operator.report.captured_images import read_pictures
from scones_operator.report.ground_truth import NOTHING_KNOWN, Truth
from scones_operator.report.mistakes import read_mistakes
from scones_operator.report.photo_rows import read_photos
from scones_operator.report.render import Report, render

if TYPE_CHECKING:
    import boto3


def gather(
    session: "boto3.Session",
    stack: Stack,
    span: Span,
    truth: Truth = NOTHING_KNOWN,
    tell: Tell = silence,
) -> Report:
    """Gather what a report is about.

    Parameters
    ----------
    session, stack
        Where.
    span
        About which time.
    truth
        What is known of what photos show.
    tell
        Told of what was read, while it is.
    """
    production = find_production(session, stack)
    skipped = Skipped()
    photos = read_photos(session, stack, span, truth, skipped, tell)
    return Report(
        endpoint=stack.endpoint,
        region=session.region_name or "",
        span=span,
        made_at=datetime.now(UTC),
        class_names=stack.class_names,
        photos=photos,
        mistakes=read_mistakes(session, stack, photos, tell),
        pictures=read_pictures(session, stack, span, photos, tell),
        production=production,
        version=find_version_in_production(session, stack, production),
        skipped=skipped.message,
    )


def write(report: Report, file: Path) -> None:
    """Write a report's page to a file, in a folder that is made where it is not there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(report), encoding="utf-8")
