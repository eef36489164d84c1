"""Uploads photos to the dataset in the data bucket, several at once, those that are not there."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from scones.classes import NONE_OF_THE_CLASSES
from scones.datasets.exclusions import exclusion_reason
from scones.datasets.layout import DATASET, NEGATIVES, TRAIN, VALIDATION
from scones.datasets.split_folders import AmbiguousFolders, SplitFolders, find_split_folders
from scones.datasets.splits import Split
from scones.photos import require_decodable
from scones.photos.names import is_hidden
from scones_operator.datasets.class_folders import count_files, require_folder
from scones_operator.datasets.unusable_photos import find_unusable
from scones_operator.errors import PreconditionError, format_aws_error
from scones_operator.folder_files import abbreviate, format_unusable, list_files
from scones_operator.progress import ItemProgress, ProgressCallback

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

MAX_CONCURRENCY = 8
"""As many as boto3's pool of connections has room for, and two left."""

MAX_FAILURES = 20
"""After so many the rest is not tried: what is wrong is wrong for all."""


@dataclass(frozen=True)
class StagedPhotos:
    """Photos of a staged dataset, and where they go.

    Attributes
    ----------
    files
        File by key.
    skipped
        How many files lie among them that are none.
    unused
        Number of files in a folder for tests next to one for validation, which is not uploaded.
    splits
        Name of the folder that each side's photos are in.
    unusable
        Photos that were left out since they cannot be decoded: the reason by path below the folder.
    folder
        The staged folder.
    """

    files: Mapping[str, Path]
    skipped: int = 0
    unused: int = 0
    splits: Mapping[Split, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that there are photos of, sorted."""
        keys = (key for key in self.files if not key.startswith(NEGATIVES))
        return tuple(sorted({PurePosixPath(key).parts[2] for key in keys}))

    @property
    def negatives(self) -> int:
        """Number of photos of none of the classes."""
        return sum(key.startswith(NEGATIVES) for key in self.files)


@dataclass
class UploadResult:
    """What an upload came to.

    Attributes
    ----------
    bucket
        Where to.
    sent, existing
        How many were uploaded, and how many were there already.
    failed
        Why, by file.
    not_tried
        How many were left after too many failures.
    """

    bucket: str
    sent: int = 0
    already_present: int = 0
    failed: dict[Path, str] = field(default_factory=dict)
    not_attempted: int = 0


def staged_photos(folder: Path) -> StagedPhotos:
    """Find the photos of a staged dataset.

    Parameters
    ----------
    folder
        Has ``train`` and ``validation``, which have one folder a class, and may have
        `scones.classes.NONE_OF_THE_CLASSES`, with photos of none of them. The first two may have
        other names (`scones.datasets.split_folders`).

    Returns
    -------
    Photos
        With keys for a bucket without a dataset; `upload` changes them for one that has one.

    Raises
    ------
    PreconditionError
        If it does not, or has links out of it.
    """
    require_folder(folder)
    splits = _find_splits(folder, (path.name for path in folder.iterdir() if path.is_dir()))
    if splits is None or splits.validation is None:
        raise PreconditionError(
            f"{folder} does not have both {TRAIN}/ and {VALIDATION}/: stage it with "
            f"`scones data folder {folder} TO --upload`"
        )
    roots = {TRAIN: splits.train, VALIDATION: splits.validation}
    roots[NONE_OF_THE_CLASSES] = NONE_OF_THE_CLASSES
    files, skipped = {}, 0
    for top, root in ((top, folder / name) for top, name in roots.items()):
        for path in list_files(root, folder):
            name = path.relative_to(root).as_posix()
            is_loose = "/" not in name and top != NONE_OF_THE_CLASSES
            # Empty files are included: decoding finds them, and they are listed.
            if is_loose or exclusion_reason(name, path.stat().st_size) not in (None, "empty"):
                skipped += 1
            else:
                files[f"{DATASET}{top}/{name}"] = path
    if not files:
        raise PreconditionError(f"{folder} contains no photos")
    unused = count_files(folder / splits.unused) if splits.unused else 0
    used: dict[Split, str] = {"train": splits.train, "validation": splits.validation}
    return StagedPhotos(files, skipped, unused, used, folder=folder)


def leave_out_unusable(photos: StagedPhotos, on_progress: ProgressCallback) -> StagedPhotos:
    """Decode all photos, and return those that can be decoded, with the reason for the others.

    Parameters
    ----------
    photos
        Photos of a staged dataset.
    on_progress
        Called after each photo with an `Amount`.

    Raises
    ------
    PreconditionError
        If no photo is left.
    """
    found = find_unusable(list(photos.files.values()), require_decodable, on_progress)
    files = {key: path for key, path in photos.files.items() if path not in found}
    unusable = {path.relative_to(photos.folder).as_posix(): found[path] for path in found}
    if not files:
        raise PreconditionError(
            f"{photos.folder} has no photo that can be decoded: "
            f"{', '.join(format_unusable(unusable))}"
        )
    return replace(photos, files=files, unusable=unusable)


def upload(
    session: "boto3.Session",
    bucket: str,
    files: Mapping[str, Path],
    on_progress: ProgressCallback,
    class_names: Sequence[str] = (),
) -> UploadResult:
    """Upload files, but for those that are there: of the same size and content.

    Parameters
    ----------
    session, bucket
        Where to.
    files
        File by key. Splits that are there under other names are uploaded to those.
    on_progress
        Told how far it is.
    class_names
        The stack's classes, which may have the name of a split.

    Returns
    -------
    Uploaded
        A file that can't be uploaded keeps no other from it.

    Raises
    ------
    PreconditionError
        If the dataset there has no splits, or it can't be told what its folders are.
    botocore.exceptions.ClientError
        If the bucket can't be listed.
    """
    client = session.client("s3")
    files = _with_split_names(files, _existing_splits(client, bucket, class_names))
    existing = dict(_existing_objects(client, bucket, files))
    uploaded = UploadResult(bucket)
    pool = ThreadPoolExecutor(MAX_CONCURRENCY)
    try:
        running = {
            pool.submit(_send, client, bucket, key, path, existing.get(key)): path
            for key, path in files.items()
        }
        for done, future in enumerate(as_completed(running), start=1):
            _record_upload(uploaded, running[future], future)
            on_progress(ItemProgress("Uploading photos", done, len(files)))
            if len(uploaded.failed) >= MAX_FAILURES:
                break
    finally:
        pool.shutdown(cancel_futures=True)
    uploaded.not_attempted = (
        len(files) - uploaded.sent - uploaded.already_present - len(uploaded.failed)
    )
    return uploaded


def _find_splits(
    where: Path | str, names: Iterable[str], class_names: Sequence[str] = ()
) -> SplitFolders | None:
    visible = {name for name in names if not is_hidden(name)} - {NONE_OF_THE_CLASSES}
    try:
        return find_split_folders(visible, class_names)
    except AmbiguousFolders as error:
        raise PreconditionError(f"{where} {error}") from None


def _existing_splits(client: "S3Client", bucket: str, class_names: Sequence[str]) -> SplitFolders:
    """Return the splits of the dataset there, or ours if it is empty."""
    uri = f"s3://{bucket}/{DATASET}"
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=DATASET, Delimiter="/"
    )
    prefixes = (entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", []))
    names = {prefix.removeprefix(DATASET).removesuffix("/") for prefix in prefixes}
    splits = _find_splits(uri, names, class_names)
    if splits is None and (others := sorted(names - {NONE_OF_THE_CLASSES})):
        folders = abbreviate(f"{DATASET}{name}/" for name in others)
        raise PreconditionError(
            f"{uri} has other folders than {TRAIN}/ and {VALIDATION}/: {folders}. A dataset has "
            "either splits or classes at the top: remove them first"
        )
    return splits or SplitFolders(TRAIN, VALIDATION, None)


def _with_split_names(files: Mapping[str, Path], splits: SplitFolders) -> dict[str, Path]:
    """Return the files by their keys in a dataset whose splits have other names."""
    names = {TRAIN: splits.train, VALIDATION: splits.validation or VALIDATION}
    placed = {}
    for key, path in files.items():
        top, _, name = key.removeprefix(DATASET).partition("/")
        placed[f"{DATASET}{names.get(top, top)}/{name}"] = path
    return placed


def _existing_objects(
    client: "S3Client", bucket: str, files: Mapping[str, Path]
) -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield size and entity tag by key of what is in the folders that files go to."""
    listing = client.get_paginator("list_objects_v2")
    for prefix in sorted({f"{key.rpartition('/')[0]}/" for key in files}):
        for page in listing.paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                yield entry["Key"], (entry["Size"], entry["ETag"].strip('"'))


def _send(
    client: "S3Client", bucket: str, key: str, path: Path, existing: tuple[int, str] | None
) -> bool:
    """Upload a file unless it is there; True if it was uploaded."""
    body = path.read_bytes()
    if existing and existing[0] == len(body) and _is_same(client, bucket, key, body, existing[1]):
        return False
    client.put_object(Bucket=bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256")
    return True


def _is_same(client: "S3Client", bucket: str, key: str, body: bytes, etag: str) -> bool:
    """Compare contents: the entity tag is the MD5, unless the bucket is encrypted with KMS."""
    if etag == hashlib.md5(body, usedforsecurity=False).hexdigest():
        return True
    head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return head.get("ChecksumSHA256") == checksum


def _record_upload(uploaded: UploadResult, path: Path, future: Future[bool]) -> None:
    try:
        sent = future.result()
    except (ClientError, BotoCoreError) as error:
        uploaded.failed[path] = format_aws_error(error)
    except OSError as error:
        uploaded.failed[path] = str(error)
    else:
        uploaded.sent += sent
        uploaded.already_present += not sent
