"""Wait until the decisions on uploaded photos are announced."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from scones.classes import NONE_OF_THE_CLASSES
from scones_operator.aws.stack import Stack
from scones_operator.escaping import escape_json
from scones_operator.photos.uploads import MAX_CONCURRENCY, PhotoFile, UploadedPhoto, upload_photo

if TYPE_CHECKING:
    import boto3

    from scones.events import PhotoDecided
    from scones.records import Record, UnreadableRecord

MAX_IN_FLIGHT = 4
"""Maximum number of photos that `upload_and_wait` has in flight.

A laptop has only a few cores: with more, the measured latencies would be those of a queue.
"""

DECISION_TIMEOUT_SECONDS = 330.0
"""Maximum time without a decision, longer than an execution can take."""

ANNOUNCEMENT_TIMEOUT_SECONDS = 60.0
"""Maximum time from a photo's record to its announcement.

The state machine tries each of its three steps for 7 seconds, and then gives up.
"""

POLL_SECONDS = 0.05
"""Shortest time between two polls of the records; later a twentieth of the time since the last one.
"""

MAX_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class PhotoResult:
    """The result of one uploaded photo.

    Attributes
    ----------
    upload
        The photo.
    record
        Its record, or None if none came in time.
    latency_ms
        From the start of its upload until its record was seen, up to `POLL_SECONDS`, or a
        twentieth, after it was written; None where no record came in time.
    trouble
        Why the photo's record cannot be read, or None.
    """

    upload: UploadedPhoto
    record: "Record | None"
    latency_ms: float | None
    error: str | None = None

    @property
    def announced(self) -> bool:
        """Whether its event was published and whoever must know was notified, in time."""
        return self.record is not None and self.record.announced


def wait_for_results(
    session: "boto3.Session",
    stack: Stack,
    uploads: Iterable[UploadedPhoto],
    show: Callable[[PhotoResult], None],
    timeout: float = DECISION_TIMEOUT_SECONDS,
) -> list[PhotoResult]:
    """Wait until the decisions of uploaded photos are announced.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    uploads
        The photos.
    show
        Called with each result as it is known.
    timeout
        Seconds without any new record after which the remaining photos are given up.

    Returns
    -------
    list of PhotoResult
        One per photo, in their order.
    """
    waiting = _Waiting(session, stack, timeout)
    keys = [waiting.add(upload) for upload in uploads]
    results: dict[str, PhotoResult] = {}
    while len(waiting):
        for result in waiting.check():
            show(result)
            results[result.upload.photo.key] = result
    return [results[key] for key in keys]


def upload_and_wait(
    session: "boto3.Session",
    stack: Stack,
    photos: Sequence[PhotoFile],
    show: Callable[[PhotoResult], None],
) -> list[PhotoResult]:
    """Upload photos, `MAX_IN_FLIGHT` at a time, and wait for the results.

    Once some were waited for in vain, the others are uploaded all at once, so that a stack that
    decides nothing is waited for only once.

    Parameters are those of `wait_for_results`; the result, too.
    """
    waiting = _Waiting(session, stack, DECISION_TIMEOUT_SECONDS)
    upload = partial(upload_photo, session.client("s3"), stack)
    results: dict[str, PhotoResult] = {}
    ahead = iter(photos)
    in_flight = MAX_IN_FLIGHT
    while len(results) < len(photos):
        for photo in islice(ahead, in_flight - len(waiting)):
            waiting.add(upload(photo))
        for result in waiting.check():
            show(result)
            results[result.upload.photo.key] = result
            if result.record is None and result.error is None:
                in_flight = len(photos)
    return [results[photo.key] for photo in photos]


def is_correct(truth: str, label: str | None, status: str) -> bool:
    """Return True if a decision is right: a photo of none of the classes is right in review.

    Parameters
    ----------
    truth
        Its class, or `NONE_OF_THE_CLASSES`.
    label
        The most likely class.
    status
        Status of the decision.
    """
    if truth == NONE_OF_THE_CLASSES:
        return status == "needs_review"
    return label == truth


def result_json_line(
    name: str,
    truth: str | None,
    latency_ms: float | None,
    decided: "PhotoDecided | None",
    *,
    announced: bool,
) -> str:
    """Write the result of a photo as one line of ``results.jsonl``, without the newline.

    Parameters
    ----------
    name
        Name of the photo in the file.
    truth
        Class of the photo, or None if it is unknown.
    latency_ms
        From the start of its upload until its record was seen, or None if none came in time.
    decided
        The decision, or None if no record came in time.
    announced
        Whether the decision was published in time.
    """
    row = {
        "name": name,
        "truth": truth,
        "latency_ms": latency_ms,
        "announced": announced,
        **(decided.model_dump(mode="json") if decided else {"status": None}),
    }
    return escape_json(json.dumps(row, ensure_ascii=False))


class _Waiting:
    """Uploads that are not decided, or not announced yet."""

    def __init__(self, session: "boto3.Session", stack: Stack, timeout: float) -> None:
        self._table = session.client("dynamodb")
        self._stack = stack
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(MAX_CONCURRENCY)
        self._pending: dict[str, PhotoResult] = {}
        self._recorded_at: dict[str, float] = {}
        self._progress_at = time.monotonic()

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, upload: UploadedPhoto) -> str:
        """Add an upload and return its key."""
        self._pending[upload.photo.key] = PhotoResult(upload, None, None)
        self._progress_at = time.monotonic()
        return upload.photo.key

    def check(self) -> Iterator[PhotoResult]:
        """Read the records of all, and yield the results that are final."""
        records = list(self._pool.map(self._read, self._pending.values()))
        before = self._progress_at
        for result, record in zip(list(self._pending.values()), records, strict=True):
            yield from self._update(result, record)
        if self._progress_at == before:
            yield from self._give_up_or_pause()

    def _read(self, result: PhotoResult) -> "Record | UnreadableRecord | None":
        # Lazy import: Pydantic and the photos' decoders slow down --help.
        from scones.records import UnreadableRecord, read_record  # noqa: PLC0415

        upload = result.upload
        uri = f"s3://{self._stack.photos_bucket}/{upload.photo.key}"
        try:
            return read_record(self._table, self._stack.results_table, uri, upload.version)
        except UnreadableRecord as error:
            return error

    def _update(
        self, result: PhotoResult, record: "Record | UnreadableRecord | None"
    ) -> Iterator[PhotoResult]:
        """Keep what was read of a photo, and yield its result if that is final."""
        if record is None:
            return
        key, now = result.upload.photo.key, time.monotonic()
        if isinstance(record, Exception):
            self._progress_at = now
            yield replace(self._pending.pop(key), error=str(record))
            return
        if result.record is None:
            latency_ms = (now - result.upload.started_at) * 1000
            result = replace(result, latency_ms=latency_ms)
            self._recorded_at[key] = self._progress_at = now
        result = replace(result, record=record)
        self._pending[key] = result
        late = now - self._recorded_at[key] >= ANNOUNCEMENT_TIMEOUT_SECONDS
        if record.announced or late:
            self._progress_at = now
            yield self._pending.pop(key)

    def _give_up_or_pause(self) -> Iterator[PhotoResult]:
        waited = time.monotonic() - self._progress_at
        if waited < self._timeout:
            time.sleep(min(max(POLL_SECONDS, waited / 20), MAX_POLL_SECONDS))
            return
        for key in [key for key, result in self._pending.items() if result.record is None]:
            yield self._pending.pop(key)
