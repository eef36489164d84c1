"""The captured pictures that a report shows."""

import base64
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scones.records import inference_id
from scones_operator.aws.stack import Stack
from scones_operator.captures.export import predicted_class
from scones_operator.captures.files import TimeRange, find_files, read_records
from scones_operator.captures.parser import CorruptRecord
from scones_operator.captures.records import CaptureRecord
from scones_operator.progress import ProgressCallback, ignore_progress, track
from scones_operator.report.photo_rows import ReportPhoto

if TYPE_CHECKING:
    import boto3

MAX_READ = 2000
"""Records that are looked at, the latest of the range."""

MAX_SHOWN = 24
"""Pictures that are shown, those that the model is least sure of."""

MAX_TOTAL_BYTES = 4_000_000
"""Bytes that all of them may have."""

_TYPES = ("image/png", "image/jpeg")


@dataclass(frozen=True)
class CapturedImage:
    """A captured picture and what the model said of it.

    Attributes
    ----------
    uri
        The picture itself, as a data URI.
    label, confidence, at
        The most likely class, how likely it is, and when it was asked about.
    photo
        The photo, or None if it was not decided in the report's time, or is not known.
    """

    uri: str
    label: str
    confidence: float
    requested_at: datetime
    photo: ReportPhoto | None = None


@dataclass(frozen=True)
class CapturedImages:
    """The captured pictures of a range of time.

    Attributes
    ----------
    shown
        Those that the model is least sure of, the least sure first.
    read, corrupt
        How many records were looked at, and how many more are damaged.
    all_read
        Whether the range has no more.
    """

    shown: tuple[CapturedImage, ...] = ()
    read: int = 0
    corrupt: int = 0
    complete: bool = True


def read_captured_images(
    session: "boto3.Session",
    stack: Stack,
    time_range: TimeRange,
    photos: Iterable[ReportPhoto] = (),
    on_progress: ProgressCallback = ignore_progress,
) -> CapturedImages:
    """Read the captured pictures that the model was least sure of.

    Parameters
    ----------
    session, stack
        Where.
    time_range
        The range; of one with more than `MAX_READ` records the latest are looked at.
    photos
        The report's photos, which captured requests are assigned to by their inference IDs.
    on_progress
        Told of each record that was read.
    """
    files = find_files(session, stack, time_range)
    read = corrupt = 0
    least_confident: list[
        tuple[float, int, CaptureRecord, str]
    ] = []  # a heap with the surest on top
    records = read_records(session, files, time_range, lambda _: None, MAX_READ)
    for record in track(records, "Captured data", on_progress):
        if isinstance(record, CorruptRecord):
            corrupt += 1
            continue
        read += 1
        prediction = predicted_class(record, stack.class_names)
        if prediction and record.image and record.content_type in _TYPES:
            label, confidence = prediction
            heapq.heappush(least_confident, (-confidence, read, record, label))
            if len(least_confident) > MAX_SHOWN:
                heapq.heappop(least_confident)
    photos_by_id = _by_inference_id(stack, photos) if least_confident else {}
    shown = tuple(
        _captured_image(captured, label, -least, photos_by_id.get(captured.inference_id or ""))
        for least, _, captured, label in sorted(least_confident, reverse=True)
    )
    return CapturedImages(_limit_size(shown), read, corrupt, complete=read < MAX_READ)


def _by_inference_id(stack: Stack, photos: Iterable[ReportPhoto]) -> dict[str, ReportPhoto]:
    bucket = stack.photos_bucket
    return {inference_id(f"s3://{bucket}/{photo.key}", photo.version): photo for photo in photos}


def _captured_image(
    captured: CaptureRecord, label: str, confidence: float, photo: ReportPhoto | None
) -> CapturedImage:
    data = base64.b64encode(captured.image or b"").decode()
    uri = f"data:{captured.content_type};base64,{data}"
    return CapturedImage(uri, label, confidence, captured.requested_at, photo)


def _limit_size(images: tuple[CapturedImage, ...]) -> tuple[CapturedImage, ...]:
    """Leave out the last ones if all together are too large."""
    size = 0
    for count, image in enumerate(images):
        size += len(image.uri)
        if size > MAX_TOTAL_BYTES:
            return images[:count]
    return images
