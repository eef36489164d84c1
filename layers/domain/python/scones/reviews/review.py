"""What people say of photos that the model was not sure of: said once, filed, published, undone.

A photo is claimed first, by a conditional write that only one reviewer can win. What follows (its
place in the dataset is noted, it is filed there, the event is published) may be done twice and by
anybody: until all of it is done the record waits in the queue `FILING_QUEUE`, where `finish` finds
it. Undoing goes the same way back through `WITHDRAWING_QUEUE`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from scones.callers import Caller
from scones.errors import Fault, Refused
from scones.photos import EncodedImage
from scones.quoting import quote
from scones.records import (
    FILING_QUEUE,
    WITHDRAWING_QUEUE,
    Record,
    Review,
    Skipped,
    Withdrawal,
    is_simulated,
)
from scones.reviews import labeled_photos, sharing
from scones.reviews.errors import AlreadyReviewed, NotUndone, Unfinished
from scones.reviews.records import waits
from scones.reviews.store import ReviewStore
from scones.settings import ReviewSettings
from scones.storage import StorageBusy, StorageRefused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client

_log = logging.getLogger(__name__)

LEFT_ALONE = timedelta(minutes=1)
"""So long a review may take whoever began it; after that anybody finishes it."""


@dataclass(frozen=True)
class Finished:
    """What became of a review that somebody had left unfinished; `trouble` is None if all is done.

    Attributes
    ----------
    photo, version
        Key of the photo's record.
    trouble
        Why it can't be finished.
    """

    photo: str
    version: str
    trouble: str | None = None


class Desk(ReviewStore):
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


def label(desk: Desk, record: Record, name: str, caller: Caller, review_id: str) -> Record:
    """Label a photo with a class, and file it into the dataset.

    Parameters
    ----------
    desk
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
    AlreadyReviewed
        If somebody else said something first.
    Refused
        If there is no such class, the photo is gone, or it does not wait for a person.
    Unfinished
        If it was said, but can't be filed or published now.
    """
    require_class(name, desk.settings.class_names)
    review = _review(review_id, "labelled", name, caller)
    if record.review is not None and _is_same(record.review, review):
        return _follow_up(desk, record, record.review)  # the response was lost
    if not waits(record):
        refuse(record)
    return _say(desk, record, review, labeled_photos.make_picture(desk.s3, record))


def say_not_a_vehicle(desk: Desk, record: Record, caller: Caller, review_id: str) -> Record:
    """Label a photo with none of the classes, and file it into the dataset as such.

    A photo that is gone or cannot be read is not filed, but leaves the review queue.

    Parameters, what is returned and errors are those of `label`.
    """
    review = _review(review_id, "not_a_vehicle", None, caller)
    return _say(desk, record, review, None)


def undo(desk: Desk, record: Record, caller: Caller, undo_id: str | None = None) -> Record:
    """Undo the review of a photo, whoever gave it; the photo waits for a person again.

    Parameters
    ----------
    desk
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
    NotUndone
        If it was undone already, or somebody has said something else since.
    Refused
        If the record has no review.
    Unfinished
        If it can't be removed from the dataset, or published, now.
    """
    if record.review is None:
        raise nothing_to_undo(record.photo)
    withdrawal = Withdrawal(
        by=caller.name, at=_now(), id=undo_id, arn=caller.arn, user_id=caller.user_id
    )
    # A review is undone for all versions that it counts for, through the one that it was given to.
    given = sharing.find_reviewed(desk, record, record.review)
    assert given.review is not None  # noqa: S101
    _take_back(desk, given, _withdraw(desk, given, given.review, withdrawal))
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
    done = record.undone
    return done is not None and _is_same_undo(done, undo_id, caller.arn)


def finish(desk: Desk, has_time: Callable[[], bool] = lambda: True) -> list[Finished]:
    """Finish reviews that were left unfinished for longer than `LEFT_ALONE`, by whomever.

    Parameters
    ----------
    desk
        Clients and settings.
    has_time
        Returns False if no other review is to be begun now.

    Returns
    -------
    list of Finished
        One for each review that was found so.
    """
    skipped = Skipped()
    # Listed before anything is changed, as finishing a review takes it out of its queue.
    left = [
        (record, go_on)
        for queue, go_on in ((FILING_QUEUE, _follow_up), (WITHDRAWING_QUEUE, _take_back))
        for record in desk.records.left_in(queue, skipped)
    ]
    found = [Finished(error.photo, error.version, str(error)) for error in skipped]
    before = _now() - LEFT_ALONE
    for record, go_on in left:
        review = record.review
        if review is None or (review.withdrawal or review).at > before:
            continue
        if not has_time():
            break
        trouble = _trouble(partial(go_on, desk, record, review))
        found.append(Finished(record.photo, record.version, trouble))
    return found


def _trouble(finish_one: Callable[[], object]) -> str | None:
    """Return why a review can't be finished; None if all is done."""
    try:
        finish_one()
    except (Refused, Fault) as error:
        return str(error)
    except Exception as error:  # one review must not keep the others from being finished
        _log.exception("a review could not be finished")
        return f"unexpected error, see the log of the function review: {error!r}"
    return None


def require_class(name: str, class_names: tuple[str, ...]) -> None:
    """Raise `Refused` unless there is a class of that name."""
    if name not in class_names:
        raise Refused(f"unknown class {name}: choose one of {', '.join(class_names)}")


def refuse(record: Record) -> NoReturn:
    """Raise the reason why a photo can't be labelled.

    Raises
    ------
    AlreadyReviewed
        If it has a review.
    Refused
        If it does not wait for a person.
    """
    if record.review:
        raise AlreadyReviewed(record.photo, record.review)
    if is_simulated(record.decided.photo.key):
        raise Refused(
            f"{quote(record.photo)} does not need review: it is a test photo of a "
            "simulation, and is in the dataset already"
        )
    raise Refused(
        f"{quote(record.photo)} does not need review: its status is {record.decided.status}"
        + (f", label {record.decided.label}" if record.decided.label else "")
    )


def nothing_to_undo(photo: str) -> Refused:
    """Make the error for a photo without a review to undo.

    Parameters
    ----------
    photo
        S3 URI of the photo, or its key.
    """
    return Refused(f"{quote(photo)} has no review to undo")


def _say(desk: Desk, record: Record, review: Review, picture: EncodedImage | None) -> Record:
    if desk.records.claim(record, review):
        return _follow_up(desk, record, review, picture)
    now = desk.records.read(record.photo, record.version)
    if now.review is None or not _is_same(now.review, review):
        refuse(now)
    # The response to the first attempt was lost.
    return _follow_up(desk, record, now.review, picture)


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


def _follow_up(
    desk: Desk, record: Record, review: Review, picture: EncodedImage | None = None
) -> Record:
    """Do what follows a claim; each step may have been done before."""
    if review.reviewed_version:
        return _finish_copy(desk, record, review)
    try:
        review = _file(desk, record, review, picture)
        desk.publish(desk.event_of(record, review))
        desk.records.close(record, review)
    except _PASSING as error:
        raise Unfinished(
            replace(record, review=review),
            f"the review of {quote(record.photo)} is saved, but could not be finished "
            f"({_spoken(error)}). It is retried while `scones console` is open, or by "
            "`scones review`",
        ) from error
    return replace(record, review=review)


def _finish_copy(desk: Desk, record: Record, review: Review) -> Record:
    """Finish a copied review; the photo of the labeled version is filed."""
    try:
        return sharing.finish_copy(desk, record, review)
    except _PASSING as error:
        raise Unfinished(
            replace(record, review=review),
            f"the review of another version of {quote(record.photo)} applies to this one, but its "
            f"event was not published ({_spoken(error)}). It is retried while `scones console` "
            "is open, or by `scones review`",
        ) from error


def _file(desk: Desk, record: Record, review: Review, picture: EncodedImage | None) -> Review:
    try:
        picture = picture or labeled_photos.make_picture(desk.s3, record)
    except (labeled_photos.PhotoGone, labeled_photos.PhotoUnreadableError):
        if review.outcome == "labelled" and not _is_filed(desk, review):
            raise
        # Nothing can be learned from the photo, and nothing else takes it out of the queue. A copy
        # that was made before it was gone stays, under the key that the review has.
        return review
    if review.dataset_key is None:
        review = _place(desk, record, review, picture)
    # Before the photo is stored: until then, reviewers see the other versions in the queue.
    sharing.copy_to_pending(desk, replace(record, review=review))
    labeled_photos.file_picture(desk.s3, desk.settings, record, review, picture)
    try:
        return _standing(desk, record, review)
    except Refused:
        # Whoever has undone it may have done so before the photo was there.
        labeled_photos.remove_picture(desk.s3, desk.settings, review)
        raise


def _is_filed(desk: Desk, review: Review) -> bool:
    """Return True if the photo was copied: without KeepOriginals it may be gone since."""
    bucket, key = desk.settings.data_bucket, review.dataset_key
    return key is not None and labeled_photos.is_stored(desk.s3, bucket, key)


def _place(desk: Desk, record: Record, review: Review, picture: EncodedImage) -> Review:
    """Note where a photo is to be filed, before it is: undoing must know what to remove."""
    key = labeled_photos.find_place(desk.s3, desk.settings, record, review, picture)
    if desk.records.note(record, review, key):
        return review.model_copy(update={"dataset_key": key})
    # Whoever else finishes it was faster, or the answer to the first attempt was lost.
    return _standing(desk, record, review)


def _standing(desk: Desk, record: Record, review: Review) -> Review:
    """Read a review as it is now; refuse where it was or is being undone."""
    now = desk.records.read(record.photo, record.version).review
    if now is None or not _is_same(now, review) or now.withdrawal:
        raise Refused(f"the review of {quote(record.photo)} was undone in the meantime")
    return now


def _withdraw(desk: Desk, record: Record, review: Review, withdrawal: Withdrawal) -> Review:
    withdrawn = review.model_copy(update={"withdrawal": withdrawal})
    if desk.records.withdraw(record, withdrawn):
        return withdrawn
    now = desk.records.read(record.photo, record.version).review
    if now == withdrawn:  # the answer to the first attempt was lost
        return withdrawn
    found = now.withdrawal if now and now.id == review.id else None
    if now and found and _is_same_undo(found, withdrawal.id, withdrawal.arn):
        return now  # the request is repeated
    if now and now.id == review.id and not now.withdrawal and not review.dataset_key:
        # Its place was noted after it was read, which is done once.
        return _withdraw(desk, record, now, withdrawal)
    raise NotUndone(review.id, now)


def _take_back(desk: Desk, record: Record, review: Review) -> Record:
    """Do what undoing takes; each step may have been done before."""
    try:
        labeled_photos.remove_picture(desk.s3, desk.settings, review)
        desk.publish(desk.event_of(record, review))
        sharing.withdraw_copies(desk, record, review)
        desk.records.reopen(record, review)
    except _PASSING as error:
        raise Unfinished(
            replace(record, review=review),
            f"the review of {quote(record.photo)} is being undone, but this could not be finished "
            f"({_spoken(error)}). It is retried while `scones console` is open, or by "
            "`scones review`",
        ) from error
    return replace(record, review=None, undone=review.withdrawal)


_PASSING = (Fault, ClientError, BotoCoreError, StorageBusy, StorageRefused)
"""What may go wrong on the way, and is tried again."""


def _spoken(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    told = error.response.get("Error", {})
    return f"{error.operation_name} was rejected: {told.get('Code')}: {told.get('Message')}"


def _now() -> datetime:
    return datetime.now(UTC)
