"""The photos that the model was sure of and wrong about, with their images."""

import base64
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scones.photos import UnusablePhoto
from scones.records import MAX_CONCURRENCY, read_record
from scones.reviews.labeled_photos import PhotoNotFoundError, read_photo
from scones_operator.aws.stack import Stack
from scones_operator.photos.decoding import decode_photo
from scones_operator.progress import ProgressCallback, ignore_progress, track
from scones_operator.report.photo_rows import ReportPhoto
from scones_operator.report.stats import confident_mistakes

if TYPE_CHECKING:
    import boto3

MAX_SHOWN = 24
"""Maximum number of mistakes that are shown, the most confident."""

MAX_SIDE_PIXELS = 256
"""Maximum width and height of an image in pixels: reports are passed on, so that they show no more
of a photo than is needed to see what is on it."""


@dataclass(frozen=True)
class Mistake:
    """A wrong decision of the model.

    Attributes
    ----------
    photo
        The photo; `Photo.truth` is its class.
    uri
        Its image as a data URI, or None if there is none.
    trouble
        Reason why there is no image, or None.
    """

    photo: ReportPhoto
    uri: str | None
    error: str | None = None


@dataclass(frozen=True)
class Mistakes:
    """Wrong decisions of the model.

    Attributes
    ----------
    shown
        At most `MAX_SHOWN`, the most confident first.
    count
        Number of all.
    """

    shown: tuple[Mistake, ...] = ()
    count: int = 0


def read_mistakes(
    session: "boto3.Session",
    stack: Stack,
    photos: Iterable[ReportPhoto],
    on_progress: ProgressCallback = ignore_progress,
) -> Mistakes:
    """Find the confident mistakes, and read the images of the first.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    photos
        The report's photos, with their truth.
    on_progress
        Called with the number of images that were read.
    """
    found = confident_mistakes(photos)
    return Mistakes(tuple(_with_images(session, stack, found[:MAX_SHOWN], on_progress)), len(found))


def _with_images(
    session: "boto3.Session",
    stack: Stack,
    photos: Sequence[ReportPhoto],
    on_progress: ProgressCallback,
) -> list[Mistake]:
    if not photos:
        return []
    # Clients are made here: a session is not safe to be used by several threads.
    table, storage = session.client("dynamodb"), session.client("s3")

    def read(photo: ReportPhoto) -> Mistake:
        uri = f"s3://{stack.photos_bucket}/{photo.key}"
        record = read_record(table, stack.results_table, uri, photo.version)
        if record is None:
            return Mistake(photo, None, "its record was deleted")
        try:
            image = decode_photo(read_photo(storage, record), MAX_SIDE_PIXELS)
        except PhotoNotFoundError:
            return Mistake(photo, None, "the photo was deleted or has expired")
        except UnusablePhoto as error:
            return Mistake(photo, None, str(error))
        data = base64.b64encode(image.data).decode()
        return Mistake(photo, f"data:{image.content_type};base64,{data}")

    with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:
        return list(track(pool.map(read, photos), "Photos", on_progress))
