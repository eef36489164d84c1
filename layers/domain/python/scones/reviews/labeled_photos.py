"""Copy reviewed photos into the dataset for the next retraining."""

import hashlib
import re
from collections.abc import Container, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import ClientError

from scones.datasets.errors import DatasetError
from scones.datasets.layout import NEGATIVES, split_roots
from scones.datasets.splits import digest, is_validation
from scones.errors import OperationError, PreconditionError
from scones.object_versions import list_key_versions, not_deleted, remove_version
from scones.photos import EncodedImage, UnusablePhoto, encode, resize_to_fit
from scones.quoting import quote as shown
from scones.records import Record, Review
from scones.settings import ReviewSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REVIEWED_FOLDER = "reviewed"
"""Folder within a class, or within the photos of none of the classes, so that photos reviewed here
are told from those uploaded with a label."""

MAX_SIDE_PIXELS = 2048
"""Photos are filed with at most so many pixels a side: four times what a model sees, so that
nothing it could learn from is lost, and training does not download what it throws away."""

MAX_BYTES = 2_000_000
"""PNG up to this size, which keeps each pixel of what is small; the best JPEG that fits above.
The built-in algorithm takes these two formats and no other."""

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}
_NOT_FOUND_CODES = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404"}
_MAX_METADATA_LENGTH = 1500
"""S3 takes 2 KB of metadata an object, names included."""


class PhotoNotFoundError(PreconditionError):
    """The version of the photo that was decided is not in the bucket any more."""


class PhotoUnreadableError(PreconditionError):
    """The photo cannot be decoded, so it cannot be copied into the dataset."""


def read_photo(client: "S3Client", record: Record) -> bytes:
    """Download the version of the photo that was decided.

    Raises
    ------
    PhotoNotFoundError
        If it was deleted or has expired, or was replaced in a bucket without versions. A version
        that is older than a delete marker is deleted, though S3 still has it for a while.
    """
    photo = record.decision.photo
    if not is_photo_stored(client, record.photo, photo.version_id):
        raise _photo_not_found(record.photo)
    try:
        if photo.version_id:
            response = client.get_object(
                Bucket=photo.bucket, Key=photo.key, VersionId=photo.version_id
            )
        else:
            response = client.get_object(
                Bucket=photo.bucket, Key=photo.key, IfMatch=f'"{photo.etag}"'
            )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_FOUND_CODES | {"PreconditionFailed"}:
            raise
        raise _photo_not_found(record.photo) from None
    return response["Body"].read()


def _photo_not_found(photo: str) -> PhotoNotFoundError:
    return PhotoNotFoundError(
        f"the photo {shown(photo)} is gone: this version of it was deleted or has "
        "expired. It cannot be labeled; to remove it from the review queue, use "
        "`scones label … --none`"
    )


def encode_photo(client: "S3Client", record: Record) -> EncodedImage:
    """Bring a photo to what is filed: upright, in sRGB, without metadata, not too large.

    Raises
    ------
    PhotoNotFoundError
        As `read_photo`.
    PhotoUnreadableError
        If it can't be read.
    """
    try:
        return encode(resize_to_fit(read_photo(client, record), MAX_SIDE_PIXELS), MAX_BYTES)
    except UnusablePhoto as error:
        raise PhotoUnreadableError(
            f"{shown(record.photo)} cannot be added to the dataset: {error}"
        ) from None


def new_dataset_key(
    client: "S3Client",
    settings: ReviewSettings,
    record: Record,
    review: Review,
    image: EncodedImage,
) -> str:
    """Return the key that a photo is to be filed under: another one for each review of it.

    Parameters
    ----------
    client
        An S3 client.
    settings
        Settings with the data bucket.
    record, review
        The photo, and what was said of it.
    image
        Of `encode_photo`.

    Raises
    ------
    OperationError
        If the dataset is laid out so that there is no place for it.
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    source = "\n".join((record.photo, record.version, review.id))
    unique = hashlib.sha256(source.encode()).hexdigest()[:8]
    suffix = _SUFFIXES[image.content_type]
    folder = f"{_root(client, settings, record)}{review.label}/" if review.label else NEGATIVES
    return f"{folder}{REVIEWED_FOLDER}/{copy_stem(record.photo)}{unique}{suffix}"


def copy_stem(photo: str) -> str:
    """Return how the names of all copies of a photo begin, and of no other photo's.

    So the copies of a photo can be found, and lists that name them, after its reviews were undone.

    Parameters
    ----------
    photo
        S3 URI of the photo.
    """
    key = photo.removeprefix("s3://").partition("/")[2]
    return f"{copy_name(key)}-{hashlib.sha256(photo.encode()).hexdigest()[:8]}"


def copy_name(key: str) -> str:
    """Return how the name of a photo's copy in the dataset begins.

    Parameters
    ----------
    key
        The photo's key in the photos bucket.
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", PurePosixPath(key).stem).strip("-")[:60] or "photo"


def add_to_dataset(
    client: "S3Client",
    settings: ReviewSettings,
    record: Record,
    review: Review,
    image: EncodedImage,
) -> None:
    """Put a photo into the dataset, where its review says. Doing so twice changes nothing.

    Parameters
    ----------
    client
        An S3 client.
    settings
        Settings with the data bucket.
    record, review
        The photo, and what was said of it, with the key that `new_dataset_key` gave.
    image
        Of `encode_photo`.
    """
    assert review.dataset_key is not None  # noqa: S101
    client.put_object(
        Bucket=settings.data_bucket,
        Key=review.dataset_key,
        Body=image.data,
        ContentType=image.content_type,
        Metadata=_metadata(record, review),
    )


def is_copy_of(metadata: Mapping[str, str], photo: str, versions: Container[str]) -> bool:
    """Return True if the metadata of a filed copy names a photo.

    Parameters
    ----------
    metadata
        The object's own metadata.
    photo
        S3 URI of the photo.
    versions
        Its versions: the URI is left out of the metadata if it is too long.
    """
    if "photo" in metadata:
        return metadata["photo"] == _quoted(photo)
    return metadata.get("photo-version") in versions


def _quoted(photo: str) -> str:
    return quote(photo, safe=":/ ")


def remove_from_dataset(client: "S3Client", settings: ReviewSettings, review: Review) -> None:
    """Remove all versions of the copy that a review has in the dataset, if it has one."""
    if review.dataset_key:
        for version in list_key_versions(client, settings.data_bucket, review.dataset_key):
            remove_version(client, version)


def _root(client: "S3Client", settings: ReviewSettings, record: Record) -> str:
    """Return where the photo's class folder is: copies of a photo come to the same side."""
    try:
        roots = split_roots(client, settings.data_bucket, settings.class_names)
    except DatasetError as error:
        raise OperationError(f"the photo cannot be added to the dataset: {error}") from None
    if roots["train"] == roots["validation"]:
        return roots["train"]
    in_validation = is_validation(digest(record.decision.photo.etag), settings.validation_share)
    return roots["validation" if in_validation else "train"]


def _metadata(record: Record, review: Review) -> dict[str, str]:
    """Say who, when and of what, in the ASCII that S3 takes."""
    metadata = {
        "reviewed-by": quote(review.by, safe=":/@ "),
        "reviewed-at": review.at.isoformat(),
        "review": review.id,
        "photo-version": record.version,
        "photo": _quoted(record.photo),
    }
    return {name: text for name, text in metadata.items() if len(text) <= _MAX_METADATA_LENGTH}


def is_photo_stored(client: "S3Client", photo: str, version: str | None) -> bool:
    """Return True if a version of a photo was not deleted.

    Parameters
    ----------
    client
        An S3 client.
    photo
        S3 URI of the photo.
    version
        ID of the version; None in a bucket without versions.
    """
    bucket, _, key = photo.removeprefix("s3://").partition("/")
    stored = not_deleted(list_key_versions(client, bucket, key))
    return any(version in (None, version_found.id) for version_found in stored)


def is_stored(client: "S3Client", bucket: str, key: str) -> bool:
    """Return True if a key has an object; a delete marker is not one.

    Listing versions needs no permission to read objects.
    """
    return any(
        version_found.is_latest
        for version_found in not_deleted(list_key_versions(client, bucket, key))
    )
