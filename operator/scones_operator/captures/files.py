"""Finds the files of captured data in the data bucket, and reads them from there."""

import heapq
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from scones.object_versions import ObjectVersion, list_folders, list_versions
from scones_operator.aws.stack import Stack
from scones_operator.captures.parser import Damage, read_file
from scones_operator.captures.records import Captured

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

CAPTURES = "captures/"
"""Prefix of captured data in the data bucket, as the machine `promote` sets it up."""

THREADS = 8
_AHEAD = 2 * THREADS
"""How many files are downloaded at once, and how many may wait on disk to be read."""

_KEY = re.compile(
    rf"{CAPTURES}(?P<endpoint>[^/]+)/(?P<variant>[^/]+)/(?P<hour>\d{{4}}/\d\d/\d\d/\d\d)/.+"
)
_HOUR = "%Y/%m/%d/%H"

_COLLECTED = timedelta(hours=1)
"""How much later than the hour that a file is filed under a record in it may be."""


@dataclass(frozen=True)
class CaptureFile:
    """A file of captured data in S3.

    Attributes
    ----------
    bucket, key, size
        The object.
    endpoint, variant
        Who answered what is in it.
    hour
        In which hour its first request came, as in its key: ``2026/11/20/09`` (UTC).
    """

    bucket: str
    key: str
    size: int
    endpoint: str
    variant: str
    hour: str

    @property
    def uri(self) -> str:
        """Its S3 URI."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Span:
    """A range of time: from `since` on, and before `until`; aware datetimes."""

    since: datetime
    until: datetime

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment is in it."""
        return self.since <= moment < self.until


def find_files(session: "boto3.Session", stack: Stack, span: Span) -> list[CaptureFile]:
    """Find the files that can hold what the production endpoint captured in a range of time.

    Parameters
    ----------
    session, stack
        Where.
    span
        The range.

    Returns
    -------
    list of CaptureFile
        The latest first.
    """
    client = session.client("s3")
    # A file is filed under the hour of its first record, and collects others for a while.
    first, last = _hour(span.since - _COLLECTED), _hour(span.until)
    found = [
        file
        for prefix in _variants(client, stack)
        for file in _files(client, stack, prefix, first, last)
    ]
    return sorted(found, key=_when, reverse=True)


def find_file_versions(client: "S3Client", bucket: str, span: Span) -> Iterator[ObjectVersion]:
    """Yield all versions of the files that can hold what any endpoint captured in a range of time.

    Parameters
    ----------
    client
        An S3 client.
    bucket
        The data bucket.
    span
        The range.
    """
    first = (span.since - _COLLECTED).astimezone(UTC)
    days = (span.until.astimezone(UTC).date() - first.date()).days
    for endpoint in list_folders(client, bucket, CAPTURES):
        for variant in list_folders(client, bucket, endpoint):
            for day in range(days + 1):
                date = first + timedelta(days=day)
                yield from list_versions(client, bucket, f"{variant}{date:%Y/%m/%d}/")


def read_files(
    session: "boto3.Session",
    files: Sequence[CaptureFile],
    span: Span,
    show: Callable[[CaptureFile], None],
    limit: int | None = None,
) -> Iterator[Captured | Damage]:
    """Read what was captured in a range of time; files are downloaded while others are read.

    Parameters
    ----------
    session
        Where.
    files
        Which, in the order that they are to be read in.
    span
        The range; records outside are passed over.
    show
        Called with each file when it was read.
    limit
        How many records at most. Of the file that has too many its latest are taken, files
        behind it are not read. None for all.

    Yields
    ------
    Captured or Damage
        File by file.
    """
    left = limit
    with _downloading(session.client("s3"), files) as downloaded:
        for file, path in downloaded:
            found = read_file(path, file.uri, file.endpoint, file.variant)
            wanted = (item for item in found if isinstance(item, Damage) or span.holds(item.at))
            for item in wanted if left is None else _latest(wanted, left):
                yield item
                left = left if left is None or isinstance(item, Damage) else left - 1
            path.unlink()
            show(file)
            if left == 0:
                return


def _latest(found: Iterable[Captured | Damage], most: int) -> Iterator[Captured | Damage]:
    """Yield all damage, and the latest records, holding no more of them than that."""
    kept: list[tuple[datetime, int, Captured]] = []
    for place, item in enumerate(found):
        if isinstance(item, Damage):
            yield item
        elif len(kept) < most:
            heapq.heappush(kept, (item.at, place, item))
        else:
            heapq.heappushpop(kept, (item.at, place, item))
    yield from (item for _, _, item in sorted(kept))


def _variants(client: "S3Client", stack: Stack) -> list[str]:
    """Return the prefixes of what the endpoint's variants captured."""
    listed = client.get_paginator("list_objects_v2").paginate(
        Bucket=stack.data_bucket, Prefix=f"{CAPTURES}{stack.endpoint}/", Delimiter="/"
    )
    return [found["Prefix"] for page in listed for found in page.get("CommonPrefixes", [])]


def _files(
    client: "S3Client", stack: Stack, prefix: str, first: str, last: str
) -> Iterator[CaptureFile]:
    """Yield the files of a variant from one hour to another, both among them."""
    # Keys come in the order of their hours, so that those before and behind are not listed.
    listed = client.get_paginator("list_objects_v2").paginate(
        Bucket=stack.data_bucket, Prefix=prefix, StartAfter=f"{prefix}{first}"
    )
    for page in listed:
        for entry in page.get("Contents", []):
            if not (parts := _KEY.fullmatch(entry["Key"])):
                continue
            if parts["hour"] > last:
                return
            yield CaptureFile(
                bucket=stack.data_bucket, key=entry["Key"], size=entry["Size"], **parts.groupdict()
            )


def _hour(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_HOUR)


def _when(file: CaptureFile) -> tuple[str, str]:
    """Order files by time: they are named after the minute and second of their first record."""
    return file.hour, file.key.rpartition("/")[2]


@contextmanager
def _downloading(
    client: "S3Client", files: Sequence[CaptureFile]
) -> Iterator[Iterator[tuple[CaptureFile, Path]]]:
    """Download files to a folder that lasts as long as this, a few ahead of who reads them."""
    with tempfile.TemporaryDirectory(prefix="scones-captures-") as folder:
        pool = ThreadPoolExecutor(THREADS)

        def download(number: int) -> Path:
            path = Path(folder, str(number))
            with path.open("wb") as target:
                client.download_fileobj(files[number].bucket, files[number].key, target)
            return path

        def downloaded() -> Iterator[tuple[CaptureFile, Path]]:
            waiting: deque[Future[Path]] = deque()
            for number, file in enumerate(files):
                while len(waiting) < _AHEAD and number + len(waiting) < len(files):
                    waiting.append(pool.submit(download, number + len(waiting)))
                yield file, waiting.popleft().result()

        try:
            yield downloaded()
        finally:
            pool.shutdown(cancel_futures=True)
