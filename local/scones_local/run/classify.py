"""Has photos decided and says of each, by its name, what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scones.events import PhotoDecided
from scones_local.run.photo_folder import LabelledPhoto, Photos
from scones_operator.aws.stack import Stack
from scones_operator.photos import upload_results
from scones_operator.photos.upload_results import PhotoResult
from scones_operator.photos.uploads import INCOMING, Photo

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class Result:
    """What became of one photo.

    Attributes
    ----------
    name
        Path of the photo, relative to its folder.
    truth
        Its class, None where nobody said.
    decided
        The event of its record; None where no record came in time.
    announced
        Whether the record says that the event was published and whoever must know was told.
    latency_ms
        From the start of its upload until its record was seen; None where none came in time.
    """

    name: str
    truth: str | None
    decided: PhotoDecided | None
    announced: bool
    latency_ms: float | None


def decide_photos(
    session: "boto3.Session", stack: Stack, run: str, photos: Photos, show: Callable[[Result], None]
) -> list[Result]:
    """Upload photos, a few at a time, and collect their records.

    Parameters
    ----------
    session, stack
        Where to.
    run
        Name of the folder under ``incoming/`` that they go to.
    photos
        The photos; their keys keep the paths below their folder.
    show
        Called with each result, as it comes.

    Returns
    -------
    list of Result
        One a photo, in the order of `photos`.
    """
    labelled = {_key(run, photos, photo): photo for photo in photos.photos}

    def result(found: PhotoResult) -> Result:
        return _result(found, labelled[found.upload.photo.key], photos)

    found = upload_results.upload_and_wait(
        session,
        stack,
        [Photo(photo.path, key) for key, photo in labelled.items()],
        lambda one: show(result(one)),
    )
    return [result(one) for one in found]


def _key(run: str, photos: Photos, photo: LabelledPhoto) -> str:
    return f"{INCOMING}{run}/{_name(photos, photo)}"


def _name(photos: Photos, photo: LabelledPhoto) -> str:
    return photo.path.relative_to(photos.folder).as_posix()


def _result(found: PhotoResult, photo: LabelledPhoto, photos: Photos) -> Result:
    decided = found.record.decided if found.record else None
    return Result(_name(photos, photo), photo.label, decided, found.announced, found.latency_ms)


def as_row(result: Result) -> str:
    """Return a result as one line of ``results.jsonl``."""
    return upload_results.result_line(
        result.name, result.truth, result.latency_ms, result.decided, announced=result.announced
    )
