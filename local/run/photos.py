"""Uploads photos as drivers do and waits for what becomes of each."""

import json
import mimetypes
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from local.run.folders import LabelledPhoto, Photos
from operations.stack import Stack
from scones.events import PhotoDecided

if TYPE_CHECKING:
    import boto3

IN_FLIGHT = 4
"""How many photos are under way at once. Each starts its own three function processes the first
time, so that more of them would only wait for a laptop's few cores."""

PATIENCE_SECONDS = 330.0
"""How long to wait for one photo: longer than an execution can take."""

ANNOUNCEMENT_SECONDS = 60.0
"""How long to wait from its record to its announcement: the state machine tries each of its three
steps for 7 seconds, and then gives up."""

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Result:
    """What became of one photo.

    Attributes
    ----------
    name
        Path of the photo, relative to its folder.
    truth
        Its class, None where nobody said.
    decided
        The event of its record; None where no record came in time.
    announced
        Whether the record says that the event was published and whoever must know was told.
    latency_ms
        From the start of its upload until its record was seen, up to `POLL_SECONDS` after it was
        written; None where no record came in time.
    """

    name: str
    truth: str | None
    decided: PhotoDecided | None
    announced: bool
    latency_ms: float | None


def decide_photos(
    session: "boto3.Session", stack: Stack, run: str, photos: Photos, show: Callable[[Result], None]
) -> list[Result]:
    """Upload photos, a few at a time, and collect their records.

    Parameters
    ----------
    session, stack
        Where to.
    run
        Name of the folder under ``incoming/`` that they go to.
    photos
        The photos; their keys keep the paths below their folder.
    show
        Called with each result, as it comes.

    Returns
    -------
    list of Result
        One a photo, in the order of `photos`.
    """
    driver = _Driver(session, stack, run, photos.folder)

    def decide(photo: LabelledPhoto) -> Result:
        result = driver.decide(photo)
        show(result)
        return result

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            return list(pool.map(decide, photos.photos))
        finally:
            # Leaving the pool waits for its threads, which may wait for minutes.
            driver.leaving.set()


class _Driver:
    """Uploads photos and waits for their records, in several threads."""

    def __init__(self, session: "boto3.Session", stack: Stack, run: str, folder: Path) -> None:
        self._s3 = session.client("s3")
        self._table = session.client("dynamodb")
        self._stack = stack
        self._run = run
        self._folder = folder
        self.leaving = Event()

    def decide(self, photo: LabelledPhoto) -> Result:
        """Upload a photo and wait until its decision is recorded and announced."""
        name = photo.path.relative_to(self._folder).as_posix()
        key = f"incoming/{self._run}/{name}"
        started = time.monotonic()
        version = self._upload(key, photo.path)
        if self._wait_for(key, version, "event", PATIENCE_SECONDS) is None:
            return Result(name, photo.label, None, announced=False, latency_ms=None)
        latency_ms = (time.monotonic() - started) * 1000
        announced = self._wait_for(key, version, "announced_at", ANNOUNCEMENT_SECONDS)
        record = announced or self._record(key, version)
        decided = PhotoDecided.model_validate_json(record["event"]["S"])
        return Result(name, photo.label, decided, announced is not None, latency_ms)

    def _upload(self, key: str, path: Path) -> str:
        answer = self._s3.put_object(
            Bucket=self._stack.photos_bucket,
            Key=key,
            Body=path.read_bytes(),
            ContentType=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        )
        return str(answer["VersionId"])

    def _wait_for(self, key: str, version: str, attribute: str, patience: float) -> Any:
        """Return a photo's record as soon as it has an attribute, None if it has none in time."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            record = self._record(key, version)
            if record and attribute in record:
                return record
            if self.leaving.wait(POLL_SECONDS):
                raise CancelledError
        return None

    def _record(self, key: str, version: str) -> Any:
        photo = f"s3://{self._stack.photos_bucket}/{key}"
        answer = self._table.get_item(
            TableName=self._stack.results_table,
            Key={"photo": {"S": photo}, "version": {"S": version}},
            ConsistentRead=True,
        )
        return answer.get("Item")


def as_row(result: Result) -> str:
    """Return a result as one line of ``results.jsonl``."""
    decided = result.decided.model_dump(mode="json") if result.decided else {"status": None}
    row = {
        "name": result.name,
        "truth": result.truth,
        "latency_ms": result.latency_ms,
        "announced": result.announced,
        **decided,
    }
    return json.dumps(row, ensure_ascii=False)
