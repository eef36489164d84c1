"""The captured pictures that a report shows."""

import base64
import heapq
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from operations.captures.fetching import Span, find_files, read_files
from operations.captures.keeping import guess
from operations.captures.reading import Damage
from operations.captures.records import Captured
from operations.data.amounts import Tell, silence
from operations.report.telling import told
from operations.stack import Stack

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
    """

    uri: str
    label: str
    confidence: float
    at: datetime


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
    session: "boto3.Session", stack: Stack, span: Span, tell: Tell = silence
) -> Pictures:
    """Read the captured pictures that the model was least sure of.

    Parameters
    ----------
    session, stack
        Where.
    span
        The range; of one with more than `READ` records the latest are looked at.
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
    shown = tuple(_picture(*held) for held in sorted(least, reverse=True))
    return Pictures(_small_enough(shown), read, damaged, all_read=read < READ)


def _picture(surety: float, _: int, captured: Captured, label: str) -> Picture:
    data = base64.b64encode(captured.picture or b"").decode()
    return Picture(f"data:{captured.content_type};base64,{data}", label, -surety, captured.at)


def _small_enough(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Leave out the last ones if all together are too large."""
    size = 0
    for count, picture in enumerate(pictures):
        size += len(picture.uri)
        if size > LARGEST:
            return pictures[:count]
    return pictures
