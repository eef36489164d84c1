"""The records of the results table: what was decided of each photo, what a person said of it.

A record that was edited manually, or written by a later version, can be unreadable. It must not
hide the others: functions that read several records skip it and count it in `Skipped`.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from scones.errors import OperationError
from scones.events import PhotoDecided, Status
from scones.quoting import quote

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATUSES: tuple[Status, ...] = ("classified", "needs_review", "rejected", "failed")

STATUS_INDEX = "by-status"
"""Index of all records: shard, decided_at. A shard is one of a status, see `status_shard`."""

QUEUE_INDEX = "by-queue"
"""Index of those that wait for something: queue, decided_at. Others have no attribute `queue`."""

REVIEW_QUEUE = "review"
"""What `queue` begins with until a person has said what a photo shows; see `review_queue`."""

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-sharding.html
SHARDS = 8
"""Shards of each status and of the review queue. A partition of DynamoDB takes 1,000 write units
per second, and each photo uses about 6 in an index."""

MAX_CONCURRENCY = 10
"""Maximum number of shards that are read at the same time; boto3 keeps this many connections."""

COMPLETING_QUEUE, UNDOING_QUEUE = "filing", "withdrawing"
"""What it holds from then until all is done that follows, and while what was said is undone."""

SIMULATED_PREFIX = "simulated/"
"""What the keys of test photos begin with: decided as any other, but no person is asked."""


class Withdrawal(BaseModel):
    """Who takes back what was said of a photo, and when (UTC).

    Attributes
    ----------
    id
        ID of the undoing, or None in older records.
    by, at, arn, user_id
        As in `Review`, of the caller who undoes it.
    """

    model_config = ConfigDict(frozen=True)

    by: str
    at: AwareDatetime
    id: str | None = None
    arn: str | None = None
    user_id: str | None = None


class Review(BaseModel):
    """What a person said of a photo that the model was not sure of.

    Attributes
    ----------
    id
        Tells this review from any other of the same photo.
    outcome
        ``labelled``: the photo shows `label`. ``not_a_vehicle``: it shows none of the classes.
    label
        The class; null where there is none.
    by, at
        Who, and when (UTC).
    dataset_key
        Where the photo is in the data bucket, to be trained on; null where it is not there.
    withdrawal
        Set while the review is being undone.
    arn, user_id
        ARN and unique ID of the reviewer, as several may have the same name, or None in older
        records.
    reviewed_version
        Version that the reviewer labeled, if it is another version of the same key with the same
        bytes; None if it is this one. The record of that version has a review of the same ID.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    outcome: Literal["labelled", "not_a_vehicle"]
    label: str | None
    by: str
    at: AwareDatetime
    dataset_key: str | None = None
    withdrawal: Withdrawal | None = None
    # Last: conditions of `ReviewedRecords` compare with the JSON of the adjacent fields above.
    arn: str | None = None
    user_id: str | None = None
    reviewed_version: str | None = None


@dataclass(frozen=True)
class Record:
    """One version of one photo.

    Attributes
    ----------
    decision
        What was decided of it.
    announced_at
        When the event was published and whoever must know was told; None where that is not so.
    review
        What a person said of it, if anybody did.
    undone
        The last undoing that is complete, or None if there was none.
    """

    decision: PhotoDecided
    announced_at: datetime | None
    review: Review | None = None
    undone: Withdrawal | None = None

    @property
    def announced(self) -> bool:
        """Whether the event was published and whoever must know was told."""
        return self.announced_at is not None

    @property
    def effective_review(self) -> Review | None:
        """The review, or None if there is none or it is being undone."""
        return self.review if self.review and not self.review.withdrawal else None

    @property
    def effective_label(self) -> str | None:
        """The class by the effective review (None for none of the classes), else by the model."""
        review = self.effective_review
        return review.label if review else self.decision.label

    def effective_bay(self, bays: Mapping[str, str]) -> str | None:
        """Return the loading bay by the effective review, else the one that was decided.

        Parameters
        ----------
        bays
            Loading bay of each class.
        """
        review = self.effective_review
        return bays.get(review.label or "") if review else self.decision.loading_bay

    @property
    def photo(self) -> str:
        """S3 URI of the photo, the table's partition key."""
        return self.decision.photo.uri

    @property
    def version(self) -> str:
        """Version of the object, or its entity tag without versioning; the table's sort key."""
        return self.decision.photo.version

    @property
    def key(self) -> dict[str, dict[str, str]]:
        """The item's key, as DynamoDB takes it."""
        return _key(self.photo, self.version)


class UnreadableRecord(OperationError):
    """An item of the results table that this version cannot read.

    Attributes
    ----------
    photo, version
        The item's key.
    reason
        What is wrong with the item.
    """

    def __init__(self, photo: str, version: str, reason: str) -> None:
        super().__init__(
            f"the record of {quote(photo)}, version {quote(version)}, cannot be read ({reason}): "
            "update Scones if a later version wrote it, else correct or delete the item in the "
            "results table"
        )
        self.photo = photo
        self.version = version
        self.reason = reason

    @property
    def key(self) -> dict[str, dict[str, str]]:
        """The item's key, as DynamoDB takes it."""
        return _key(self.photo, self.version)


class Skipped:
    """Unreadable records that a reader of many has skipped, each counted once.

    Parameters
    ----------
    most
        Number of unreadable records after which readers stop, or None for no limit.
    """

    def __init__(self, max_errors: int | None = None) -> None:
        self._most = max_errors
        self._found: dict[tuple[str, str], UnreadableRecord] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[UnreadableRecord]:
        return iter(self._found.values())

    def add(self, error: UnreadableRecord) -> None:
        """Count a record."""
        self._found.setdefault((error.photo, error.version), error)

    @property
    def is_full(self) -> bool:
        """Whether readers stop."""
        return self._most is not None and len(self._found) >= self._most

    @property
    def message(self) -> str | None:
        """Number, first record and what to do, or None if no record was skipped."""
        first = next(iter(self), None)
        if first is None:
            return None
        if len(self) == 1:
            return f"1 record is skipped: {first}"
        return f"{len(self):,} records are skipped, the first of them: {first}"


def is_simulated(key: str) -> bool:
    """Tell whether a photo was sent to try the application, and is in the dataset already.

    Parameters
    ----------
    key
        Its key in the photos bucket.
    """
    return key.startswith(SIMULATED_PREFIX)


def inference_id(photo: str, version: str) -> str:
    """Return the ID that the state machine `classify` gives the endpoint with a photo.

    Data capture writes it to the photo's records. SageMaker takes at most 64 characters of it.

    Parameters
    ----------
    photo, version
        Key of the photo's record.
    """
    return hashlib.sha256(f"{photo}\n{version}".encode()).hexdigest()


def status_shard(status: str, photo: str, version: str) -> str:
    """Return the attribute `shard` of a record.

    Parameters
    ----------
    status
        How the photo ended.
    photo, version
        Key of the photo's record.
    """
    return f"{status}#{_shard(photo, version)}"


def review_queue(photo: str, version: str) -> str:
    """Return the attribute `queue` of a record that waits for a review.

    Parameters
    ----------
    photo, version
        Key of the photo's record.
    """
    return f"{REVIEW_QUEUE}#{_shard(photo, version)}"


def _shard(photo: str, version: str) -> int:
    return int(inference_id(photo, version)[0], 16) * SHARDS // 16


def read_record(client: "DynamoDBClient", table: str, photo: str, version: str) -> Record | None:
    """Read what was decided of one version of a photo; None where nothing was yet.

    Parameters
    ----------
    client
        A DynamoDB client.
    table
        The results table.
    photo
        S3 URI of the photo.
    version
        Its version, or its entity tag in a bucket without versioning.

    Raises
    ------
    UnreadableRecord
        If there is a record that cannot be read.
    """
    key = _key(photo, version)
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return record_from_item(item) if item else None


def read_versions(
    client: "DynamoDBClient", table: str, photo: str
) -> list[Record | UnreadableRecord]:
    """Read the records of all versions of a photo, the latest decision first.

    The unreadable ones come last.

    Parameters are those of `read_record`.
    """
    items = _query(
        client,
        None,
        TableName=table,
        KeyConditionExpression="photo = :photo",
        ExpressionAttributeValues={":photo": {"S": photo}},
        ConsistentRead=True,
    )
    unreadable: list[UnreadableRecord] = []
    records: list[Record] = []
    for item in items:
        try:
            records.append(record_from_item(item))
        except UnreadableRecord as error:
            unreadable.append(error)
    return [*sorted(records, key=_decided_at, reverse=True), *unreadable]


def readable(versions: Iterable[Record | UnreadableRecord], skipped: Skipped) -> list[Record]:
    """Return the records that can be read.

    Parameters
    ----------
    versions
        Of `read_versions`.
    skipped
        Gets the others.
    """
    records = []
    for item in versions:
        if isinstance(item, UnreadableRecord):
            skipped.add(item)
        else:
            records.append(item)
    return records


def query_records(  # noqa: PLR0913  (its filters)
    client: "DynamoDBClient",
    table: str,
    skipped: Skipped,
    statuses: Iterable[Status] = STATUSES,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    page_size: int | None = None,
) -> Iterator[Record]:
    """Read records, the latest decision first, a page at a time.

    Parameters
    ----------
    client
        A DynamoDB client.
    table
        The results table.
    skipped
        Gets the unreadable records.
    statuses
        Which.
    since, until
        Decided at or after, and before; None leaves that side open. Aware datetimes.
    page_size
        How many at once, where few are needed; by default what DynamoDB takes 1 MB for.
    """
    size = _shard_page_size(page_size)
    shards = [
        _read_shard(client, table, f"{status}#{shard}", since, until, size)
        for status in statuses
        for shard in range(SHARDS)
    ]
    records = _read_all(_merge(shards, newest_first=True), skipped)
    return (record for record in records if until is None or _decided_at(record) < until)


def read_queue(
    client: "DynamoDBClient",
    table: str,
    skipped: Skipped,
    queue: str = REVIEW_QUEUE,
    page_size: int | None = None,
) -> Iterator[Record]:
    """Read the records that wait for a person, the longest waiting first, a page at a time.

    Parameters
    ----------
    client
        A DynamoDB client.
    table
        The results table.
    skipped
        Gets the unreadable records.
    queue
        Another queue: `COMPLETING_QUEUE` or `UNDOING_QUEUE`.
    page_size
        As for `query_records`.
    """
    sharded = queue == REVIEW_QUEUE
    names = [f"{queue}#{shard}" for shard in range(SHARDS)] if sharded else [queue]
    shards = [
        _query(
            client,
            _shard_page_size(page_size) if sharded else page_size,
            TableName=table,
            IndexName=QUEUE_INDEX,
            KeyConditionExpression="queue = :queue",
            ExpressionAttributeValues={":queue": {"S": name}},
        )
        for name in names
    ]
    return _read_all(_merge(shards, newest_first=False), skipped)


def record_from_item(item: Mapping[str, Any]) -> Record:
    """Read a record from an item of the table, as DynamoDB's client gives it.

    Raises
    ------
    UnreadableRecord
        If it is not a record of this version, or is of another photo than its key names.
    """
    photo, version = item["photo"]["S"], item["version"]["S"]
    try:
        record = _parse(item)
    except ValidationError as error:
        raise UnreadableRecord(photo, version, _first_error(error)) from None
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnreadableRecord(photo, version, reason) from None
    if (record.photo, record.version) != (photo, version):
        raise UnreadableRecord(photo, version, f"its event is of {quote(record.photo)}")
    return record


def _parse(item: Mapping[str, Any]) -> Record:
    announced, review, undone = (item.get(name) for name in ("announced_at", "review", "undone"))
    return Record(
        decision=PhotoDecided.model_validate_json(item["event"]["S"]),
        announced_at=datetime.fromisoformat(announced["S"]) if announced else None,
        review=Review.model_validate_json(review["S"]) if review else None,
        undone=Withdrawal.model_validate_json(undone["S"]) if undone else None,
    )


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


def _read_all(items: Iterable[Mapping[str, Any]], skipped: Skipped) -> Iterator[Record]:
    for item in items:
        try:
            yield record_from_item(item)
        except UnreadableRecord as error:
            skipped.add(error)
            if skipped.is_full:
                return


def _shard_page_size(page_size: int | None) -> int | None:
    """Return how many records to read of a shard, for pages of `page_size` of all shards."""
    return page_size and -(-page_size // SHARDS)


def _merge(
    shards: Sequence[Iterator[Mapping[str, Any]]], *, newest_first: bool
) -> Iterator[Mapping[str, Any]]:
    """Merge items in the order of decisions; read the first pages of all at the same time."""
    with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:
        first = list(pool.map(lambda items: list(islice(items, 1)), shards))
    streams = (chain(page, rest) for page, rest in zip(first, shards, strict=True))
    # By the attribute of the index: it is there and in order whatever the event holds.
    yield from heapq.merge(*streams, key=_indexed_at, reverse=newest_first)


def _read_shard(
    client: "DynamoDBClient",
    table: str,
    shard: str,
    since: datetime | None,
    until: datetime | None,
    page_size: int | None,
) -> Iterator[Mapping[str, Any]]:
    # Both ends of BETWEEN belong to it, and moments are written with milliseconds.
    first = _format_time(since) if since else "0"
    last = _format_time(until) if until else "9"
    return _query(
        client,
        page_size,
        TableName=table,
        IndexName=STATUS_INDEX,
        KeyConditionExpression="#shard = :shard AND decided_at BETWEEN :first AND :last",
        ExpressionAttributeNames={"#shard": "shard"},  # a reserved word
        ExpressionAttributeValues={
            ":shard": {"S": shard},
            ":first": {"S": first},
            ":last": {"S": last},
        },
        ScanIndexForward=False,
    )


def _query(
    client: "DynamoDBClient", page_size: int | None, **query: Any
) -> Iterator[Mapping[str, Any]]:
    pages = client.get_paginator("query").paginate(
        **query, PaginationConfig={"PageSize": page_size} if page_size else {}
    )
    for page in pages:
        yield from page["Items"]


def _key(photo: str, version: str) -> dict[str, dict[str, str]]:
    return {"photo": {"S": photo}, "version": {"S": version}}


def _indexed_at(item: Mapping[str, Any]) -> str:
    return str(item["decided_at"]["S"])


def _decided_at(record: Record) -> datetime:
    return record.decision.timings.decided_at


def _format_time(time: datetime) -> str:
    """Write a moment as the state machine does, ``2026-11-02T09:14:32.611Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
