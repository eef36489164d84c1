"""Gathers what a report is about, and writes its page."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from operations.captures.fetching import Span
from operations.registry import Production, Version, find_production, versions
from operations.report.page import Report, render
from operations.report.photos import read_photos
from operations.report.pictures import read_pictures
from operations.report.truth import NOTHING_KNOWN, Truth
from operations.stack import Stack

if TYPE_CHECKING:
    import boto3


def gather(
    session: "boto3.Session",
    stack: Stack,
    span: Span,
    truth: Truth = NOTHING_KNOWN,
    show: Callable[[], None] = lambda: None,
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
    show
        Called with each record that was read.
    """
    production = find_production(session, stack)
    return Report(
        endpoint=stack.endpoint,
        region=session.region_name or "",
        span=span,
        made_at=datetime.now(UTC),
        class_names=stack.class_names,
        photos=read_photos(session, stack, span, truth, show),
        pictures=read_pictures(session, stack, span, show),
        production=production,
        version=_version(session, stack, production),
    )


def write(report: Report, file: Path) -> None:
    """Write a report's page to a file, in a folder that is made where it is not there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(report), encoding="utf-8")


def _version(
    session: "boto3.Session", stack: Stack, production: Production | None
) -> Version | None:
    if production is None or not production.model_package_arn:
        return None
    return next((one for one in versions(session, stack) if production.runs(one)), None)
