"""Redrive failed photos, photos without a record, and undelivered events."""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from scones.object_versions import ObjectVersion, list_versions, not_deleted
from scones_operator.aws.stack import Stack
from scones_operator.photos import dead_letter_queue
from scones_operator.photos.dead_letter_queue import ExecutionRequest, Message, UnknownMessageError
from scones_operator.photos.results import ResultFilter, read_results
from scones_operator.photos.uploads import INCOMING_PREFIX
from scones_operator.rounding import format_share

if TYPE_CHECKING:
    import boto3

    from scones.records import Record, Skipped

MAX_CONCURRENCY = 4
"""How many photos are decided at once: they share the endpoint with those that come in."""

MIN_UNDECIDED_AGE = timedelta(minutes=10)
"""Age after which a photo without a record counts as lost.

An Express execution takes at most 5 minutes, and S3's event seconds.
"""

EXECUTION_SECONDS = 330
"""Longer than an execution of `classify` can take."""

RedriveStatus = Literal[
    "classified",
    "needs_review",
    "rejected",
    "failed",
    "started",
    "not_recorded",
    "not_announced",
    "not_understood",
]

FINAL_STATUSES: tuple[RedriveStatus, ...] = ("classified", "needs_review", "rejected", "started")
"""Ends after which there is nothing left to do."""


@dataclass(frozen=True)
class RedriveItem:
    """Something to be given to its machine.

    Attributes
    ----------
    what
        What it is about, for people.
    request
        What the machine is given; None where that could not be understood.
    messages
        The queue's messages that ask for it: none for a photo that failed, several where several
        ask for the same photo.
    complaint
        Why it could not be understood.
    """

    title: str
    request: ExecutionRequest | None
    messages: Sequence[Message] = ()
    error: str = ""


@dataclass(frozen=True)
class RedriveResult:
    """What became of a job.

    Attributes
    ----------
    job
        Which.
    end
        A photo's status, or ``started`` for an execution that goes on, or what is in the way.
        With ``not_recorded``, ``not_announced`` and ``not_understood`` its message stays.
    message
        More of that, for people; may be empty.
    """

    item: RedriveItem
    status: RedriveStatus
    message: str = ""

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.status in FINAL_STATUSES


def queue_items(messages: Iterable[Message], stack: Stack) -> list[RedriveItem]:
    """Tell what the queue's messages ask for.

    Parameters
    ----------
    messages
        From `scones_operator.photos.dead_letter_queue.receive_messages`.
    stack
        Whose machines.
    """
    jobs: dict[object, RedriveItem] = {}
    for message in messages:
        try:
            request = dead_letter_queue.parse_message(message, stack)
        except UnknownMessageError as reason:
            jobs[message.id] = RedriveItem(f"message {message.id}", None, [message], str(reason))
            continue
        same = jobs.get(request.photo or message.id)
        others = same.messages if same else ()
        jobs[request.photo or message.id] = RedriveItem(request.title, request, [*others, message])
    return list(jobs.values())


def failed_photo_items(
    session: "boto3.Session", stack: Stack, skipped: "Skipped"
) -> Iterator[RedriveItem]:
    """Tell which photos ended as failed, the latest first.

    Parameters
    ----------
    session, stack
        Where.
    skipped
        Gets the unreadable records.
    """
    # Lazy import: Pydantic and the photos' decoders slow down --help.
    from scones.records import query_records  # noqa: PLC0415

    client = session.client("dynamodb")
    for record in query_records(client, stack.results_table, skipped, ["failed"]):
        event = upload_event(record, stack, session.region_name)
        yield RedriveItem(
            record.decision.photo.key,
            ExecutionRequest("classify", event, record.decision.photo.key),
        )


def unrecorded_photo_items(
    session: "boto3.Session", stack: Stack, since: datetime, now: datetime | None = None
) -> Iterator[RedriveItem]:
    """Yield a job for each photo that S3 has and no record names.

    Executions that ended before they wrote a record leave such photos. All keys of the bucket are
    listed, 1,000 at a time.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    since
        Earliest upload time, an aware datetime.
    now
        Present time, an aware datetime. Photos younger than `UNDECIDED_FOR` are not listed.
    """
    # Lazy import: Pydantic and the photos' decoders slow down --help.
    from scones.records import Skipped  # noqa: PLC0415

    until = (now or datetime.now(UTC)) - MIN_UNDECIDED_AGE
    skipped = Skipped()
    records = read_results(session, stack, ResultFilter(since=since), skipped)
    recorded = {(record.photo, record.version) for record in records}
    recorded |= {(record.photo, record.version) for record in skipped}
    listed = list_versions(session.client("s3"), stack.photos_bucket, INCOMING_PREFIX)
    for _, versions in groupby(listed, key=lambda version: version.key):
        for version in not_deleted(list(versions)):
            in_time = since <= version.modified_at < until
            if in_time and (version.uri, version.id) not in recorded:
                event = _event(_stored(version), version.modified_at, stack, session.region_name)
                yield RedriveItem(version.key, ExecutionRequest("classify", event, version.key))


def redrive(
    session: "boto3.Session",
    stack: Stack,
    jobs: Sequence[RedriveItem],
    show: Callable[[RedriveResult], None],
) -> list[RedriveResult]:
    """Give jobs to their machines, a few at a time, and delete the messages of those that are done.

    Doing one twice does no harm: a photo keeps the first decision that is none of a failure, and
    the executions of the other machines are named by their messages.

    Parameters
    ----------
    session, stack
        Where.
    jobs
        What.
    show
        Called with what became of each, as it is known, from several threads.

    Returns
    -------
    list of Redriven
        One a job, in their order.
    """
    machines = _StateMachines(session, stack)

    def run(job: RedriveItem) -> RedriveResult:
        became = machines.run(job)
        if became.done or became.status == "failed":
            for message in job.messages:
                dead_letter_queue.delete_message(session, stack.dead_letter_queue, message)
        show(became)
        return became

    pool = ThreadPoolExecutor(MAX_CONCURRENCY)
    try:
        return list(pool.map(run, jobs))
    finally:
        pool.shutdown(cancel_futures=True)


def upload_event(record: "Record", stack: Stack, region: str) -> dict[str, Any]:
    """Compose the event of a photo's upload anew, as EventBridge has given it to the machine.

    Parameters
    ----------
    record
        Of the photo.
    stack
        Whose bucket it is in.
    region
        The stack's region.
    """
    photo = record.decision.photo
    known = {"version-id": photo.version_id, "sequencer": photo.sequencer}
    optional = {name: text for name, text in known.items() if text}
    stored = {"key": photo.key, "size": photo.size, "etag": photo.etag, **optional}
    return _event(stored, record.decision.timings.uploaded_at, stack, region)


def _stored(version: ObjectVersion) -> dict[str, Any]:
    return {
        "key": version.key,
        "size": version.size,
        "etag": version.etag,
        "version-id": version.id,
    }


def _event(
    stored: Mapping[str, Any], uploaded_at: datetime, stack: Stack, region: str
) -> dict[str, Any]:
    partition, account = (stack.classify_state_machine.split(":")[part] for part in (1, 4))
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account,
        "time": uploaded_at.isoformat().replace("+00:00", "Z"),
        "region": region,
        "resources": [f"arn:{partition}:s3:::{stack.photos_bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": stack.photos_bucket},
            "object": stored,
            "reason": "Redrive",
        },
    }


class _StateMachines:
    """Starts executions, those of `classify` to their end, in several threads."""

    def __init__(self, session: "boto3.Session", stack: Stack) -> None:
        from botocore.config import Config  # noqa: PLC0415

        waiting = Config(read_timeout=EXECUTION_SECONDS)
        self._client = session.client("stepfunctions", config=waiting)
        self._table = session.client("dynamodb")
        self._stack = stack

    def run(self, job: RedriveItem) -> RedriveResult:
        if job.request is None:
            return RedriveResult(job, "not_understood", job.error)
        if job.request.state_machine == "classify":
            return self._decided(job, job.request)
        return self._start(job, job.request)

    def _decided(self, job: RedriveItem, request: ExecutionRequest) -> RedriveResult:
        from scones.records import UnreadableRecord  # noqa: PLC0415

        try:
            return self._classify(job, request)
        except UnreadableRecord as error:
            return RedriveResult(job, "not_recorded", str(error))

    def _classify(self, job: RedriveItem, request: ExecutionRequest) -> RedriveResult:
        """Have a photo decided, and look whether everybody was told."""
        from scones.records import read_record  # noqa: PLC0415

        answer = self._client.start_sync_execution(
            stateMachineArn=self._stack.classify_state_machine, input=json.dumps(request.input)
        )
        assert request.photo is not None  # noqa: S101
        record = read_record(self._table, self._stack.results_table, *request.photo)
        fault = ": ".join(filter(None, (answer.get("error"), answer.get("cause"))))
        if record is None:
            said = fault or f"its execution has the status {answer['status']}"
            return RedriveResult(job, "not_recorded", said)
        if not record.announced:
            # Another execution may be about to announce it; only after 5 minutes this one may.
            said = fault or "its result is recorded, but not announced: try again in 5 minutes"
            return RedriveResult(job, "not_announced", said)
        if record.decision.status == "failed":
            return RedriveResult(job, "failed", fault)
        return RedriveResult(job, record.decision.status, _error_text(record))

    def _start(self, job: RedriveItem, request: ExecutionRequest) -> RedriveResult:
        machine = getattr(self._stack, f"{request.state_machine}_state_machine")
        name = f"redrive-{job.messages[0].id}"
        try:
            answer = self._client.start_execution(
                stateMachineArn=machine, name=name, input=json.dumps(request.input)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            return RedriveResult(job, "started", f"{name} was already started")
        return RedriveResult(job, "started", answer["executionArn"])


def _error_text(record: "Record") -> str:
    detail = record.decision
    if detail.reason and detail.label is None:
        return detail.reason.code
    why = f", {detail.reason.code}" if detail.reason else ""
    return f"{detail.label} {format_share(detail.confidence or 0.0, detail.threshold)}{why}"
