"""The held-out photos of a run, prepared as the endpoint gets them."""

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scones.lst import LstEntry
from scones.photos import ImageShape, UnusablePhoto
from scones.runs import (
    IMAGES_PREFIX,
    LISTS_PREFIX,
    ListFile,
    Run,
    RunName,
    read_entries,
    read_range,
    write_file,
)
from scones.serialize import encode_model_input
from scones.storage import s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from scones.photos import EncodedImage

THREADS = 8
"""How many photos are on their way at once, down or up."""

MAX_PHOTO_BYTES = 50_000_000
"""Largest photo: `THREADS` of them, and the 1.5 GiB that decoding the worst one takes, fit in the
function's memory of 2 GiB."""

SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}
"""How the name of a picture ends, by its content type."""

MAX_EXAMPLES = 10
MAX_EXAMPLES_BYTES = 400
"""Examples of all batches, 400 at most, come together in a state of 262,144 bytes."""

_LOCATION = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.*)", re.DOTALL)


class ImageBatch(BaseModel):
    """A part of a run's held-out photos.

    Attributes
    ----------
    run
        Name of the run.
    photos
        The S3 URI that the list's paths are relative to.
    start, end
        Byte range of the list, beginning and ending with a line; `end` is not part of it.
    list_file
        Name of the list (default: that of the validation photos, the only one that executions
        started before there were negatives know).
    """

    model_config = ConfigDict(frozen=True)

    run: RunName
    photos: Annotated[str, Field(pattern=r"\As3://[^/]+/")]
    start: Annotated[int, Field(ge=0)]
    end: int
    list_file: ListFile = "validation.lst"

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"the range from {self.start} to {self.end} is empty")
        return self


class BatchSummary(BaseModel):
    """What became of a batch.

    Attributes
    ----------
    prepared
        How many pictures were written.
    unreadable
        How many photos make no picture.
    examples
        Some of those, with the reason: at most `MAX_EXAMPLES`, and as many as fit in
        `MAX_EXAMPLES_BYTES`.
    """

    prepared: int
    unreadable: int
    examples: list[str]


def prepare_images(
    client: "S3Client", bucket: str, batch: ImageBatch, shape: ImageShape
) -> BatchSummary:
    """Bring the photos of a batch to the model's shape and write them beside the run's lists.

    Doing it again writes the same again.

    Parameters
    ----------
    client
        An S3 client, with at least `THREADS` connections.
    bucket
        The data bucket.
    batch
        Which photos.
    shape
        The model's picture shape.

    Returns
    -------
    BatchSummary
        A photo that makes no picture, or is gone, is counted: no model is judged on it.

    Raises
    ------
    StorageBusy, StorageRefused
        If S3 does not give a photo or the list, or does not take a picture.
    RunIncomplete, LstError
        If there is no list, or the range is not one of whole lines.
    """
    work = _BatchWorker(client, Run(bucket, batch.run), batch.photos, shape)
    path = f"{LISTS_PREFIX}{batch.list_file}"
    listed = read_range(client, work.run, path, batch.start, batch.end)
    entries = read_entries(listed)
    with ThreadPoolExecutor(THREADS) as pool:
        errors = [text for text in pool.map(work.prepare, entries) if text is not None]
    return BatchSummary(
        prepared=len(entries) - len(errors),
        unreadable=len(errors),
        examples=_examples(errors),
    )


@dataclass(frozen=True)
class _BatchWorker:
    """What the threads of a batch share."""

    client: "S3Client"
    run: Run
    photos: str
    shape: ImageShape
    decoding: Lock = field(default_factory=Lock)

    def prepare(self, entry: LstEntry) -> str | None:
        """Prepare one photo; return what is wrong with it, or None."""
        try:
            data = self._download(entry.path)
            # One at a time: more would not be faster, but take more memory.
            with self.decoding:
                image = encode_model_input(data, self.shape)
        except UnusablePhoto as error:
            return f"{entry.path}: {error}"
        write_file(self.client, self.run, _path(entry, image), image.data, image.content_type)
        return None

    def _download(self, path: str) -> bytes:
        location = _LOCATION.fullmatch(self.photos + path)
        assert location is not None  # noqa: S101  (Batch has checked it)
        with s3_errors(f"read {location[0]}"):
            try:
                response = self.client.get_object(Bucket=location["bucket"], Key=location["key"])
                if response["ContentLength"] > MAX_PHOTO_BYTES:
                    response["Body"].close()
                    raise _too_large(response["ContentLength"])
                return response["Body"].read()
            except self.client.exceptions.NoSuchKey as error:
                raise UnusablePhoto("gone", "deleted since the lists were made") from error


def _too_large(size: int) -> UnusablePhoto:
    return UnusablePhoto(
        "too_large", f"it has {size:,} bytes and the limit is {MAX_PHOTO_BYTES:,}: scale it down"
    )


def _path(entry: LstEntry, image: "EncodedImage") -> str:
    return f"{IMAGES_PREFIX}{entry.index}{SUFFIXES[image.content_type]}"


def _examples(errors: Iterable[str]) -> list[str]:
    """Take the first few that fit in an answer."""
    examples: list[str] = []
    room = MAX_EXAMPLES_BYTES
    for error in errors:
        room -= len(json.dumps(error)) + len(", ")
        if room < 0 or len(examples) == MAX_EXAMPLES:
            break
        examples.append(error)
    return examples
