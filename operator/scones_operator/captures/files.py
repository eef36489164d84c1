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
from scones_operator.captures.parser import CorruptRecord, parse_file
from scones_operator.captures.records import CaptureRecord

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

CAPTURE_PREFIX = "captures/"
"""Prefix of captured data in the data bucket, as the machine `promote` sets it up."""

MAX_CONCURRENCY = 8
_PREFETCH = 2 * MAX_CONCURRENCY
"""How many files are downloaded at once, and how many may wait on disk to be read."""

_KEY = re.compile(
    rf"{CAPTURE_PREFIX}(?P<endpoint>[^/]+)/(?P<variant>[^/]+)/(?P<hour>\d{{4}}/\d\d/\d\d/\d\d)/.+"
)
_HOUR = "%Y/%m/%d/%H"

_COLLECTION_PERIOD = timedelta(hours=1)
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
class TimeRange:
    """A range of time: from `since` on, and before `until`; aware datetimes."""

    since: datetime
    until: datetime

    def contains(self, time: datetime) -> bool:
        """Tell whether a moment is in it."""
        return self.since <= time < self.until


def find_files(session: "boto3.Session", stack: Stack, time_range: TimeRange) -> list[CaptureFile]:
    """Find the files that can hold what the production endpoint captured in a range of time.

    Parameters
    ----------
    session, stack
        Where.
    time_range
        The range.

    Returns
    -------
    list of CaptureFile
        The latest first.
    """
    client = session.client("s3")
    # A file is filed under the hour of its first record, and collects others for a while.
    first, last = _hour(time_range.since - _COLLECTION_PERIOD), _hour(time_range.until)
    files = [
        file
        for prefix in _variants(client, stack)
        for file in _files(client, stack, prefix, first, last)
    ]
    return sorted(files, key=_time_order, reverse=True)


def find_file_versions(
    client: "S3Client", bucket: str, time_range: TimeRange
) -> Iterator[ObjectVersion]:
    """Yield all versions of the files that can hold what any endpoint captured in a range of time.

    Parameters
    ----------
    client
        An S3 client.
    bucket
        The data bucket.
    time_range
        The range.
    """
    first = (time_range.since - _COLLECTION_PERIOD).astimezone(UTC)
    days = (time_range.until.astimezone(UTC).date() - first.date()).days
    for endpoint in list_folders(client, bucket, CAPTURE_PREFIX):
        for variant in list_folders(client, bucket, endpoint):
            for day in range(days + 1):
                date = first + timedelta(days=day)
                yield from list_versions(client, bucket, f"{variant}{date:%Y/%m/%d}/")


def read_records(
    session: "boto3.Session",
    files: Sequence[CaptureFile],
    time_range: TimeRange,
    on_read: Callable[[CaptureFile], None],
    limit: int | None = None,
) -> Iterator[CaptureRecord | CorruptRecord]:
    """Read what was captured in a range of time; files are downloaded while others are read.

    Parameters
    ----------
    session
        Where.
    files
        Which, in the order that they are to be read in.
    time_range
        The range; records outside are passed over.
    on_read
        Called with each file when it was read.
    limit
        How many records at most. Of the file that has too many its latest are taken, files
        behind it are not read. None for all.

    Yields
    ------
    Captured or Damage
        File by file.
    """
    remaining = limit
    with _downloading(session.client("s3"), files) as downloaded:
        for file, path in downloaded:
            records = parse_file(path, file.uri, file.endpoint, file.variant)
            selected = (
                record
                for record in records
                if isinstance(record, CorruptRecord) or time_range.contains(record.requested_at)
            )
            for record in selected if remaining is None else _latest(selected, remaining):
                yield record
                remaining = (
                    remaining
                    if remaining is None or isinstance(record, CorruptRecord)
                    else remaining - 1
                )
            path.unlink()
            on_read(file)
            if remaining == 0:
                return


def _latest(
    records: Iterable[CaptureRecord | CorruptRecord], limit: int
) -> Iterator[CaptureRecord | CorruptRecord]:
    """Yield all damage, and the latest records, holding no more of them than that."""
    kept: list[tuple[datetime, int, CaptureRecord]] = []
    for index, record in enumerate(records):
        if isinstance(record, CorruptRecord):
            yield record
        elif len(kept) < limit:
            heapq.heappush(kept, (record.requested_at, index, record))
        else:
            heapq.heappushpop(kept, (record.requested_at, index, record))
    yield from (record for _, _, record in sorted(kept))


def _variants(client: "S3Client", stack: Stack) -> list[str]:
    """Return the prefixes of what the endpoint's variants captured."""
    listed = client.get_paginator("list_objects_v2").paginate(
        Bucket=stack.data_bucket, Prefix=f"{CAPTURE_PREFIX}{stack.endpoint}/", Delimiter="/"
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


def _hour(time: datetime) -> str:
    return time.astimezone(UTC).strftime(_HOUR)


def _time_order(file: CaptureFile) -> tuple[str, str]:
    """Order files by time: they are named after the minute and second of their first record."""
    return file.hour, file.key.rpartition("/")[2]


@contextmanager
def _downloading(
    client: "S3Client", files: Sequence[CaptureFile]
) -> Iterator[Iterator[tuple[CaptureFile, Path]]]:
    """Download files to a folder that lasts as long as this, a few ahead of who reads them."""
    with tempfile.TemporaryDirectory(prefix="scones-captures-") as folder:
        pool = ThreadPoolExecutor(MAX_CONCURRENCY)

        def download(number: int) -> Path:
            path = Path(folder, str(number))
            with path.open("wb") as target:
                client.download_fileobj(files[number].bucket, files[number].key, target)
            return path

        def downloaded() -> Iterator[tuple[CaptureFile, Path]]:
            waiting: deque[Future[Path]] = deque()
            for number, file in enumerate(files):
                while len(waiting) < _PREFETCH and number + len(waiting) < len(files):
                    waiting.append(pool.submit(download, number + len(waiting)))
                yield file, waiting.popleft().result()

        try:
            yield downloaded()
        finally:
            pool.shutdown(cancel_futures=True)
