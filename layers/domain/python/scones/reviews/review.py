"""What people say of photos that the model was not sure of: said once, filed, published, undone.

A photo is claimed first, by a conditional write that only one reviewer can win. What follows (its
place in the dataset is noted, it is filed there, the event is published) may be done twice and by
anybody: until all of it is done the record waits in the queue `COMPLETING_QUEUE`, where
`resume_reviews` finds it. Undoing goes the same way back through `UNDOING_QUEUE`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from scones.callers import Caller
from scones.errors import OperationError, PreconditionError
from scones.photos import EncodedImage
from scones.quoting import quote
from scones.records import (
    COMPLETING_QUEUE,
    UNDOING_QUEUE,
    Record,
    Review,
    Skipped,
    Withdrawal,
    is_simulated,
)
from scones.reviews import labeled_photos, sharing
from scones.reviews.errors import AlreadyReviewedError, ReviewIncompleteError, UndoError
from scones.reviews.records import is_pending
from scones.reviews.store import ReviewStore
from scones.settings import ReviewSettings
from scones.storage import StorageBusy, StorageRefused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client

_log = logging.getLogger(__name__)

RESUME_AFTER = timedelta(minutes=1)
"""So long a review may take whoever began it; after that anybody finishes it."""


@dataclass(frozen=True)
class ResumedReview:
    """What became of a review that somebody had left unfinished; `error` is None if all is done.

    Attributes
    ----------
    photo, version
        Key of the photo's record.
    error
        Why it can't be finished.
    """

    photo: str
    version: str
    error: str | None = None


class ReviewServices(ReviewStore):
    """Clients and settings that reviews use.

    Parameters
    ----------
    dynamodb, s3, events
        Clients.
    settings
        Settings of the function `review`.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        s3: "S3Client",
        events: "EventBridgeClient",
        settings: ReviewSettings,
    ) -> None:
        super().__init__(dynamodb, events, settings)
        self.s3 = s3
        self.settings = settings


def label(
    services: ReviewServices, record: Record, name: str, caller: Caller, review_id: str
) -> Record:
    """Label a photo with a class, and file it into the dataset.

    Parameters
    ----------
    services
        Clients and settings.
    record
        The photo.
    name
        The class.
    caller
        The reviewer.
    review_id
        ID of the review, of the caller's choice: doing the same twice changes nothing.

    Returns
    -------
    Record
        With the review.

    Raises
    ------
    AlreadyReviewedError
        If somebody else said something first.
    PreconditionError
        If there is no such class, the photo is gone, or it does not wait for a person.
    ReviewIncompleteError
        If it was said, but can't be filed or published now.
    """
    validate_class(name, services.settings.class_names)
    review = _review(review_id, "labelled", name, caller)
    if record.review is not None and _is_same(record.review, review):
        return _complete(services, record, record.review)  # the response was lost
    if not is_pending(record):
        raise_not_pending(record)
    return _submit(services, record, review, labeled_photos.encode_photo(services.s3, record))


def label_as_none(
    services: ReviewServices, record: Record, caller: Caller, review_id: str
) -> Record:
    """Label a photo with none of the classes, and file it into the dataset as such.

    A photo that is gone or cannot be read is not filed, but leaves the review queue.

    Parameters, what is returned and errors are those of `label`.
    """
    review = _review(review_id, "not_a_vehicle", None, caller)
    return _submit(services, record, review, None)


def undo(
    services: ReviewServices, record: Record, caller: Caller, undo_id: str | None = None
) -> Record:
    """Undo the review of a photo, whoever gave it; the photo waits for a person again.

    Parameters
    ----------
    services
        Clients and settings.
    record
        With the review that is to be undone.
    caller
        The caller.
    undo_id
        ID of the undoing, of the caller's choice: doing the same twice changes nothing. None if
        the caller gave none.

    Returns
    -------
    Record
        Without a review.

    Raises
    ------
    UndoError
        If it was undone already, or somebody has said something else since.
    PreconditionError
        If the record has no review.
    ReviewIncompleteError
        If it can't be removed from the dataset, or published, now.
    """
    if record.review is None:
        raise nothing_to_undo_error(record.photo)
    withdrawal = Withdrawal(
        by=caller.name, at=_now(), id=undo_id, arn=caller.arn, user_id=caller.user_id
    )
    # A review is undone for all versions that it counts for, through the one that it was given to.
    reviewed = sharing.find_reviewed(services, record, record.review)
    assert reviewed.review is not None  # noqa: S101
    _complete_undo(services, reviewed, _begin_undo(services, reviewed, reviewed.review, withdrawal))
    return replace(record, review=None, undone=withdrawal)


def was_undone(record: Record, caller: Caller, undo_id: str | None) -> bool:
    """Return True if this undoing is complete: its response was lost.

    Parameters
    ----------
    record
        The record as it is now.
    caller, undo_id
        As for `undo`.
    """
    last_undo = record.undone
    return last_undo is not None and _is_same_undo(last_undo, undo_id, caller.arn)


def resume_reviews(
    services: ReviewServices, has_time: Callable[[], bool] = lambda: True
) -> list[ResumedReview]:
    """Finish reviews that were left unfinished for longer than `RESUME_AFTER`, by whomever.

    Parameters
    ----------
    services
        Clients and settings.
    has_time
        Returns False if no other review is to be begun now.

    Returns
    -------
    list of ResumedReview
        One for each review that was found so.
    """
    skipped = Skipped()
    # Listed before anything is changed, as finishing a review takes it out of its queue.
    incomplete = [
        (record, resume)
        for queue, resume in ((COMPLETING_QUEUE, _complete), (UNDOING_QUEUE, _complete_undo))
        for record in services.records.list_queue(queue, skipped)
    ]
    resumed = [ResumedReview(error.photo, error.version, str(error)) for error in skipped]
    before = _now() - RESUME_AFTER
    for record, resume in incomplete:
        review = record.review
        if review is None or (review.withdrawal or review).at > before:
            continue
        if not has_time():
            break
        error_text = _resume_error(partial(resume, services, record, review))
        resumed.append(ResumedReview(record.photo, record.version, error_text))
    return resumed


def _resume_error(resume: Callable[[], object]) -> str | None:
    """Return why a review can't be finished; None if all is done."""
    try:
        resume()
    except (PreconditionError, OperationError) as error:
        return str(error)
    except Exception as error:  # one review must not keep the others from being finished
        _log.exception("a review could not be finished")
        return f"unexpected error, see the log of the function review: {error!r}"
    return None


def validate_class(name: str, class_names: tuple[str, ...]) -> None:
    """Raise `PreconditionError` unless there is a class of that name."""
    if name not in class_names:
        raise PreconditionError(f"unknown class {name}: choose one of {', '.join(class_names)}")


def raise_not_pending(record: Record) -> NoReturn:
    """Raise the reason why a photo can't be labelled.

    Raises
    ------
    AlreadyReviewedError
        If it has a review.
    PreconditionError
        If it does not wait for a person.
    """
    if record.review:
        raise AlreadyReviewedError(record.photo, record.review)
    if is_simulated(record.decision.photo.key):
        raise PreconditionError(
            f"{quote(record.photo)} does not need review: it is a test photo of a "
            "simulation, and is in the dataset already"
        )
    raise PreconditionError(
        f"{quote(record.photo)} does not need review: its status is {record.decision.status}"
        + (f", label {record.decision.label}" if record.decision.label else "")
    )


def nothing_to_undo_error(photo: str) -> PreconditionError:
    """Make the error for a photo without a review to undo.

    Parameters
    ----------
    photo
        S3 URI of the photo, or its key.
    """
    return PreconditionError(f"{quote(photo)} has no review to undo")


def _submit(
    services: ReviewServices, record: Record, review: Review, image: EncodedImage | None
) -> Record:
    if services.records.claim(record, review):
        return _complete(services, record, review, image)
    current = services.records.read(record.photo, record.version)
    if current.review is None or not _is_same(current.review, review):
        raise_not_pending(current)
    # The response to the first attempt was lost.
    return _complete(services, record, current.review, image)


def _is_same(one: Review, other: Review) -> bool:
    return (one.id, one.by, one.arn, one.label) == (other.id, other.by, other.arn, other.label)


def _is_same_undo(withdrawal: Withdrawal, undo_id: str | None, arn: str | None) -> bool:
    return undo_id is not None and (withdrawal.id, withdrawal.arn) == (undo_id, arn)


def _review(
    review_id: str, outcome: Literal["labelled", "not_a_vehicle"], name: str | None, caller: Caller
) -> Review:
    return Review(
        id=review_id,
        outcome=outcome,
        label=name,
        by=caller.name,
        at=_now(),
        arn=caller.arn,
        user_id=caller.user_id,
    )


def _complete(
    services: ReviewServices, record: Record, review: Review, image: EncodedImage | None = None
) -> Record:
    """Do what follows a claim; each step may have been done before."""
    if review.reviewed_version:
        return _complete_copy(services, record, review)
    try:
        review = _add_to_dataset(services, record, review, image)
        services.publish(services.event_of(record, review))
        services.records.complete(record, review)
    except _RETRYABLE as error:
        raise ReviewIncompleteError(
            replace(record, review=review),
            f"the review of {quote(record.photo)} is saved, but could not be finished "
            f"({_error_text(error)}). It is retried while `scones console` is open, or by "
            "`scones review`",
        ) from error
    return replace(record, review=review)


def _complete_copy(services: ReviewServices, record: Record, review: Review) -> Record:
    """Finish a copied review; the photo of the labeled version is filed."""
    try:
        return sharing.complete_copy(services, record, review)
    except _RETRYABLE as error:
        raise ReviewIncompleteError(
            replace(record, review=review),
            f"the review of another version of {quote(record.photo)} applies to this one, but its "
            f"event was not published ({_error_text(error)}). It is retried while `scones console` "
            "is open, or by `scones review`",
        ) from error


def _add_to_dataset(
    services: ReviewServices, record: Record, review: Review, image: EncodedImage | None
) -> Review:
    try:
        image = image or labeled_photos.encode_photo(services.s3, record)
    except (labeled_photos.PhotoNotFoundError, labeled_photos.PhotoUnreadableError):
        if review.outcome == "labelled" and not _is_in_dataset(services, review):
            raise
        # Nothing can be learned from the photo, and nothing else takes it out of the queue. A copy
        # that was made before it was gone stays, under the key that the review has.
        return review
    if review.dataset_key is None:
        review = _reserve_dataset_key(services, record, review, image)
    # Before the photo is stored: until then, reviewers see the other versions in the queue.
    sharing.copy_to_pending(services, replace(record, review=review))
    labeled_photos.add_to_dataset(services.s3, services.settings, record, review, image)
    try:
        return _reload(services, record, review)
    except PreconditionError:
        # Whoever has undone it may have done so before the photo was there.
        labeled_photos.remove_from_dataset(services.s3, services.settings, review)
        raise


def _is_in_dataset(services: ReviewServices, review: Review) -> bool:
    """Return True if the photo was copied: without KeepOriginals it may be gone since."""
    bucket, key = services.settings.data_bucket, review.dataset_key
    return key is not None and labeled_photos.is_stored(services.s3, bucket, key)


def _reserve_dataset_key(
    services: ReviewServices, record: Record, review: Review, image: EncodedImage
) -> Review:
    """Note where a photo is to be filed, before it is: undoing must know what to remove."""
    key = labeled_photos.new_dataset_key(services.s3, services.settings, record, review, image)
    if services.records.set_dataset_key(record, review, key):
        return review.model_copy(update={"dataset_key": key})
    # Whoever else finishes it was faster, or the answer to the first attempt was lost.
    return _reload(services, record, review)


def _reload(services: ReviewServices, record: Record, review: Review) -> Review:
    """Read a review as it is now; refuse where it was or is being undone."""
    current = services.records.read(record.photo, record.version).review
    if current is None or not _is_same(current, review) or current.withdrawal:
        raise PreconditionError(f"the review of {quote(record.photo)} was undone in the meantime")
    return current


def _begin_undo(
    services: ReviewServices, record: Record, review: Review, withdrawal: Withdrawal
) -> Review:
    withdrawn = review.model_copy(update={"withdrawal": withdrawal})
    if services.records.withdraw(record, withdrawn):
        return withdrawn
    current = services.records.read(record.photo, record.version).review
    if current == withdrawn:  # the answer to the first attempt was lost
        return withdrawn
    other_undo = current.withdrawal if current and current.id == review.id else None
    if current and other_undo and _is_same_undo(other_undo, withdrawal.id, withdrawal.arn):
        return current  # the request is repeated
    if current and current.id == review.id and not current.withdrawal and not review.dataset_key:
        # Its place was noted after it was read, which is done once.
        return _begin_undo(services, record, current, withdrawal)
    raise UndoError(review.id, current)


def _complete_undo(services: ReviewServices, record: Record, review: Review) -> Record:
    """Do what undoing takes; each step may have been done before."""
    try:
        labeled_photos.remove_from_dataset(services.s3, services.settings, review)
        services.publish(services.event_of(record, review))
        sharing.withdraw_copies(services, record, review)
        services.records.reopen(record, review)
    except _RETRYABLE as error:
        raise ReviewIncompleteError(
            replace(record, review=review),
            f"the review of {quote(record.photo)} is being undone, but this could not be finished "
            f"({_error_text(error)}). It is retried while `scones console` is open, or by "
            "`scones review`",
        ) from error
    return replace(record, review=None, undone=review.withdrawal)


_RETRYABLE = (OperationError, ClientError, BotoCoreError, StorageBusy, StorageRefused)
"""What may go wrong on the way, and is tried again."""


def _error_text(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    details = error.response.get("Error", {})
    return f"{error.operation_name} was rejected: {details.get('Code')}: {details.get('Message')}"


def _now() -> datetime:
    return datetime.now(UTC)
