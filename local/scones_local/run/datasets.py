"""Uploads a dataset from disk to where `retrain` looks for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from scones.datasets.layout import DATASET, NEGATIVES
from scones_local.run.photo_folder import Dataset
from scones_operator.datasets.staging import content_name
from scones_operator.datasets.uploader import upload
from scones_operator.errors import OperationError
from scones_operator.progress import ProgressCallback

if TYPE_CHECKING:
    import boto3


def upload_dataset(
    session: "boto3.Session", bucket: str, dataset: Dataset, on_progress: ProgressCallback
) -> None:
    """Upload a dataset under ``dataset/`` of a bucket, one folder a side, one folder a class.

    Photos of none of the classes go to their reserved folder.

    Parameters
    ----------
    session, bucket
        Where to.
    dataset
        What; a photo is named after its content.
    on_progress
        Told how far it is.

    Raises
    ------
    OperationError
        If a photo can't be uploaded.
    """
    uploaded = upload(session, bucket, dict(_files(dataset)), on_progress)
    for path, reason in uploaded.failed.items():
        raise OperationError(f"{path} can't be uploaded: {reason}")


def _files(dataset: Dataset) -> Iterator[tuple[str, Path]]:
    for split, photos in (("train", dataset.train), ("validation", dataset.validation)):
        for photo in photos:
            name = content_name(photo.path.read_bytes(), photo.path.suffix)
            yield f"{DATASET}{split}/{photo.label}/{name}", photo.path
    for photo in dataset.negatives:
        name = content_name(photo.path.read_bytes(), photo.path.suffix)
        yield f"{NEGATIVES}{name}", photo.path
