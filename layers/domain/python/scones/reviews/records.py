"""The conditional writes to a photo's record that a review is made of."""

import json
from typing import TYPE_CHECKING

from scones.errors import Refused
from scones.quoting import quote
from scones.records import (
    FILING_QUEUE,
    WITHDRAWING_QUEUE,
    Record,
    Review,
    Skipped,
    UnreadableRecord,
    Withdrawal,
    as_record,
    is_simulated,
    read_queue,
    read_record,
    review_queue,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_SAME_REVIEW = "contains(review, :given)"
_NOT_UNDONE = f"{_SAME_REVIEW} AND (attribute_not_exists(queue) OR queue = :filing)"
_SAME_PLACE = "contains(review, :place)"


def waits(record: Record) -> bool:
    """Return True if a photo waits for a person."""
    asked = record.decided.status == "needs_review" and not is_simulated(record.decided.photo.key)
    return asked and record.review is None


class ReviewedRecords:
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
            filing=FILING_QUEUE,
            waiting=review_queue(record.photo, record.version),
        )

    def note(self, record: Record, review: Review, key: str) -> bool:
        """Write where a photo is to be filed, unless that was done, or the review undone."""
        return self._update(
            record,
            "SET review = :review",
            f"{_NOT_UNDONE} AND {_SAME_PLACE}",
            review=review.model_copy(update={"dataset_key": key}).model_dump_json(),
            filing=FILING_QUEUE,
            given=_given_in(review),
            place=_place_in(review),
        )

    def withdraw(self, record: Record, review: Review) -> bool:
        """Write that a review is being undone, unless it was, or its place was noted meanwhile."""
        return self._update(
            record,
            "SET review = :review, queue = :withdrawing",
            f"{_NOT_UNDONE} AND {_SAME_PLACE}",
            review=review.model_dump_json(),
            withdrawing=WITHDRAWING_QUEUE,
            filing=FILING_QUEUE,
            given=_given_in(review),
            place=_place_in(review),
        )

    def close(self, record: Record, review: Review) -> bool:
        """Take a review that all was done for out of its queue."""
        return self._update(
            record,
            "SET review = :review REMOVE queue",
            _NOT_UNDONE,
            review=review.model_dump_json(),
            filing=FILING_QUEUE,
            given=_given_in(review),
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
            withdrawing=WITHDRAWING_QUEUE,
            given=_given_in(review),
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
        noted = {"undone": undone.model_dump_json()} if undone else {}
        return self._update(
            record,
            f"SET queue = :waiting{', undone = :undone' if undone else ''} REMOVE review",
            _SAME_REVIEW,
            waiting=review_queue(record.photo, record.version),
            given=_given_in(review),
            **noted,
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
        photo = record.decided.photo
        answer = self._client.query(
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
        found = []
        for item in answer["Items"]:
            try:
                found.append(as_record(item))
            except UnreadableRecord:
                continue
        return [
            one
            for one in found
            if one.decided.photo.etag == photo.etag and one.version != record.version
        ]

    def find(self, photo: str, version: str) -> Record | None:
        """Read a record as it is now, or return None if there is none.

        Raises
        ------
        UnreadableRecord
            If it cannot be read.
        """
        return read_record(self._client, self._table, photo, version)

    def left_in(self, queue: str, skipped: Skipped) -> list[Record]:
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
        Refused
            If there is none.
        UnreadableRecord
            If it cannot be read.
        """
        found = self.find(photo, version)
        if found is None:
            raise Refused(f"there is no record of {quote(photo)}, version {quote(version)}")
        return found

    def _update(
        self,
        record: Record,
        update: str,
        condition: str,
        **values: str,
    ) -> bool:
        used = {f":{name}": {"S": text} for name, text in values.items()}
        try:
            self._client.update_item(
                TableName=self._table,
                Key=record.key,
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=used,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _given_in(review: Review) -> str:
    """Return the part of a review's JSON that says who gave which review, and when.

    The ID alone is not enough: whoever gives a review chooses it, and others can read it.
    """
    given = {"id", "outcome", "label", "by", "at"}
    return review.model_dump_json(include=given)[1:-1]


def _place_in(review: Review) -> str:
    """Return the part of a review's JSON that says where the photo is filed."""
    return review.model_dump_json(include={"dataset_key"})[1:-1]
