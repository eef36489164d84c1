"""One review for all versions of a key with the same bytes: each photo is labeled once.

Versions are compared by their ETag. A version gets a copy of the review of another one: when it is
classified (`join`), or when the other one is reviewed (`copy_to_pending`). In both cases the
caller's own record is written first and the others are read after that, consistently. Of two that
run at the same time, at least one therefore sees the other. In the same way, `complete_copy` and
`withdraw_copies` see each other if a review is undone while it is copied.

Only a review with a place in the dataset is copied. A photo that is gone is labeled "not a vehicle"
to remove it from the queue, without one: that says nothing about a version that still exists.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Literal

from scones.records import Record, Review, Withdrawal
from scones.reviews.records import is_pending
from scones.reviews.store import ReviewStore
from scones.serialize import PhotoReference

JoinOutcome = Literal["reviewed", "pending", "new"]


def join(store: ReviewStore, photo: PhotoReference) -> JoinOutcome:
    """Copy the review of another version with the same bytes to a photo, if there is one.

    Calling it again changes nothing.

    Parameters
    ----------
    store
        Records and bus.
    photo
        The photo; its record has the status ``needs_review``.

    Returns
    -------
    str
        ``reviewed`` if the photo has a review, ``pending`` if reviewers were notified of another
        version that is not reviewed yet, ``new`` if they have to be notified of this one.

    Raises
    ------
    PreconditionError
        If the photo has no record.
    UnreadableRecord
        If the record cannot be read.
    OperationError, botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
        If AWS fails.
    """
    record = store.records.read(photo.uri, photo.version)
    if not is_pending(record):
        return "reviewed"
    others = store.records.read_same_bytes(record)
    for other in _reviewed(store, others):
        if _copy_review(store, other, record):
            return "reviewed"
    # Two versions that are classified at the same time are both unannounced: reviewers are
    # notified of both, rather than of none.
    return (
        "pending"
        if any(is_pending(reviewed) and reviewed.announced for reviewed in others)
        else "new"
    )


def copy_to_pending(store: ReviewStore, reviewed: Record) -> None:
    """Copy a review to all versions with the same bytes that are not reviewed yet.

    Parameters
    ----------
    store
        Records and bus.
    reviewed
        The version that a reviewer labeled, with the review and its place in the dataset.
    """
    for other in filter(is_pending, store.records.read_same_bytes(reviewed)):
        _copy_review(store, reviewed, other)


def complete_copy(store: ReviewStore, record: Record, review: Review) -> Record:
    """Publish a copied review, or remove the copy if the review was undone in the meantime.

    Parameters
    ----------
    store
        Records and bus.
    record, review
        The photo, and its copy of the review.
    """
    assert review.reviewed_version is not None  # noqa: S101
    reviewed = store.records.find(record.photo, review.reviewed_version)
    # The review still counts if the record of the labeled version has expired.
    if reviewed is not None and not _holds(reviewed, review):
        store.records.release(record, review, _undoing(reviewed, review))
        return replace(record, review=None)
    store.publish(store.event_of(record, review))
    store.records.complete(record, review)
    return replace(record, review=review)


def withdraw_copies(store: ReviewStore, record: Record, review: Review) -> None:
    """Remove the copies of a review that is being undone; their photos need a review again.

    Parameters
    ----------
    store
        Records and bus.
    record, review
        The photo whose review is undone, and the review with its withdrawal.
    """
    for other, copy in _copies(store, record, review):
        withdrawn = copy.model_copy(update={"withdrawal": review.withdrawal})
        store.publish(store.event_of(other, withdrawn))
        store.records.release(other, copy, review.withdrawal)


def find_reviewed(store: ReviewStore, record: Record, review: Review) -> Record:
    """Return the record of the version that a reviewer labeled; this one if the other is gone.

    Parameters
    ----------
    store
        Records and bus.
    record, review
        A photo, and its review.
    """
    if not review.reviewed_version:
        return record
    reviewed = store.records.find(record.photo, review.reviewed_version)
    if reviewed is None or reviewed.review is None or reviewed.review.id != review.id:
        return record
    return reviewed


def _copy_review(store: ReviewStore, reviewed: Record, record: Record) -> bool:
    """Copy the review of another version to a photo, and return True if the photo has one then."""
    review = reviewed.review
    assert review is not None  # noqa: S101
    copy = review.model_copy(update={"reviewed_version": reviewed.version})
    if not store.records.claim(record, copy):
        return True  # a reviewer, or another attempt, was faster
    return complete_copy(store, record, copy).review is not None


def _copies(store: ReviewStore, record: Record, review: Review) -> Iterator[tuple[Record, Review]]:
    for other in store.records.read_same_bytes(record):
        # Whoever gives a review chooses its ID, so a review of its own may have the same one.
        if other.review and other.review.id == review.id and other.review.reviewed_version:
            yield other, other.review


def _reviewed(store: ReviewStore, records: Iterable[Record]) -> list[Record]:
    """Return the versions that reviewers labeled themselves, the latest review first.

    Reviews without a place in the dataset, or with a class that no longer exists, are excluded.
    """
    labels = {None, *store.class_names}
    reviews = ((record.effective_review, record) for record in records)
    usable = [
        (review.at, record)
        for review, record in reviews
        if review and review.dataset_key and not review.reviewed_version and review.label in labels
    ]
    return [record for _, record in sorted(usable, key=itemgetter(0), reverse=True)]


def _undoing(reviewed: Record, copy: Review) -> Withdrawal | None:
    """Return who undid or is undoing a copied review, or None if that is unknown."""
    current = reviewed.review
    return current.withdrawal if current and current.id == copy.id else reviewed.undone


def _holds(reviewed: Record, copy: Review) -> bool:
    review = reviewed.effective_review
    return review is not None and review.id == copy.id
