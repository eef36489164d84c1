"""Uploads a dataset from disk to where `retrain` looks for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from scones.datasets.layout import DATASET, NEGATIVES
from scones_local.run.photo_folder import Dataset
from scones_operator.datasets.staging import content_name
from scones_operator.datasets.uploader import upload
from scones_operator.errors import Fault
from scones_operator.item_progress import Tell

if TYPE_CHECKING:
    import boto3


def upload_dataset(session: "boto3.Session", bucket: str, dataset: Dataset, tell: Tell) -> None:
    """Upload a dataset under ``dataset/`` of a bucket, one folder a side, one folder a class.

    Photos of none of the classes go to their reserved folder.

    Parameters
    ----------
    session, bucket
        Where to.
    dataset
        What; a photo is named after its content.
    tell
        Told how far it is.

    Raises
    ------
    Fault
        If a photo can't be uploaded.
    """
    uploaded = upload(session, bucket, dict(_files(dataset)), tell)
    for path, reason in uploaded.failed.items():
        raise Fault(f"{path} can't be uploaded: {reason}")


def _files(dataset: Dataset) -> Iterator[tuple[str, Path]]:
    for side, photos in (("train", dataset.train), ("validation", dataset.validation)):
        for photo in photos:
            name = content_name(photo.path.read_bytes(), photo.path.suffix)
            yield f"{DATASET}{side}/{photo.label}/{name}", photo.path
    for photo in dataset.negatives:
        name = content_name(photo.path.read_bytes(), photo.path.suffix)
        yield f"{NEGATIVES}{name}", photo.path
