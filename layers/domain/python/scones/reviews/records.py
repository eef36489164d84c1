"""The conditional writes to a photo's record that a review is made of."""

import json
from typing import TYPE_CHECKING

from scones.errors import PreconditionError
from scones.quoting import quote
from scones.records import (
    COMPLETING_QUEUE,
    UNDOING_QUEUE,
    Record,
    Review,
    Skipped,
    UnreadableRecord,
    Withdrawal,
    is_simulated,
    read_queue,
    read_record,
    record_from_item,
    review_queue,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_SAME_REVIEW = "contains(review, :given)"
_NOT_UNDONE = f"{_SAME_REVIEW} AND (attribute_not_exists(queue) OR queue = :filing)"
_SAME_DATASET_KEY = "contains(review, :place)"


def is_pending(record: Record) -> bool:
    """Return True if a photo waits for a person."""
    needs_review = record.decision.status == "needs_review" and not is_simulated(
        record.decision.photo.key
    )
    return needs_review and record.review is None


class ReviewRecords:
    """Writes each step of a review, if the record is as that step must find it.

    Parameters
    ----------
    client
        A DynamoDB client.
    table
        The results table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def claim(self, record: Record, review: Review) -> bool:
        """Write what was said, if the photo waits for that; tell whether it did."""
        return self._update(
            record,
            "SET review = :review, queue = :filing",
            "queue = :waiting AND attribute_not_exists(review)",
            review=review.model_dump_json(),
            filing=COMPLETING_QUEUE,
            waiting=review_queue(record.photo, record.version),
        )

    def set_dataset_key(self, record: Record, review: Review, key: str) -> bool:
        """Write where a photo is to be filed, unless that was done, or the review undone."""
        return self._update(
            record,
            "SET review = :review",
            f"{_NOT_UNDONE} AND {_SAME_DATASET_KEY}",
            review=review.model_copy(update={"dataset_key": key}).model_dump_json(),
            filing=COMPLETING_QUEUE,
            given=_review_identity(review),
            place=_dataset_key_part(review),
        )

    def withdraw(self, record: Record, review: Review) -> bool:
        """Write that a review is being undone, unless it was, or its place was noted meanwhile."""
        return self._update(
            record,
            "SET review = :review, queue = :withdrawing",
            f"{_NOT_UNDONE} AND {_SAME_DATASET_KEY}",
            review=review.model_dump_json(),
            withdrawing=UNDOING_QUEUE,
            filing=COMPLETING_QUEUE,
            given=_review_identity(review),
            place=_dataset_key_part(review),
        )

    def complete(self, record: Record, review: Review) -> bool:
        """Take a review that all was done for out of its queue."""
        return self._update(
            record,
            "SET review = :review REMOVE queue",
            _NOT_UNDONE,
            review=review.model_dump_json(),
            filing=COMPLETING_QUEUE,
            given=_review_identity(review),
        )

    def reopen(self, record: Record, review: Review) -> bool:
        """Let the photo of a review that is undone wait for a person again; note who undid it."""
        assert review.withdrawal is not None  # noqa: S101
        return self._update(
            record,
            "SET queue = :waiting, undone = :undone REMOVE review",
            f"{_SAME_REVIEW} AND queue = :withdrawing",
            undone=review.withdrawal.model_dump_json(),
            waiting=review_queue(record.photo, record.version),
            withdrawing=UNDOING_QUEUE,
            given=_review_identity(review),
        )

    def release(self, record: Record, review: Review, undone: Withdrawal | None) -> bool:
        """Let a photo wait again whose review, given to another version, does not hold any more.

        Parameters
        ----------
        record, review
            The photo, and its copy of the review.
        undone
            The undoing of the review, or None if it is not known.
        """
        undone_value = {"undone": undone.model_dump_json()} if undone else {}
        return self._update(
            record,
            f"SET queue = :waiting{', undone = :undone' if undone else ''} REMOVE review",
            _SAME_REVIEW,
            waiting=review_queue(record.photo, record.version),
            given=_review_identity(review),
            **undone_value,
        )

    def read_same_bytes(self, record: Record) -> list[Record]:
        """Read the other versions of a photo's key that have its ETag and needed review.

        One page is read, at most 1 MB, which is some 600 versions of the key. Unreadable records
        are not returned.

        Parameters
        ----------
        record
            The photo.
        """
        photo = record.decision.photo
        response = self._client.query(
            TableName=self._table,
            ConsistentRead=True,  # what was claimed a moment ago counts
            KeyConditionExpression="photo = :photo",
            FilterExpression="#status = :needs_review AND contains(event, :etag)",
            ExpressionAttributeNames={"#status": "status"},  # a reserved word
            ExpressionAttributeValues={
                ":photo": {"S": record.photo},
                ":needs_review": {"S": "needs_review"},
                ":etag": {"S": json.dumps(photo.etag)},
            },
        )
        records = []
        for item in response["Items"]:
            try:
                records.append(record_from_item(item))
            except UnreadableRecord:
                continue
        return [
            record_of_version
            for record_of_version in records
            if record_of_version.decision.photo.etag == photo.etag
            and record_of_version.version != record.version
        ]

    def find(self, photo: str, version: str) -> Record | None:
        """Read a record as it is now, or return None if there is none.

        Raises
        ------
        UnreadableRecord
            If it cannot be read.
        """
        return read_record(self._client, self._table, photo, version)

    def list_queue(self, queue: str, skipped: Skipped) -> list[Record]:
        """Read what waits in a queue, the longest waiting first.

        Parameters
        ----------
        queue
            Name of the queue.
        skipped
            Gets the unreadable records.
        """
        return list(read_queue(self._client, self._table, skipped, queue))

    def read(self, photo: str, version: str) -> Record:
        """Read a record as it is now.

        Raises
        ------
        PreconditionError
            If there is none.
        UnreadableRecord
            If it cannot be read.
        """
        record = self.find(photo, version)
        if record is None:
            raise PreconditionError(
                f"there is no record of {quote(photo)}, version {quote(version)}"
            )
        return record

    def _update(
        self,
        record: Record,
        update: str,
        condition: str,
        **values: str,
    ) -> bool:
        expression_values = {f":{name}": {"S": text} for name, text in values.items()}
        try:
            self._client.update_item(
                TableName=self._table,
                Key=record.key,
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=expression_values,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _review_identity(review: Review) -> str:
    """Return the part of a review's JSON that says who gave which review, and when.

    The ID alone is not enough: whoever gives a review chooses it, and others can read it.
    """
    fields = {"id", "outcome", "label", "by", "at"}
    return review.model_dump_json(include=fields)[1:-1]


def _dataset_key_part(review: Review) -> str:
    """Return the part of a review's JSON that says where the photo is filed."""
    return review.model_dump_json(include={"dataset_key"})[1:-1]
