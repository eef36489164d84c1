"""Has photos decided and says of each, by its name, what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scones.events import PhotoDecided
from scones_local.run.photo_folder import LabeledPhoto, PhotoFolder
from scones_operator.aws.stack import Stack
from scones_operator.photos import upload_results
from scones_operator.photos.upload_results import PhotoResult
from scones_operator.photos.uploads import INCOMING_PREFIX, PhotoFile

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class ResultRow:
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
    decision: PhotoDecided | None
    announced: bool
    latency_ms: float | None


def classify_photos(
    session: "boto3.Session",
    stack: Stack,
    run: str,
    photos: PhotoFolder,
    on_update: Callable[[ResultRow], None],
) -> list[ResultRow]:
    """Upload photos, a few at a time, and collect their records.

    Parameters
    ----------
    session, stack
        Where to.
    run
        Name of the folder under ``incoming/`` that they go to.
    photos
        The photos; their keys keep the paths below their folder.
    on_update
        Called with each result, as it comes.

    Returns
    -------
    list of Result
        One a photo, in the order of `photos`.
    """
    has_labels = {_key(run, photos, photo): photo for photo in photos.photos}

    def result(results: PhotoResult) -> ResultRow:
        return _result_row(results, has_labels[results.upload.photo.key], photos)

    results = upload_results.upload_and_wait(
        session,
        stack,
        [PhotoFile(photo.path, key) for key, photo in has_labels.items()],
        lambda one: on_update(result(one)),
    )
    return [result(one) for one in results]


def _key(run: str, photos: PhotoFolder, photo: LabeledPhoto) -> str:
    return f"{INCOMING_PREFIX}{run}/{_name(photos, photo)}"


def _name(photos: PhotoFolder, photo: LabeledPhoto) -> str:
    return photo.path.relative_to(photos.folder).as_posix()


def _result_row(record: PhotoResult, photo: LabeledPhoto, photos: PhotoFolder) -> ResultRow:
    decided = record.record.decision if record.record else None
    return ResultRow(
        _name(photos, photo), photo.label, decided, record.announced, record.latency_ms
    )


def to_json_line(result: ResultRow) -> str:
    """Return a result as one line of ``results.jsonl``."""
    return upload_results.result_json_line(
        result.name, result.truth, result.latency_ms, result.decision, announced=result.announced
    )
