"""Uploads datasets as SageMaker's image classification reads them: photos and LST files."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from local.run.deploy import Stack
from local.run.folders import Dataset, LabelledPhoto
from scones.lst import LstEntry, write

if TYPE_CHECKING:
    import boto3

UPLOAD_THREADS = 8


def upload_dataset(
    session: "boto3.Session", stack: Stack, name: str, dataset: Dataset, advance: Callable[[], None]
) -> str:
    """Upload a dataset under ``datasets/<name>/`` of the data bucket.

    Parameters
    ----------
    session, stack
        Where to.
    name
        Name of the dataset.
    dataset
        What.
    advance
        Called after each photo.

    Returns
    -------
    str
        S3 URI of the folder, which holds one folder a channel: ``train``, ``validation``,
        ``train_lst`` and ``validation_lst``.
    """
    s3 = session.client("s3")
    prefix = f"datasets/{name}"

    def put(key: str, body: bytes) -> None:
        s3.put_object(Bucket=stack.data_bucket, Key=f"{prefix}/{key}", Body=body)

    for channel, photos in (("train", dataset.train), ("validation", dataset.validation)):
        entries = list(_entries(photos, dataset.class_names))
        put(f"{channel}_lst/{channel}.lst", "".join(write(entries)).encode())

        def upload(pair: tuple[LstEntry, LabelledPhoto], channel: str = channel) -> None:
            put(f"{channel}/{pair[0].path}", pair[1].path.read_bytes())
            advance()

        with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
            list(pool.map(upload, zip(entries, photos, strict=True)))
    return f"s3://{stack.data_bucket}/{prefix}"


def _entries(photos: Sequence[LabelledPhoto], class_names: Sequence[str]) -> Iterator[LstEntry]:
    """Yield one list entry a photo.

    A training job writes them to disk, so a path has nothing of the photo's name but its suffix:
    names may repeat, be as long as a name can be, and hold what the LST format can't.
    """
    for index, photo in enumerate(photos):
        path = f"{index:06}{photo.path.suffix.lower()}"
        yield LstEntry(index, class_names.index(photo.label or ""), path)
