"""The records of the results table: what was decided of each photo, what a person said of it."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from scones.events import PhotoDecided, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATUSES: tuple[Status, ...] = ("classified", "needs_review", "rejected", "failed")

BY_STATUS = "by-status"
"""Index of all records: shard, decided_at. A shard is one of a status, see `status_shard`."""

BY_QUEUE = "by-queue"
"""Index of those that wait for something: queue, decided_at. Others have no attribute `queue`."""

REVIEW_QUEUE = "review"
"""What `queue` begins with until a person has said what a photo shows; see `review_queue`."""

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-sharding.html
SHARDS = 8
"""Shards of each status and of the review queue. A partition of DynamoDB takes 1,000 write units
per second, and each photo uses about 6 in an index."""

READERS = 10
"""Maximum number of shards that are read at the same time; boto3 keeps this many connections."""

FILING_QUEUE, WITHDRAWING_QUEUE = "filing", "withdrawing"
"""What it holds from then until all is done that follows, and while what was said is undone."""

SIMULATED = "simulated/"
"""What the keys of test photos begin with: decided as any other, but no person is asked."""


class Withdrawal(BaseModel):
    """Who takes back what was said of a photo, and when (UTC)."""

    model_config = ConfigDict(frozen=True)

    by: str
    at: datetime


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
    """

    model_config = ConfigDict(frozen=True)

    id: str
    outcome: Literal["labelled", "not_a_vehicle"]
    label: str | None
    by: str
    at: datetime
    dataset_key: str | None = None
    withdrawal: Withdrawal | None = None


@dataclass(frozen=True)
class Record:
    """One version of one photo.

    Attributes
    ----------
    decided
        What was decided of it.
    announced_at
        When the event was published and whoever must know was told; None where that is not so.
    review
        What a person said of it, if anybody did.
    """

    decided: PhotoDecided
    announced_at: datetime | None
    review: Review | None = None

    @property
    def announced(self) -> bool:
        """Whether the event was published and whoever must know was told."""
        return self.announced_at is not None

    @property
    def photo(self) -> str:
        """S3 URI of the photo, the table's partition key."""
        return f"s3://{self.decided.photo.bucket}/{self.decided.photo.key}"

    @property
    def version(self) -> str:
        """Version of the object, or its entity tag without versioning; the table's sort key."""
        return self.decided.photo.version_id or self.decided.photo.etag

    @property
    def key(self) -> dict[str, dict[str, str]]:
        """The item's key, as DynamoDB takes it."""
        return {"photo": {"S": self.photo}, "version": {"S": self.version}}


def is_simulated(key: str) -> bool:
    """Tell whether a photo was sent to try the application, and is in the dataset already.

    Parameters
    ----------
    key
        Its key in the photos bucket.
    """
    return key.startswith(SIMULATED)


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
    """
    key = {"photo": {"S": photo}, "version": {"S": version}}
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return as_record(item) if item else None


def read_versions(client: "DynamoDBClient", table: str, photo: str) -> list[Record]:
    """Read what was decided of all versions of a photo, the latest decision first.

    Parameters are those of `read_record`.
    """
    found = _query(
        client,
        None,
        TableName=table,
        KeyConditionExpression="photo = :photo",
        ExpressionAttributeValues={":photo": {"S": photo}},
        ConsistentRead=True,
    )
    return sorted(found, key=_decided_at, reverse=True)


def read_decided(
    client: "DynamoDBClient",
    table: str,
    statuses: Iterable[Status] = STATUSES,
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
    statuses
        Which.
    since, until
        Decided at or after, and before; None leaves that side open. Aware datetimes.
    page_size
        How many at once, where few are needed; by default what DynamoDB takes 1 MB for.
    """
    size = _page_of_shard(page_size)
    each = [
        _read_shard(client, table, f"{status}#{shard}", since, until, size)
        for status in statuses
        for shard in range(SHARDS)
    ]
    return _merge(each, newest_first=True)


def read_queue(
    client: "DynamoDBClient",
    table: str,
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
    queue
        Another queue: `FILING_QUEUE` or `WITHDRAWING_QUEUE`.
    page_size
        As for `read_decided`.
    """
    sharded = queue == REVIEW_QUEUE
    names = [f"{queue}#{shard}" for shard in range(SHARDS)] if sharded else [queue]
    each = [
        _query(
            client,
            _page_of_shard(page_size) if sharded else page_size,
            TableName=table,
            IndexName=BY_QUEUE,
            KeyConditionExpression="queue = :queue",
            ExpressionAttributeValues={":queue": {"S": name}},
        )
        for name in names
    ]
    return _merge(each, newest_first=False)


def as_record(item: dict[str, Any]) -> Record:
    """Read a record from an item of the table, as DynamoDB's client gives it."""
    announced, review = item.get("announced_at"), item.get("review")
    return Record(
        decided=PhotoDecided.model_validate_json(item["event"]["S"]),
        announced_at=datetime.fromisoformat(announced["S"]) if announced else None,
        review=Review.model_validate_json(review["S"]) if review else None,
    )


def _page_of_shard(page_size: int | None) -> int | None:
    """Return how many records to read of a shard, for pages of `page_size` of all shards."""
    return page_size and -(-page_size // SHARDS)


def _merge(each: Sequence[Iterator[Record]], *, newest_first: bool) -> Iterator[Record]:
    """Merge streams in the order of decisions; read the first pages of all at the same time."""
    with ThreadPoolExecutor(READERS) as pool:
        first = list(pool.map(lambda records: list(islice(records, 1)), each))
    streams = (chain(found, rest) for found, rest in zip(first, each, strict=True))
    yield from heapq.merge(*streams, key=_decided_at, reverse=newest_first)


def _read_shard(
    client: "DynamoDBClient",
    table: str,
    shard: str,
    since: datetime | None,
    until: datetime | None,
    page_size: int | None,
) -> Iterator[Record]:
    # Both ends of BETWEEN belong to it, and moments are written with milliseconds.
    first = _written(since) if since else "0"
    last = _written(until) if until else "9"
    found = _query(
        client,
        page_size,
        TableName=table,
        IndexName=BY_STATUS,
        KeyConditionExpression="shard = :shard AND decided_at BETWEEN :first AND :last",
        ExpressionAttributeValues={
            ":shard": {"S": shard},
            ":first": {"S": first},
            ":last": {"S": last},
        },
        ScanIndexForward=False,
    )
    return (record for record in found if until is None or _decided_at(record) < until)


def _query(client: "DynamoDBClient", page_size: int | None, **query: Any) -> Iterator[Record]:
    pages = client.get_paginator("query").paginate(
        **query, PaginationConfig={"PageSize": page_size} if page_size else {}
    )
    for page in pages:
        yield from map(as_record, page["Items"])


def _decided_at(record: Record) -> datetime:
    return record.decided.timings.decided_at


def _written(moment: datetime) -> str:
    """Write a moment as the state machine does, ``2026-11-02T09:14:32.611Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
