"""The photos that the model was sure of and wrong about, with their images."""

import base64
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scones.photos import UnusablePhoto
from scones.records import READERS, read_record
from scones.reviews.labeled_photos import PhotoGone, read_photo
from scones_operator.aws.stack import Stack
from scones_operator.item_progress import Tell, silence
from scones_operator.photos.decoding import decode_photo
from scones_operator.report.photo_rows import Photo
from scones_operator.report.stats import confident_mistakes
from scones_operator.report.telling import told

if TYPE_CHECKING:
    import boto3

SHOWN = 24
"""Maximum number of mistakes that are shown, the most confident."""

MAX_SIDE = 256
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

    photo: Photo
    uri: str | None
    trouble: str | None = None


@dataclass(frozen=True)
class Mistakes:
    """Wrong decisions of the model.

    Attributes
    ----------
    shown
        At most `SHOWN`, the most confident first.
    count
        Number of all.
    """

    shown: tuple[Mistake, ...] = ()
    count: int = 0


def read_mistakes(
    session: "boto3.Session", stack: Stack, photos: Iterable[Photo], tell: Tell = silence
) -> Mistakes:
    """Find the confident mistakes, and read the images of the first.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    photos
        The report's photos, with their truth.
    tell
        Called with the number of images that were read.
    """
    found = confident_mistakes(photos)
    return Mistakes(tuple(_with_images(session, stack, found[:SHOWN], tell)), len(found))


def _with_images(
    session: "boto3.Session", stack: Stack, photos: Sequence[Photo], tell: Tell
) -> list[Mistake]:
    if not photos:
        return []
    # Clients are made here: a session is not safe to be used by several threads.
    table, storage = session.client("dynamodb"), session.client("s3")

    def read(photo: Photo) -> Mistake:
        uri = f"s3://{stack.photos_bucket}/{photo.key}"
        record = read_record(table, stack.results_table, uri, photo.version)
        if record is None:
            return Mistake(photo, None, "its record was deleted")
        try:
            image = decode_photo(read_photo(storage, record), MAX_SIDE)
        except PhotoGone:
            return Mistake(photo, None, "the photo was deleted or has expired")
        except UnusablePhoto as error:
            return Mistake(photo, None, str(error))
        data = base64.b64encode(image.data).decode()
        return Mistake(photo, f"data:{image.content_type};base64,{data}")

    with ThreadPoolExecutor(READERS) as pool:
        return list(told(pool.map(read, photos), "Photos", tell))
