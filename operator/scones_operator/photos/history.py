"""One photo from its upload to what a person said of it: every step, with its time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote

from scones.object_versions import list_key_versions, not_deleted
from scones_operator.aws.classify_log import LogEvent, read_execution
from scones_operator.aws.stack import Stack
from scones_operator.errors import PreconditionError
from scones_operator.escaping import quote
from scones_operator.photos.results import ResultFilter, read_results
from scones_operator.photos.uploads import INCOMING_PREFIX

if TYPE_CHECKING:
    import boto3

    from scones.records import Record, UnreadableRecord

MAX_RESULTS_SEARCHED = 10_000
"""How many results are looked through for a key that is only given by its end."""

_TITLES: Mapping[str, str] = {
    "Serialize": "serialize",
    "Classify": "classify",
    "Threshold": "threshold",
    "Record Decision": "record",
    "Claim Record": "claim the record",
    "Publish Event": "publish",
    "Join Reviews": "look for a review",
    "Notify Reviewers": "tell reviewers",
    "Mark Announced": "mark as announced",
    "Keep Event": "keep the event",
}
"""What people call the states that are steps; others go by their own names."""

_STEPS = ("TaskStateEntered", "MapStateEntered", "ParallelStateEntered", "WaitStateEntered")
"""Events of the log with which a step begins; states of other types take no time."""


@dataclass(frozen=True)
class PhotoVersion:
    """A version of a photo's key.

    Attributes
    ----------
    version
        Its id; the entity tag where it is known from its record alone, in a bucket without ids.
    uploaded_at
        When (UTC).
    size
        Bytes.
    stored
        Whether S3 still has it.
    record
        What was decided of it, None where nothing was.
    trouble
        Why its record cannot be read, or None.
    """

    version: str
    uploaded_at: datetime
    size: int
    in_bucket: bool
    record: "Record | None"
    error: str | None = None


@dataclass(frozen=True)
class HistoryStep:
    """A step that was taken.

    Attributes
    ----------
    title
        Which.
    at
        When it began (UTC); None where only its duration is known.
    lasted
        How long; None for what is a moment.
    failures
        What went wrong with each try of it, the last of them included where it failed for good.
    """

    title: str
    at: datetime | None
    duration: timedelta | None = None
    failures: Sequence[str] = ()


@dataclass(frozen=True)
class PhotoHistory:
    """What is known of a version of a photo.

    Attributes
    ----------
    key
        Of the photo.
    version
        The version that is told of.
    steps
        In the order in which they were taken.
    others
        The key's other versions, the latest first.
    """

    key: str
    version: PhotoVersion
    steps: Sequence[HistoryStep]
    other_versions: Sequence[PhotoVersion] = field(default_factory=tuple)


def find_key(session: "boto3.Session", stack: Stack, photo: str) -> str:
    """Find out which photo is meant.

    Parameters
    ----------
    session, stack
        Where.
    photo
        A key of the photos bucket, with `INCOMING` or without, its S3 URI, the key as the message
        to reviewers has it, or how the key of one of the latest photos ends.

    Raises
    ------
    PreconditionError
        If there is no such photo, or several keys end like that.
    """
    key = photo
    if photo.startswith("s3://"):
        bucket, _, key = photo.removeprefix("s3://").partition("/")
        if bucket != stack.photos_bucket:
            raise PreconditionError(
                f"{quote(photo)} is not in the photos bucket, {stack.photos_bucket}"
            )
    # The message to reviewers has the key percent-encoded.
    for candidate in dict.fromkeys((key, INCOMING_PREFIX + key, unquote(key))):
        if candidate.strip("/") and _read_versions(session, stack, candidate):
            return candidate
    if key != photo:
        raise PreconditionError(f"there is no photo {quote(photo)}, and there is no result of it")
    return _find_by_end(session, stack, photo)


def read_history(
    session: "boto3.Session", stack: Stack, key: str, version: str | None = None
) -> PhotoHistory:
    """Read what is known of a photo.

    Parameters
    ----------
    session, stack
        Where.
    key
        Its key.
    version
        Which version, or how its id begins; None takes the latest upload.

    Raises
    ------
    PreconditionError
        If there is none of that key or version, or several versions begin like that.
    """
    versions = _read_versions(session, stack, key)
    if not versions:
        raise PreconditionError(f"there is no photo {quote(f's3://{stack.photos_bucket}/{key}')}")
    told = _choose(versions, key, version)
    others = tuple(other for other in versions if other is not told)
    return PhotoHistory(key, told, _steps(session, stack, told), others)


def _find_by_end(session: "boto3.Session", stack: Stack, end: str) -> str:
    from scones.records import Skipped  # noqa: PLC0415

    skipped = Skipped()
    results = islice(read_results(session, stack, ResultFilter(), skipped), MAX_RESULTS_SEARCHED)
    keys = {record.decision.photo.key for record in results}
    found = sorted(key for key in keys if key.endswith(end))
    # The whole name of a file goes before the end of a longer one.
    whole = [key for key in found if key.endswith(f"/{end}")]
    if len(whole) == 1:
        return whole[0]
    if not found:
        unread = f" ({skipped.message})" if skipped.message else ""
        raise PreconditionError(
            f"there is no photo {quote(end)}, and the key of none of the latest {len(keys)} "
            f"with a result ends like that: `scones results` lists them{unread}"
        )
    if len(found) > 1:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise PreconditionError(
            f"{quote(end)} may be {', '.join(map(quote, found[:3]))}{more}: give "
            "more of the key that you mean"
        )
    return found[0]


def _read_versions(session: "boto3.Session", stack: Stack, key: str) -> list[PhotoVersion]:
    """Read all versions of a key that S3 has or that have a record, the latest first."""
    # It brings Pydantic and the photos' decoders, which takes long beside showing help.
    from scones.records import UnreadableRecord, read_versions  # noqa: PLC0415

    uri = f"s3://{stack.photos_bucket}/{key}"
    client = session.client("dynamodb")
    records = {record.version: record for record in read_versions(client, stack.results_table, uri)}
    versions = list(_stored_versions(session, stack, key, records))
    for version in versions:
        records.pop(version.version, None)
    for version_id, record in records.items():
        if isinstance(record, UnreadableRecord):
            continue  # nothing else tells when it was uploaded
        detail = record.decision
        uploaded_at, size = detail.timings.uploaded_at, detail.photo.size
        versions.append(PhotoVersion(version_id, uploaded_at, size, in_bucket=False, record=record))
    return sorted(versions, key=lambda version: version.uploaded_at, reverse=True)


def _stored_versions(
    session: "boto3.Session",
    stack: Stack,
    key: str,
    records: Mapping[str, "Record | UnreadableRecord"],
) -> Iterator[PhotoVersion]:
    from scones.records import UnreadableRecord  # noqa: PLC0415

    # S3 still has deleted versions for a while.
    for version in not_deleted(list_key_versions(session.client("s3"), stack.photos_bucket, key)):
        stored = PhotoVersion(
            version.id, version.modified_at, version.size, in_bucket=True, record=None
        )
        found = records.get(version.id)
        if isinstance(found, UnreadableRecord):
            yield replace(stored, error=str(found))
        else:
            yield replace(stored, record=found)


def _choose(versions: Sequence[PhotoVersion], key: str, wanted: str | None) -> PhotoVersion:
    if wanted is None:
        return versions[0]
    found = [version for version in versions if version.version.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(version.version for version in versions)
    raise PreconditionError(
        f"{key} has {len(found) or 'no'} versions that begin with {wanted}: there are {known}"
    )


def _steps(session: "boto3.Session", stack: Stack, version: PhotoVersion) -> list[HistoryStep]:
    record = version.record
    if record is None:
        return [HistoryStep("uploaded", version.uploaded_at)]
    timings = record.decision.timings
    events = read_execution(session, stack, record.decision.execution, timings.started_at)
    steps = [
        HistoryStep("uploaded", timings.uploaded_at),
        HistoryStep("execution started", timings.started_at),
        *(_logged(events) if events else _recorded(record)),
    ]
    if record.announced_at:
        steps.append(HistoryStep("announced", record.announced_at))
    if record.review:
        said = record.review.label or "none of the classes"
        other = " (another version)" if record.review.reviewed_version else ""
        steps.append(
            HistoryStep(f"reviewed by {record.review.by}: {said}{other}", record.review.at)
        )
        if withdrawal := record.review.withdrawal:
            steps.append(HistoryStep(f"review being undone by {withdrawal.by}", withdrawal.at))
    return steps


def _recorded(record: "Record") -> Iterator[HistoryStep]:
    """Yield the steps as the record has them, whose beginnings it does not tell."""
    timings = record.decision.timings
    durations = {
        "serialize": timings.serialize_ms,
        "classify": timings.classify_ms,
        "threshold": timings.threshold_ms,
    }
    for title, milliseconds in durations.items():
        if milliseconds is not None:
            yield HistoryStep(title, None, timedelta(milliseconds=milliseconds))
    yield HistoryStep("decided", timings.decided_at)


def _logged(events: Sequence[LogEvent]) -> Iterator[HistoryStep]:
    """Yield the steps as the log has them."""
    for index, event in enumerate(events):
        if event.kind in _STEPS:
            name = event.details["name"]
            yield _logged_step(_TITLES.get(name, name), events[index:])


def _logged_step(title: str, events: Sequence[LogEvent]) -> HistoryStep:
    """Read a step from the events that begin with its own."""
    entered = events[0]
    failures: list[str] = []
    for event in events[1:]:
        if event.kind.endswith(("StateEntered", "StateExited")) or event.kind.startswith("Execu"):
            return HistoryStep(title, entered.at, event.at - entered.at, failures)
        if event.kind.endswith(("Failed", "TimedOut")):
            failures.append(event.details.get("error") or event.kind)
    return HistoryStep(title, entered.at, None, failures)
