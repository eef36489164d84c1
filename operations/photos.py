"""Photos uploaded as drivers do, and followed until it is announced what became of each."""

import json
import mimetypes
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from operations.escaping import escape_json
from operations.faults import Refused
from operations.folder_files import list_files, require_photos
from operations.stack import Stack

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

    from scones.events import PhotoDecided
    from scones.records import Record

INCOMING = "incoming/"
"""Where the photos bucket's rule looks for photos."""

LONGEST_KEY = 1024
"""Bytes of an S3 key, in UTF-8."""

IN_FLIGHT = 4
"""How many photos are under way at once. Each starts its own three function processes the first
time, so that more of them would only wait for a laptop's few cores."""

PATIENCE_SECONDS = 330.0
"""How long to wait for one photo: longer than an execution can take."""

ANNOUNCEMENT_SECONDS = 60.0
"""How long to wait from its record to its announcement: the state machine tries each of its three
steps for 7 seconds, and then gives up."""

POLL_SECONDS = 0.05
"""Between two looks at a photo's record, at first; later a twentieth of the time waited so far."""

LONGEST_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Photo:
    """A file on disk, and its key in the photos bucket."""

    path: Path
    key: str


@dataclass(frozen=True)
class Upload:
    """A photo that is in the bucket now, and which version of its key it is."""

    photo: Photo
    version: str


@dataclass(frozen=True)
class Fate:
    """What became of a photo.

    Attributes
    ----------
    upload
        The photo.
    record
        Its record; None where none came in time.
    latency_ms
        From the start of its upload until its record was seen, up to `POLL_SECONDS`, or a
        twentieth, after it was written; None where no record came in time.
    """

    upload: Upload
    record: "Record | None"
    latency_ms: float | None

    @property
    def announced(self) -> bool:
        """Whether its event was published and whoever must know was told, in time."""
        return self.record is not None and self.record.announced


def find_photos(paths: Iterable[Path], prefix: str = "") -> list[Photo]:
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
    Refused
        If a path is not there, a file is empty, a folder has no photo, a link out of it or a file
        that is not a photo by its content, or a key would be too long or that of two photos.
    """
    start = INCOMING + prefix.strip("/").removeprefix(INCOMING)
    start = start if start.endswith("/") else start + "/"
    photos = [Photo(file, start + name) for path in paths for file, name in _files(path)]
    _require_keys(photos)
    return photos


def upload_photos(
    session: "boto3.Session", stack: Stack, photos: Sequence[Photo], show: Callable[[Upload], None]
) -> list[Upload]:
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

    def upload(photo: Photo) -> Upload:
        done = upload_photo(client, stack, photo)
        show(done)
        return done

    with _pool() as pool:
        return list(pool.map(upload, photos))


def decide_photos(
    session: "boto3.Session", stack: Stack, photos: Sequence[Photo], show: Callable[[Fate], None]
) -> list[Fate]:
    """Upload photos, a few at a time, and follow each until its decision is announced.

    Parameters are those of `upload_photos`; `show` is called with each fate as it is known.

    Returns
    -------
    list of Fate
        One a photo, in their order.
    """
    leaving = Event()
    driver = _Driver(session, stack, leaving)

    def decide(photo: Photo) -> Fate:
        fate = driver.decide(photo)
        show(fate)
        return fate

    with _pool() as pool:
        try:
            return list(pool.map(decide, photos))
        finally:
            # Leaving the pool waits for its threads, which may wait for minutes.
            leaving.set()


def result_line(
    name: str,
    truth: str | None,
    latency_ms: float | None,
    decided: "PhotoDecided | None",
    *,
    announced: bool,
) -> str:
    """Write what became of a photo as one line of ``results.jsonl``, without the newline.

    Parameters
    ----------
    name
        What the photo is called there.
    truth
        Its class, None where that is not known.
    latency_ms
        From the start of its upload until its record was seen; None where none came in time.
    decided
        What was decided, None where no record came in time.
    announced
        Whether that was published in time.
    """
    row = {
        "name": name,
        "truth": truth,
        "latency_ms": latency_ms,
        "announced": announced,
        **(decided.model_dump(mode="json") if decided else {"status": None}),
    }
    return escape_json(json.dumps(row, ensure_ascii=False))


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Work on a few at a time; what has not begun when somebody leaves is not begun any more."""
    pool = ThreadPoolExecutor(IN_FLIGHT)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class _Driver:
    """Uploads photos and waits for their records, in several threads."""

    def __init__(self, session: "boto3.Session", stack: Stack, leaving: Event) -> None:
        self._s3 = session.client("s3")
        self._table = session.client("dynamodb")
        self._stack = stack
        self._leaving = leaving

    def decide(self, photo: Photo) -> Fate:
        """Upload a photo and wait until its decision is recorded and announced."""
        started = time.monotonic()
        upload = upload_photo(self._s3, self._stack, photo)
        record = self._wait_for(upload, PATIENCE_SECONDS, lambda record: True)
        if record is None:
            return Fate(upload, None, None)
        latency_ms = (time.monotonic() - started) * 1000
        announced = self._wait_for(upload, ANNOUNCEMENT_SECONDS, lambda record: record.announced)
        return Fate(upload, announced or record, latency_ms)

    def _wait_for(
        self, upload: Upload, patience: float, wanted: "Callable[[Record], bool]"
    ) -> "Record | None":
        """Return a photo's record as soon as it is as wanted, None if it is not in time."""
        # It brings Pydantic and the photos' decoders, which takes long beside showing help.
        from scones.records import read_record  # noqa: PLC0415

        uri = f"s3://{self._stack.photos_bucket}/{upload.photo.key}"
        started = time.monotonic()
        while (waited := time.monotonic() - started) < patience:
            record = read_record(self._table, self._stack.results_table, uri, upload.version)
            if record and wanted(record):
                return record
            pause = min(max(POLL_SECONDS, waited / 20), LONGEST_POLL_SECONDS)
            if self._leaving.wait(pause):
                raise CancelledError
        return None


def upload_photo(client: "S3Client", stack: Stack, photo: Photo) -> Upload:
    """Upload a photo."""
    with photo.path.open("rb") as body:
        answer = client.put_object(
            Bucket=stack.photos_bucket,
            Key=photo.key,
            Body=body,
            ContentType=mimetypes.guess_type(photo.path.name)[0] or "application/octet-stream",
        )
    return Upload(photo, str(answer["VersionId"]))


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that a path means, each with its name."""
    if path.is_file():
        if not path.stat().st_size:
            raise Refused(f"{path} is empty: choose a photo")
        yield path, path.name
        return
    if not path.is_dir():
        raise Refused(f"there is no file or folder {path}")
    found = [file for file in list_files(path, path) if _is_photo(file, path)]
    if not found:
        raise Refused(f"{path} holds no photos: hidden and empty files are passed over")
    require_photos(found)
    for file in found:
        yield file, f"{path.resolve().name}/{file.relative_to(path).as_posix()}".lstrip("/")


def _is_photo(file: Path, folder: Path) -> bool:
    from scones.photos.names import is_left_by_a_program  # noqa: PLC0415

    return (
        file.is_file()
        and not is_left_by_a_program(file.relative_to(folder).as_posix())
        and file.stat().st_size > 0
    )


def _require_keys(photos: Iterable[Photo]) -> None:
    """Make sure that each photo can have its key, and has it alone."""
    of_key: dict[str, Path] = {}
    for photo in photos:
        size = len(photo.key.encode())
        if size > LONGEST_KEY:
            raise Refused(
                f"the key of {photo.path} would have {size} bytes, {LONGEST_KEY} are the most: "
                "shorten its path or the prefix"
            )
        other = of_key.setdefault(photo.key, photo.path)
        if other is not photo.path:
            raise Refused(
                f"{other} and {photo.path} would both be {photo.key}: upload them apart, each "
                "with a --prefix of its own"
            )
