"""Photos uploaded as drivers do."""

import mimetypes
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scones_operator.aws.stack import Stack
from scones_operator.errors import PreconditionError
from scones_operator.folder_files import list_files, require_photos

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

INCOMING_PREFIX = "incoming/"
"""Where the photos bucket's rule looks for photos."""

MAX_KEY_LENGTH = 1024
"""Bytes of an S3 key, in UTF-8."""

MAX_CONCURRENCY = 4
"""How many photos are uploaded at once."""


@dataclass(frozen=True)
class PhotoFile:
    """A file on disk, and its key in the photos bucket."""

    path: Path
    key: str


@dataclass(frozen=True)
class UploadedPhoto:
    """A photo that is in the bucket now.

    Attributes
    ----------
    photo
        The photo.
    version
        Its version.
    started_at
        When its upload began, in seconds of the monotonic clock.
    """

    photo: PhotoFile
    version: str
    started_at: float = field(compare=False)


def find_photos(paths: Iterable[Path], prefix: str = "") -> list[PhotoFile]:
    """Find the files that are meant, and name their keys.

    Parameters
    ----------
    paths
        Files, whatever they are, and folders. Of a folder all files at any depth are taken but
        hidden and empty ones and those that file managers leave; their keys begin with its name.
    prefix
        What the keys begin with after `INCOMING`.

    Returns
    -------
    list of Photo
        In the order of `paths`, and of their own paths within a folder.

    Raises
    ------
    PreconditionError
        If a path is not there, a file is empty, a folder has no photo, a link out of it or a file
        that is not a photo by its content, or a key would be too long or that of two photos.
    """
    start = INCOMING_PREFIX + prefix.strip("/").removeprefix(INCOMING_PREFIX)
    start = start if start.endswith("/") else start + "/"
    photos = [PhotoFile(file, start + name) for path in paths for file, name in _files(path)]
    _require_keys(photos)
    return photos


def upload_photos(
    session: "boto3.Session",
    stack: Stack,
    photos: Sequence[PhotoFile],
    show: Callable[[UploadedPhoto], None],
) -> list[UploadedPhoto]:
    """Upload photos, a few at a time.

    Parameters
    ----------
    session, stack
        Where to.
    photos
        The photos.
    show
        Called with each upload as it is done, from several threads.

    Returns
    -------
    list of Upload
        One a photo, in their order.
    """
    client = session.client("s3")

    def upload(photo: PhotoFile) -> UploadedPhoto:
        done = upload_photo(client, stack, photo)
        show(done)
        return done

    with _pool() as pool:
        return list(pool.map(upload, photos))


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Work on a few at a time; what has not begun when somebody leaves is not begun any more."""
    pool = ThreadPoolExecutor(MAX_CONCURRENCY)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def upload_photo(client: "S3Client", stack: Stack, photo: PhotoFile) -> UploadedPhoto:
    """Upload a photo."""
    started_at = time.monotonic()
    with photo.path.open("rb") as body:
        answer = client.put_object(
            Bucket=stack.photos_bucket,
            Key=photo.key,
            Body=body,
            ContentType=mimetypes.guess_type(photo.path.name)[0] or "application/octet-stream",
        )
    return UploadedPhoto(photo, str(answer["VersionId"]), started_at)


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that a path means, each with its name."""
    if path.is_file():
        if not path.stat().st_size:
            raise PreconditionError(f"{path} is empty: choose a photo")
        yield path, path.name
        return
    if not path.is_dir():
        raise PreconditionError(f"{path} does not exist")
    found = [file for file in list_files(path, path) if _is_photo(file, path)]
    if not found:
        raise PreconditionError(f"{path} contains no photos: hidden and empty files are skipped")
    require_photos(found)
    for file in found:
        yield file, f"{path.resolve().name}/{file.relative_to(path).as_posix()}".lstrip("/")


def _is_photo(file: Path, folder: Path) -> bool:
    from scones.photos.names import is_system_file  # noqa: PLC0415

    return (
        file.is_file()
        and not is_system_file(file.relative_to(folder).as_posix())
        and file.stat().st_size > 0
    )


def _require_keys(photos: Iterable[PhotoFile]) -> None:
    """Make sure that each photo can have its key, and has it alone."""
    of_key: dict[str, Path] = {}
    for photo in photos:
        size = len(photo.key.encode())
        if size > MAX_KEY_LENGTH:
            raise PreconditionError(
                f"the key of {photo.path} would have {size} bytes, {MAX_KEY_LENGTH} are the most: "
                "shorten its path or the prefix"
            )
        other = of_key.setdefault(photo.key, photo.path)
        if other is not photo.path:
            raise PreconditionError(
                f"{other} and {photo.path} would both have the key {photo.key}: upload them "
                "apart, each with a --prefix of its own"
            )
