"""Drivers who upload test photos at a steady rate, and what becomes of each photo."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scones_operator.aws.stack import Stack
from scones_operator.photos.sampling import Sample
from scones_operator.photos.upload_results import (
    ANNOUNCEMENT_TIMEOUT_SECONDS,
    DECISION_TIMEOUT_SECONDS,
    result_json_line,
)
from scones_operator.photos.uploads import PhotoFile, upload_photo

if TYPE_CHECKING:
    import boto3

    from scones.records import Record

MAX_CONCURRENCY = 8
"""How many photos are uploaded at once."""

POLL_SECONDS = 0.1
"""Between two looks at the records of the photos that are under way."""

BATCH_SIZE = 100
"""Records that DynamoDB gives at once."""

RESULTS_DIR = Path("build/simulations")
"""Where the results of simulations are kept."""


@dataclass(frozen=True)
class Clock:
    """Tells the time in seconds, and waits."""

    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


def _new_name() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{random.randrange(16**4):04x}"  # noqa: S311


@dataclass(frozen=True)
class SimulationPlan:
    """What is to be sent.

    Attributes
    ----------
    photos
        Which, at least one.
    rate
        How many a second.
    name
        Of the simulation, and of the folder of its own that they are sent to.
    """

    photos: Sequence[Sample]
    rate: float
    name: str = field(default_factory=_new_name)

    @property
    def folder(self) -> str:
        """What the photos' keys begin with."""
        # It brings Pydantic and the photos' decoders, which takes long beside showing help.
        from scones.records import SIMULATED_PREFIX  # noqa: PLC0415

        return f"{SIMULATED_PREFIX}{self.name}/"


@dataclass
class SentPhoto:
    """A photo that was sent, and what is known of it.

    Attributes
    ----------
    photo, key
        Which, and its key in the photos bucket.
    started_at
        When its upload began, by the simulation's clock.
    version
        Of the S3 object; None while it is uploaded.
    record
        Its record, once there is one.
    seen_at
        When that was seen first, by the simulation's clock.
    """

    photo: Sample
    key: str
    started_at: float = 0.0
    version: str | None = None
    record: "Record | None" = None
    seen_at: float | None = None

    @property
    def latency_ms(self) -> float | None:
        """From the start of its upload until its record was seen."""
        return None if self.seen_at is None else (self.seen_at - self.started_at) * 1000

    @property
    def status(self) -> str | None:
        """How it ended; None where no record came in time."""
        return self.record.decision.status if self.record else None


@dataclass(frozen=True)
class Simulation:
    """What became of the photos.

    Attributes
    ----------
    name
        Of the folder below ``simulated/`` that they were sent to.
    sent
        The photos, in the order in which they were sent.
    begun, ended
        When (UTC) the first one was sent, and the last one decided.
    rate
        Photos a second that were to be sent.
    skipped
        The records that could not be read, or None if there is none.
    """

    name: str
    sent: Sequence[SentPhoto]
    started_at: datetime
    ended_at: datetime
    rate: float
    skipped: str | None = None

    @property
    def achieved_rate(self) -> float | None:
        """Photos a second that were sent; None where there is one only."""
        took = self.sent[-1].started_at - self.sent[0].started_at
        return (len(self.sent) - 1) / took if took > 0 else None

    @property
    def prediction_count(self) -> int:
        """How many photos the model was asked about."""
        return sum(one.status in ("classified", "needs_review") for one in self.sent)


def run_simulation(
    session: "boto3.Session",
    stack: Stack,
    plan: SimulationPlan,
    show: Callable[[SentPhoto], None],
    clock: Clock | None = None,
) -> Simulation:
    """Send photos at a steady rate, several at a time, and wait for what becomes of them.

    Each has its moment, counted from the beginning, so that a late one does not delay others.

    Parameters
    ----------
    session, stack
        Where to.
    plan
        What to send.
    show
        Called with each photo when it is decided.
    clock
        The time; the machine's own by default.
    """
    begun = datetime.now(UTC)
    clock = clock or Clock()
    drivers = _PhotoSender(session, stack, show, clock)
    sent = [
        SentPhoto(photo, f"{plan.folder}{number:05d}-{photo.path.name}")
        for number, photo in enumerate(plan.photos)
    ]
    pool = ThreadPoolExecutor(MAX_CONCURRENCY)
    try:
        start = clock.now()
        for number, one in enumerate(sent):
            drivers.collect_until(start + number / plan.rate)
            drivers.started.append(pool.submit(drivers.upload, one))
        drivers.collect_all()
    finally:
        pool.shutdown(cancel_futures=True)
    ended = datetime.now(UTC)
    return Simulation(plan.name, sent, begun, ended, plan.rate, drivers.skipped.message)


@dataclass
class _PhotoSender:
    """Uploads photos, and looks for the records of those that are under way."""

    session: "boto3.Session"
    stack: Stack
    show: Callable[[SentPhoto], None]
    clock: Clock
    started: list["Future[SentPhoto]"] = field(default_factory=list)
    _under_way: list[SentPhoto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._s3 = self.session.client("s3")
        from scones.records import Skipped  # noqa: PLC0415

        self._table = self.session.client("dynamodb")
        self.skipped = Skipped()

    def upload(self, one: SentPhoto) -> SentPhoto:
        """Upload a photo."""
        one.started_at = self.clock.now()
        one.version = upload_photo(self._s3, self.stack, PhotoFile(one.photo.path, one.key)).version
        return one

    def collect_until(self, moment: float) -> None:
        """Look for records until a moment."""
        while (left := moment - self.clock.now()) > 0:
            self._collect()
            self.clock.wait(min(left, POLL_SECONDS))

    def collect_all(self) -> None:
        """Look for records until all photos are decided, or nothing more is to be expected."""
        while self.started or self._under_way:
            self._collect()
            self.clock.wait(POLL_SECONDS)

    def _collect(self) -> None:
        done = [future for future in self.started if future.done()]
        self.started = [future for future in self.started if not future.done()]
        self._under_way += [future.result() for future in done]
        for start in range(0, len(self._under_way), BATCH_SIZE):
            self._read(self._under_way[start : start + BATCH_SIZE])
        ended = [one for one in self._under_way if self._has_ended(one)]
        self._under_way = [one for one in self._under_way if not self._has_ended(one)]
        for one in ended:
            self.show(one)

    def _read(self, batch: Iterable[SentPhoto]) -> None:
        # It brings Pydantic and the photos' decoders, which takes long beside showing help.
        from scones.records import UnreadableRecord, record_from_item  # noqa: PLC0415

        keys: list[Any] = [
            {
                "photo": {"S": f"s3://{self.stack.photos_bucket}/{one.key}"},
                "version": {"S": one.version},
            }
            for one in batch
        ]
        table = self.stack.results_table
        answer = self._table.batch_get_item(
            RequestItems={table: {"Keys": keys, "ConsistentRead": True}}
        )
        now = self.clock.now()
        by_version = {}
        for item in answer["Responses"].get(table, []):
            try:
                record = record_from_item(item)
            except UnreadableRecord as error:
                self.skipped.add(error)
            else:
                by_version[record.version] = record
        for one in batch:
            if one.version in by_version:
                one.record = by_version[one.version]
                one.seen_at = now if one.seen_at is None else one.seen_at

    def _has_ended(self, one: SentPhoto) -> bool:
        now = self.clock.now()
        if one.record is None or one.seen_at is None:
            return now - one.started_at > DECISION_TIMEOUT_SECONDS
        return one.record.announced or now - one.seen_at > ANNOUNCEMENT_TIMEOUT_SECONDS


def summarize(simulation: Simulation, seed: int, captured: int) -> dict[str, Any]:
    """Return the figures of a simulation.

    Parameters
    ----------
    simulation
        What became of the photos.
    seed
        What its photos were picked with.
    captured
        How many records were captured meanwhile, of whatever photos.

    Returns
    -------
    dict
        Counts by status and by label; ``unfamiliar`` (photos that need review as they do not
        resemble the training photos); ``accuracy`` (share of the labelled photos whose most
        likely class is right) and ``accepted_accuracy`` (the same over those classified without a
        person), 0 to 1 and null where there are none; ``latency_ms`` from the start of the upload
        until the record was seen, up to `POLL_SECONDS` after it was written.
    """
    # It brings boto3, which takes longer than showing a command's help.
    from scones.percentiles import percentile  # noqa: PLC0415

    sent = simulation.sent
    taken = [one.latency_ms for one in sent if one.latency_ms is not None]
    latency = {f"p{n}": round(percentile(taken, n), 1) if taken else None for n in (50, 95)}
    labels = Counter(one.record.decision.label for one in sent if one.record)
    return {
        "simulation": simulation.name,
        "seed": seed,
        "begun": simulation.started_at.isoformat(),
        "ended": simulation.ended_at.isoformat(),
        "photos": len(sent),
        "statuses": dict(Counter(one.status or "no record" for one in sent).most_common()),
        "unfamiliar": sum(bool(one.record and one.record.decision.unfamiliar) for one in sent),
        "labels": {label: count for label, count in labels.most_common() if label},
        "accuracy": _accuracy(sent, ("classified", "needs_review")),
        "accepted_accuracy": _accuracy(sent, ("classified",)),
        "latency_ms": latency,
        "rate": simulation.rate,
        "rate_reached": _rounded(simulation.achieved_rate),
        "captured": captured,
    }


def write_results(simulation: Simulation, summary: Mapping[str, Any], folder: Path) -> Path:
    """Write ``results.jsonl`` and ``summary.json`` to a folder of the simulation's own.

    Returns
    -------
    Path
        Of results.jsonl: one photo a line, with its class where it is known, for the report.
    """
    own = folder / simulation.name
    own.mkdir(parents=True, exist_ok=True)
    results = own / "results.jsonl"
    results.write_text("".join(_row(one) + "\n" for one in simulation.sent), "utf-8")
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    (own / "summary.json").write_text(text, "utf-8")
    return results


def _row(one: SentPhoto) -> str:
    record = one.record
    return result_json_line(
        one.key,
        one.photo.label,
        one.latency_ms,
        record.decision if record else None,
        announced=record is not None and record.announced,
    )


def _accuracy(sent: Iterable[SentPhoto], statuses: Sequence[str]) -> float | None:
    right = [
        one.record.decision.label == one.photo.label
        for one in sent
        if one.photo.label and one.record and one.status in statuses
    ]
    return _rounded(sum(right) / len(right)) if right else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
