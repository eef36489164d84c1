"""Forget a photo: find and remove everything in the stack that names or holds it.

Traces are found, and removed, in one order: what leads to other traces goes last. After a run that
was interrupted another run therefore finds the rest.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from scones.datasets.layout import DATASET
from scones.datasets.split_folders import split_kind
from scones.decisions import DECIMALS
from scones.object_versions import (
    ObjectVersion,
    list_folders,
    list_key_versions,
    list_versions,
    remove_version,
)
from scones.records import SIMULATED_PREFIX, Record, inference_id, read_versions
from scones.reviews.labeled_photos import REVIEWED_FOLDER, copy_name, copy_stem, is_copy_of
from scones.runs import (
    IMAGES_PREFIX,
    LISTS_PREFIX,
    NEGATIVES_LIST,
    RETENTION_TAG,
    RUNS_PREFIX,
    VALIDATION_LIST,
    read_entries,
)
from scones_operator.aws.classify_log import MAX_EXECUTION_TIME
from scones_operator.aws.stack import Stack
from scones_operator.captures.files import TimeRange, find_file_versions
from scones_operator.captures.records import CaptureRecord, InvalidCaptureError, parse_record
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.escaping import quote
from scones_operator.models import registry
from scones_operator.photos import dead_letter_queue
from scones_operator.photos.uploads import INCOMING_PREFIX

if TYPE_CHECKING:
    import boto3

TraceKind = Literal[
    "queue",
    "capture",
    "image",
    "prediction",
    "list",
    "dataset copy",
    "photo",
    "record",
]

REDELIVERY = timedelta(days=15)
"""Longest time from a decision to a later request for the same photo: 14 days in the dead-letter
queue, and a redrive. Its answer is captured too, though the decision stays."""

_PREDICTIONS = "predictions/"


@dataclass(frozen=True)
class Trace:
    """Something that names or holds the photo.

    Attributes
    ----------
    place
        Kind of place.
    name
        URI of the object or the queue, or key of the record.
    remove
        Removes it; doing so twice changes nothing.
    """

    place: TraceKind
    name: str
    remove: Callable[[], object] = field(repr=False, compare=False)


@dataclass(frozen=True)
class TrainedRun:
    """A retraining that used the photo.

    Attributes
    ----------
    run
        Name of the run, and of its training job.
    use
        ``trained`` or ``validated``: the model learned from the photo, or was only evaluated with
        it.
    version
        Version of the model in the registry; None if the run registered none.
    """

    run: str
    use: Literal["trained", "validated"]
    version: int | None


@dataclass(frozen=True)
class PhotoTraces:
    """What the stack has of a photo.

    Attributes
    ----------
    uri
        S3 URI of the photo.
    traces
        What can be removed, in the order of removal.
    learned
        The retrainings that used it, which can not.
    """

    uri: str
    traces: Sequence[Trace]
    learned: Sequence[TrainedRun]


@dataclass(frozen=True)
class _Photo:
    """A key of the photos bucket, with its versions in S3 and its records."""

    uri: str
    stored: Sequence[ObjectVersion]
    records: Sequence[Record]

    @property
    def versions(self) -> set[str]:
        """All versions that are known, as the results table has them."""
        return {version.id for version in self.stored} | {one.version for one in self.records}

    @property
    def span(self) -> TimeRange | None:
        """When it may have been sent to the endpoint; None if nothing is known of it."""
        timings = [record.decision.timings for record in self.records]
        begun = [version.modified_at for version in self.stored]
        begun += [one.uploaded_at for one in timings]
        if not begun:
            return None
        now = datetime.now(UTC)
        # A failed photo may be redriven at any time, and keeps its first decision if it fails.
        final = self.records and all(one.decision.status != "failed" for one in self.records)
        until = max(one.decided_at for one in timings) + REDELIVERY if final else now
        return TimeRange(min(begun) - timedelta(minutes=1), min(until, now) + timedelta(minutes=1))


def photo_key(stack: Stack, photo: str) -> str:
    """Return the key of a photo that is named whole: only part of a name may mean another photo.

    Parameters
    ----------
    stack
        The deployed stack.
    photo
        S3 URI, or key with or without `INCOMING`.

    Raises
    ------
    PreconditionError
        If the URI is not one of the photos bucket.
    """
    if photo.startswith("s3://"):
        bucket, _, key = photo.removeprefix("s3://").partition("/")
        if bucket != stack.photos_bucket:
            raise PreconditionError(
                f"{quote(photo)} is not in the photos bucket, {stack.photos_bucket}"
            )
        return key
    return (
        photo if photo.startswith((INCOMING_PREFIX, SIMULATED_PREFIX)) else INCOMING_PREFIX + photo
    )


def find_traces(session: "boto3.Session", stack: Stack, key: str) -> PhotoTraces:
    """Find everything that names or holds a photo; nothing is changed.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    key
        Key of the photo, all versions of which are meant.

    Raises
    ------
    PreconditionError
        If the photo is being decided or trained on: it would leave new traces.
    """
    search = _Search(session, stack)
    photo = search.read(key)
    _require_decided(photo)
    copies = search.find_copies(key, photo)
    if copies:
        search.require_no_retraining()
    others = search.find_test_photos(copies)
    photos = [*others, photo]
    known = _Copies(frozenset(copy.key for copy in copies), copy_stem(photo.uri))
    listed = list(search.find_lists(known))
    traces = [
        *search.queues([one.uri for one in photos]),
        *search.captures(photos),
        *search.predictions_and_images(listed),
        *search.list_entries(listed),
        *(trace for one in others for trace in (*search.records(one), *search.objects(one))),
        *search.dataset_copies(copies),
        *search.objects(photo),
        *search.records(photo),
    ]
    return PhotoTraces(photo.uri, traces, search.learned(listed))


def forget(findings: PhotoTraces, show: Callable[[Trace], None]) -> None:
    """Remove what was found.

    Parameters
    ----------
    findings
        Result of `find_traces`.
    show
        Called with each trace that was removed.
    """
    for trace in findings.traces:
        trace.remove()
        show(trace)


@dataclass(frozen=True)
class _Copies:
    """What the photo's copies in the dataset are called.

    Attributes
    ----------
    keys
        Keys of those that are there.
    stem
        How the names of all begin: lists also name copies that were removed since.
    """

    keys: frozenset[str]
    stem: str

    def may_be_in(self, data: bytes) -> bool:
        """Return False if a list can not name a copy; names of copies are ASCII."""
        names = (self.stem, *(key.rpartition("/")[2] for key in self.keys))
        return any(f"{REVIEWED_FOLDER}/{name}".encode() in data for name in names)

    def include(self, path: str) -> bool:
        """Return True if a list's path, relative to its root, is that of a copy."""
        folder, _, name = path.rpartition("/")
        in_reviewed = folder.rpartition("/")[2] == REVIEWED_FOLDER
        known = any(key.endswith(f"/{path}") for key in self.keys)
        return known or (in_reviewed and name.startswith(self.stem))


@dataclass(frozen=True)
class _List:
    """A list of a run that names a copy.

    Attributes
    ----------
    key
        Of the list.
    run
        Prefix of the run.
    indices
        Indices of the photo's prepared images; none if the list is not one of the evaluation.
    without
        Returns the content of a list without the copies.
    """

    key: str
    run: str
    indices: frozenset[int]
    without: Callable[[bytes], bytes]


class _Search:
    """Finds what the services of a stack have of a photo."""

    def __init__(self, session: "boto3.Session", stack: Stack) -> None:
        self._session, self._stack = session, stack
        self._s3 = session.client("s3")
        self._table = session.client("dynamodb")

    def read(self, key: str) -> _Photo:
        uri = f"s3://{self._stack.photos_bucket}/{key}"
        stored = list_key_versions(self._s3, self._stack.photos_bucket, key)
        records = []
        for found in read_versions(self._table, self._stack.results_table, uri):
            if not isinstance(found, Record):
                # Captured data without an ID is found by what the record says.
                raise OperationError(f"captured data of the photo cannot be found: {found}")
            records.append(found)
        return _Photo(uri, stored, records)

    def require_no_retraining(self) -> None:
        running = self._session.client("stepfunctions").list_executions(
            stateMachineArn=self._stack.retrain_state_machine, statusFilter="RUNNING", maxResults=1
        )
        if running["executions"]:
            raise PreconditionError(
                "a retraining is running, which may use the photo: wait until it ends (`scones "
                "executions retrain`), then forget the photo"
            )

    def find_copies(self, key: str, photo: _Photo) -> list[ObjectVersion]:
        """Return all versions of the photo's copies in the dataset, also of undone reviews."""
        bucket, name, stem = self._stack.data_bucket, copy_name(key), copy_stem(photo.uri)
        keys = {one.review.dataset_key for one in photo.records if one.review}
        for folder in self._class_folders():
            for version in list_versions(self._s3, bucket, f"{folder}{REVIEWED_FOLDER}/{name}-"):
                by_name = version.key.rpartition("/")[2].startswith(stem)
                if version.key not in keys and (by_name or self._is_copy(version, photo)):
                    keys.add(version.key)
        return [found for one in keys if one for found in list_key_versions(self._s3, bucket, one)]

    def _class_folders(self) -> Iterator[str]:
        for folder in list_folders(self._s3, self._stack.data_bucket, DATASET):
            yield folder
            if split_kind(folder.removeprefix(DATASET).removesuffix("/")):
                yield from list_folders(self._s3, self._stack.data_bucket, folder)

    def _is_copy(self, version: ObjectVersion, photo: _Photo) -> bool:
        """Return True if a version was filed for the photo before names of copies told it."""
        if version.is_delete_marker:
            return False
        found = self._s3.head_object(Bucket=version.bucket, Key=version.key, VersionId=version.id)
        return is_copy_of(found["Metadata"], photo.uri, photo.versions)

    def find_test_photos(self, copies: Iterable[ObjectVersion]) -> list[_Photo]:
        """Return what `scones simulate` sent of the copies: it sends photos of the dataset."""
        etags = {copy.etag for copy in copies if copy.etag}
        if not etags:
            return []
        found = list_versions(self._s3, self._stack.photos_bucket, SIMULATED_PREFIX)
        return [self.read(key) for key in sorted({one.key for one in found if one.etag in etags})]

    def find_lists(self, copies: _Copies) -> Iterator[_List]:
        """Yield the lists of all runs that name copies, in any of their versions."""
        without = partial(_without_entries, copies)
        for run in list_folders(self._s3, self._stack.data_bucket, RUNS_PREFIX):
            found: dict[str, set[int]] = {}
            for version in list_versions(self._s3, self._stack.data_bucket, f"{run}{LISTS_PREFIX}"):
                data = self._content(version)
                if without(data) != data:
                    found.setdefault(version.key, set()).update(_indices(version.key, data, copies))
            for key, indices in found.items():
                yield _List(key, run, frozenset(indices), without)

    def queues(self, uris: Sequence[str]) -> Iterator[Trace]:
        for queue in (self._stack.dead_letter_queue, self._stack.missed_metrics_queue):
            with dead_letter_queue.receive_messages(self._session, queue) as messages:
                count = sum(_names_any(message.body, uris) for message in messages)
            if count:
                yield Trace("queue", queue, partial(self._clear, queue, uris))

    def _clear(self, queue: str, uris: Sequence[str]) -> None:
        with dead_letter_queue.receive_messages(self._session, queue) as messages:
            for message in messages:
                if _names_any(message.body, uris):
                    dead_letter_queue.delete_message(self._session, queue, message)

    def captures(self, photos: Sequence[_Photo]) -> Iterator[Trace]:
        ids = {inference_id(one.uri, version) for one in photos for version in one.versions}
        records = [record for one in photos for record in one.records]
        without = partial(_without_records, ids, records)
        keys = {
            version.key
            for span in filter(None, (one.span for one in photos))
            for version in find_file_versions(self._s3, self._stack.data_bucket, span)
            if without(data := self._content(version)) != data
        }
        for key in sorted(keys):
            yield self._rewriting("capture", key, without)

    def predictions_and_images(self, listed: Iterable[_List]) -> Iterator[Trace]:
        for one in listed:
            folders = self._prediction_folders(one.run) if one.indices else []
            for index in sorted(one.indices):
                for folder in folders:
                    yield from self._all("prediction", f"{folder}{index}.")
                yield from self._all("image", f"{one.run}{IMAGES_PREFIX}{index}.")

    def _prediction_folders(self, run: str) -> list[str]:
        """Return where a run has predictions: SageMaker may keep a folder of its input."""
        bucket = self._stack.data_bucket
        tops = list_folders(self._s3, bucket, f"{run}{_PREDICTIONS}")
        return [*tops, *(inner for top in tops for inner in list_folders(self._s3, bucket, top))]

    def _all(self, place: TraceKind, prefix: str) -> Iterator[Trace]:
        for version in list_versions(self._s3, self._stack.data_bucket, prefix):
            yield self._removing(place, version)

    def list_entries(self, listed: Iterable[_List]) -> Iterator[Trace]:
        for one in listed:
            yield self._rewriting("list", one.key, one.without)

    def dataset_copies(self, copies: Iterable[ObjectVersion]) -> Iterator[Trace]:
        return (self._removing("dataset copy", copy) for copy in copies)

    def objects(self, photo: _Photo) -> Iterator[Trace]:
        return (self._removing("photo", version) for version in photo.stored)

    def records(self, photo: _Photo) -> Iterator[Trace]:
        for record in photo.records:
            remove = partial(
                self._table.delete_item, TableName=self._stack.results_table, Key=record.key
            )
            yield Trace("record", f"{record.photo} {record.version}", remove)

    def learned(self, listed: Iterable[_List]) -> list[TrainedRun]:
        """Return the retrainings whose lists name the photo, and their model versions."""
        uses: dict[str, Literal["trained", "validated"]] = {}
        for one in listed:
            run = one.run.removeprefix(RUNS_PREFIX).rstrip("/")
            uses[run] = "trained" if _is_trained_on(one.key) else uses.get(run, "validated")
        known = registry.list_versions(self._session, self._stack) if uses else []
        versions = {version.metadata.get("run"): version.number for version in known}
        return [TrainedRun(run, use, versions.get(run)) for run, use in sorted(uses.items())]

    def _content(self, version: ObjectVersion) -> bytes:
        if version.is_delete_marker:
            return b""
        found = self._s3.get_object(Bucket=version.bucket, Key=version.key, VersionId=version.id)
        return found["Body"].read()

    def _removing(self, place: TraceKind, version: ObjectVersion) -> Trace:
        return Trace(place, version.uri, partial(remove_version, self._s3, version))

    def _rewriting(self, place: TraceKind, key: str, without: Callable[[bytes], bytes]) -> Trace:
        uri = f"s3://{self._stack.data_bucket}/{key}"
        return Trace(place, uri, partial(self._rewrite, key, without))

    def _rewrite(self, key: str, without: Callable[[bytes], bytes]) -> None:
        """Replace a file by one without the photo, and remove all versions that have it."""
        bucket = self._stack.data_bucket
        tag = {"Tagging": RETENTION_TAG} if key.startswith(RUNS_PREFIX) else {}
        for version in list_key_versions(self._s3, bucket, key):
            data = self._content(version)
            kept = without(data)
            if kept == data:
                continue
            if version.is_latest and (kept or tag):  # a run needs its lists, if only empty ones
                self._s3.put_object(Bucket=bucket, Key=key, Body=kept, **tag)  # type: ignore[arg-type]
            remove_version(self._s3, version)


def _require_decided(photo: _Photo) -> None:
    decided = {record.version for record in photo.records}
    for version in photo.stored:
        age = datetime.now(UTC) - version.modified_at
        if version.is_delete_marker or version.id in decided or age > MAX_EXECUTION_TIME:
            continue
        left = round((MAX_EXECUTION_TIME - age).total_seconds())
        raise PreconditionError(
            f"{quote(photo.uri)} was uploaded recently and may still be processed: try again in "
            f"{left} s"
        )


def _names_any(body: str, uris: Sequence[str]) -> bool:
    """Return True if a message is about one of the photos, however it is wrapped."""
    try:
        return any(uri in uris for uri in _uris_in(json.loads(body)))
    except ValueError:
        return False


def _uris_in(value: Any) -> Iterator[str]:
    """Yield the photos of an upload event, or of our own events, anywhere in a JSON value."""
    if isinstance(value, list):
        for item in value:
            yield from _uris_in(item)
    if not isinstance(value, dict):
        return
    bucket, key = value.get("bucket"), value.get("key")
    if isinstance(bucket, dict) and isinstance(value.get("object"), dict):
        bucket, key = bucket.get("name"), value["object"].get("key")
    if bucket and key:
        yield f"s3://{bucket}/{key}"
    for item in value.values():
        yield from _uris_in(item)


def _without_records(ids: set[str], records: Sequence[Record], data: bytes) -> bytes:
    """Return a file of captured data without the records of photos."""
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines if not _is_captured(ids, records, line))


def _is_captured(ids: set[str], records: Sequence[Record], line: bytes) -> bool:
    """Return True if a line of captured data is of one of the photos."""
    try:
        document = json.loads(line)
        captured = parse_record(document)
    except (ValueError, RecursionError, InvalidCaptureError):
        return False
    named = document["eventMetadata"].get("inferenceId")
    if named:
        return named in ids
    # Before the endpoint was given IDs, its answer and the time tell whose record it is.
    return any(_is_answer_to(record, captured) for record in records)


def _is_answer_to(record: Record, captured: CaptureRecord) -> bool:
    decided, timings = record.decision, record.decision.timings
    if decided.probabilities is None or captured.probabilities is None:
        return False
    in_time = (
        timings.started_at - timedelta(seconds=1) <= captured.requested_at <= timings.decided_at
    )
    answered = [round(probability, DECIMALS) for probability in captured.probabilities]
    known = [round(probability, DECIMALS) for probability in decided.probabilities.values()]
    return in_time and sorted(answered) == sorted(known)


def _without_entries(copies: _Copies, data: bytes) -> bytes:
    """Return a list of a run, LST or ManifestFile, without the entries of copies."""
    if not copies.may_be_in(data):
        return data
    if data.startswith(b"["):
        first, *paths = json.loads(data)
        kept = [json.dumps(path) for path in paths if not copies.include(path)]
        return ",\n".join([f"[{json.dumps(first)}", *kept]).encode() + b"\n]\n"
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines if not copies.include(_path(line)))


def _path(line: bytes) -> str:
    return line.rstrip(b"\r\n").rpartition(b"\t")[2].decode()


def _indices(key: str, data: bytes, copies: _Copies) -> set[int]:
    """Return the indices under which a list of the evaluation has copies."""
    if not key.endswith((VALIDATION_LIST, NEGATIVES_LIST)):
        return set()
    return {entry.index for entry in read_entries(data) if copies.include(entry.path)}


def _is_trained_on(key: str) -> bool:
    return not key.endswith((VALIDATION_LIST, NEGATIVES_LIST, "validation.manifest"))
