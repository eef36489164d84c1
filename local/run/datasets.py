"""Uploads a dataset from disk to where `retrain` looks for it."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from local.run.folders import Dataset, LabelledPhoto

if TYPE_CHECKING:
    import boto3

UPLOAD_THREADS = 8


def upload_dataset(
    session: "boto3.Session", bucket: str, dataset: Dataset, advance: Callable[[], None]
) -> None:
    """Upload a dataset under ``dataset/`` of a bucket, one folder a side, one folder a class.

    A photo is named after its content: names of files may repeat in different folders, be as long
    as a name can be, and hold what lists can't.

    Parameters
    ----------
    session, bucket
        Where to.
    dataset
        What.
    advance
        Called after each photo.
    """
    s3 = session.client("s3")
    sides = (("train", dataset.train), ("validation", dataset.validation))

    def upload(photo: LabelledPhoto, side: str) -> None:
        body = photo.path.read_bytes()
        name = hashlib.sha256(body).hexdigest()[:20] + photo.path.suffix.lower()
        s3.put_object(Bucket=bucket, Key=f"dataset/{side}/{photo.label}/{name}", Body=body)
        advance()

    with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        sent = [pool.submit(upload, photo, side) for side, photos in sides for photo in photos]
        for each in sent:
            each.result()
