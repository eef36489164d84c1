"""The captured pictures that a report shows."""

import base64
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scones.records import inference_id
from scones_operator.aws.stack import Stack
from scones_operator.captures.export import guess
from scones_operator.captures.files import Span, find_files, read_files
from scones_operator.captures.parser import Damage
from scones_operator.captures.records import Captured
from scones_operator.item_progress import Tell, silence
from scones_operator.report.photo_rows import Photo
from scones_operator.report.telling import told

if TYPE_CHECKING:
    import boto3

READ = 2000
"""Records that are looked at, the latest of the range."""

SHOWN = 24
"""Pictures that are shown, those that the model is least sure of."""

LARGEST = 4_000_000
"""Bytes that all of them may have."""

_TYPES = ("image/png", "image/jpeg")


@dataclass(frozen=True)
class Picture:
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
    at: datetime
    photo: Photo | None = None


@dataclass(frozen=True)
class Pictures:
    """The captured pictures of a range of time.

    Attributes
    ----------
    shown
        Those that the model is least sure of, the least sure first.
    read, damaged
        How many records were looked at, and how many more are damaged.
    all_read
        Whether the range has no more.
    """

    shown: tuple[Picture, ...] = ()
    read: int = 0
    damaged: int = 0
    all_read: bool = True


def read_pictures(
    session: "boto3.Session",
    stack: Stack,
    span: Span,
    photos: Iterable[Photo] = (),
    tell: Tell = silence,
) -> Pictures:
    """Read the captured pictures that the model was least sure of.

    Parameters
    ----------
    session, stack
        Where.
    span
        The range; of one with more than `READ` records the latest are looked at.
    photos
        The report's photos, which captured requests are assigned to by their inference IDs.
    tell
        Told of each record that was read.
    """
    files = find_files(session, stack, span)
    read = damaged = 0
    least: list[tuple[float, int, Captured, str]] = []  # a heap with the surest on top
    records = read_files(session, files, span, lambda _: None, READ)
    for found in told(records, "Captured data", tell):
        if isinstance(found, Damage):
            damaged += 1
            continue
        read += 1
        guessed = guess(found, stack.class_names)
        if guessed and found.picture and found.content_type in _TYPES:
            label, confidence = guessed
            heapq.heappush(least, (-confidence, read, found, label))
            if len(least) > SHOWN:
                heapq.heappop(least)
    known = _by_inference_id(stack, photos) if least else {}
    shown = tuple(
        _picture(captured, label, -surety, known.get(captured.inference_id or ""))
        for surety, _, captured, label in sorted(least, reverse=True)
    )
    return Pictures(_small_enough(shown), read, damaged, all_read=read < READ)


def _by_inference_id(stack: Stack, photos: Iterable[Photo]) -> dict[str, Photo]:
    bucket = stack.photos_bucket
    return {inference_id(f"s3://{bucket}/{photo.key}", photo.version): photo for photo in photos}


def _picture(captured: Captured, label: str, confidence: float, photo: Photo | None) -> Picture:
    data = base64.b64encode(captured.picture or b"").decode()
    uri = f"data:{captured.content_type};base64,{data}"
    return Picture(uri, label, confidence, captured.at, photo)


def _small_enough(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Leave out the last ones if all together are too large."""
    size = 0
    for count, picture in enumerate(pictures):
        size += len(picture.uri)
        if size > LARGEST:
            return pictures[:count]
    return pictures
