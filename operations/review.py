"""What people say of photos that the model was not sure of: said once, filed, published, undone.

A photo is claimed first, by a conditional write that only one reviewer can win. What follows (its
place in the dataset is noted, it is filed there, the event is published) may be done twice and by
anybody: until all of it is done the record waits in the queue `FILING_QUEUE`, where `finish` finds
it. Undoing goes the same way back through `WITHDRAWING_QUEUE`.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from operations import filing
from operations.escaping import quote
from operations.faults import Fault, Refused, explain
from operations.review_records import ReviewedRecords
from operations.stack import Stack
from scones.events import PhotoReviewed
from scones.photos import EncodedImage
from scones.records import (
    FILING_QUEUE,
    WITHDRAWING_QUEUE,
    Record,
    Review,
    Withdrawal,
    is_simulated,
    read_queue,
    read_versions,
)
from scones.storage import StorageBusy, StorageRefused

if TYPE_CHECKING:
    import boto3

LEFT_ALONE = timedelta(minutes=1)
"""So long a review may take whoever began it; after that anybody finishes it."""

PAGE = 100
"""How many of those that wait are read at once: people see the first of them."""

SOURCE, DETAIL_TYPE = "scones", "Photo Reviewed"


class AlreadyReviewed(Refused):
    """Somebody has said what the photo shows; the message says who, when and what."""


class Unfinished(Fault):
    """What was said is kept, but not all is done that follows; it is tried again.

    Attributes
    ----------
    record
        With what was said.
    """

    def __init__(self, record: Record, message: str) -> None:
        super().__init__(message)
        self.record = record


@dataclass(frozen=True)
class Finished:
    """What became of a review that somebody had left unfinished; `trouble` is None if all is done.

    Attributes
    ----------
    record
        Of the photo, as it was found.
    trouble
        Why it can't be finished.
    """

    record: Record
    trouble: str | None = None


def waiting(session: "boto3.Session", stack: Stack) -> Iterator[Record]:
    """Read what waits for a person, the longest waiting first."""
    return read_queue(session.client("dynamodb"), stack.results_table, page_size=PAGE)


def find_waiting(
    session: "boto3.Session", stack: Stack, photo: str, version: str | None = None
) -> Record:
    """Find a photo that waits for a person.

    Parameters
    ----------
    session, stack
        Where.
    photo
        Its S3 URI, or its key in the photos bucket.
    version
        Which version; None where only one waits.

    Raises
    ------
    AlreadyReviewed
        If somebody was faster.
    Refused
        If it waits for nobody, or several versions do.
    """
    found = _versions(session, stack, photo, version)
    open_ones = [record for record in found if _waits(record)]
    if len(open_ones) > 1:
        raise Refused(
            f"{len(open_ones)} versions of {quote(open_ones[0].photo)} wait, name one with "
            f"--version: {', '.join(record.version for record in open_ones)}"
        )
    if not open_ones:
        _refuse(found[0])
    return open_ones[0]


def find_reviewed(
    session: "boto3.Session", stack: Stack, photo: str, version: str | None = None
) -> Record:
    """Find a photo of which a person has spoken, the latest version that was.

    Parameters are those of `find_waiting`.

    Raises
    ------
    Refused
        If nobody has.
    """
    for record in _versions(session, stack, photo, version):
        if record.review:
            return record
    raise Refused(f"nobody has said what {quote(photo)} shows: there is nothing to undo")


def label(session: "boto3.Session", stack: Stack, record: Record, name: str, by: str) -> Record:
    """Say which class a photo shows, and file it into the dataset.

    Parameters
    ----------
    session, stack
        Where.
    record
        The photo.
    name
        The class.
    by
        Who says so.

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
    if name not in stack.class_names:
        raise Refused(f"{name} is no class: the classes are {', '.join(stack.class_names)}")
    picture = filing.make_picture(session.client("s3"), record)
    review = Review(id=uuid.uuid4().hex, outcome="labelled", label=name, by=by, at=_now())
    return _say(_Desk(session, stack), record, review, picture)


def say_not_a_vehicle(session: "boto3.Session", stack: Stack, record: Record, by: str) -> Record:
    """Say that a photo shows none of the classes, and file it into the dataset as such.

    A photo that is gone or cannot be read is not filed, but leaves the review queue.

    Parameters, what is returned and errors are those of `label`.
    """
    review = Review(id=uuid.uuid4().hex, outcome="not_a_vehicle", label=None, by=by, at=_now())
    return _say(_Desk(session, stack), record, review, None)


def undo(session: "boto3.Session", stack: Stack, record: Record, by: str) -> Record:
    """Take back what was said of a photo, whoever said it; the photo waits for a person again.

    Parameters
    ----------
    session, stack
        Where.
    record
        With the review that is to be undone.
    by
        Who takes it back.

    Returns
    -------
    Record
        Without a review.

    Raises
    ------
    Refused
        If it was undone already, or somebody has said something else since.
    Unfinished
        If it can't be removed from the dataset, or published, now.
    """
    if record.review is None:
        raise Refused(f"nobody has said what {quote(record.photo)} shows: there is nothing to undo")
    desk = _Desk(session, stack)
    withdrawn = _withdraw(desk, record, record.review, Withdrawal(by=by, at=_now()))
    return _take_back(desk, record, withdrawn)


def finish(session: "boto3.Session", stack: Stack) -> list[Finished]:
    """Finish what was begun and left for longer than `LEFT_ALONE`, by whomever.

    Returns
    -------
    list of Finished
        One for each review that was found so.
    """
    desk = _Desk(session, stack)
    before = _now() - LEFT_ALONE
    found = []
    for queue, go_on in ((FILING_QUEUE, _follow_up), (WITHDRAWING_QUEUE, _take_back)):
        for record in desk.records.left_in(queue):
            review = record.review
            if review is None or (review.withdrawal or review).at > before:
                continue
            try:
                go_on(desk, record, review)
            except (Refused, Fault) as error:
                found.append(Finished(record, str(error)))
            else:
                found.append(Finished(record))
    return found


def said(review: Review) -> str:
    """Say what somebody said of a photo, and when, in the time of where this runs."""
    when = review.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    what = review.label if review.label is not None else "not a vehicle"
    return f"{review.by} said {what} at {when}"


class _Desk:
    """What a review is written to, filed in and told through."""

    def __init__(self, session: "boto3.Session", stack: Stack) -> None:
        self.records = ReviewedRecords(session.client("dynamodb"), stack.results_table)
        self.s3 = session.client("s3")
        self.bus = session.client("events")
        self.stack = stack

    def publish(self, event: PhotoReviewed) -> None:
        """Put an event on the stack's bus; PutEvents answers 200 also where it takes none."""
        entry = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": event.model_dump_json(),
            "EventBusName": self.stack.event_bus,
        }
        answer = self.bus.put_events(Entries=[entry])  # type: ignore[list-item]
        if answer["FailedEntryCount"]:
            refused = answer["Entries"][0]
            raise Fault(
                f"the bus {self.stack.event_bus} did not take the event: "
                f"{refused.get('ErrorCode')}: {refused.get('ErrorMessage')}"
            )


def _say(desk: _Desk, record: Record, review: Review, picture: EncodedImage | None) -> Record:
    if not desk.records.claim(record, review):
        now = desk.records.read(record)
        if now.review is None or now.review.id != review.id:
            _refuse(now)
        # Else the answer to the first attempt was lost.
    return _follow_up(desk, record, review, picture)


def _follow_up(
    desk: _Desk, record: Record, review: Review, picture: EncodedImage | None = None
) -> Record:
    """Do what follows a claim; each step may have been done before."""
    try:
        review = _file(desk, record, review, picture)
        desk.publish(_event(desk.stack, record, review))
        desk.records.close(record, review)
    except _PASSING as error:
        raise Unfinished(
            replace(record, review=review),
            f"{quote(record.photo)} is reviewed, but not all is done that follows "
            f"({_spoken(error)}). It is tried again while `scones console` is open, or by "
            "`scones review`",
        ) from error
    return replace(record, review=review)


def _file(desk: _Desk, record: Record, review: Review, picture: EncodedImage | None) -> Review:
    try:
        picture = picture or filing.make_picture(desk.s3, record)
    except (filing.PhotoGone, filing.PhotoUnreadableError):
        if review.outcome == "labelled" and not _is_filed(desk, review):
            raise
        # Nothing can be learned from the photo, and nothing else takes it out of the queue. A copy
        # that was made before it was gone stays, under the key that the review has.
        return review
    if review.dataset_key is None:
        review = _place(desk, record, review, picture)
    filing.file_picture(desk.s3, desk.stack, record, review, picture)
    try:
        return _standing(desk, record, review)
    except Refused:
        # Whoever has undone it may have done so before the photo was there.
        filing.remove_picture(desk.s3, desk.stack, review)
        raise


def _is_filed(desk: _Desk, review: Review) -> bool:
    """Return True if the photo was copied: without KeepOriginals it may be gone since."""
    bucket, key = desk.stack.data_bucket, review.dataset_key
    return key is not None and filing.is_stored(desk.s3, bucket, key)


def _place(desk: _Desk, record: Record, review: Review, picture: EncodedImage) -> Review:
    """Note where a photo is to be filed, before it is: undoing must know what to remove."""
    key = filing.find_place(desk.s3, desk.stack, record, review, picture)
    if desk.records.note(record, review, key):
        return review.model_copy(update={"dataset_key": key})
    # Whoever else finishes it was faster, or the answer to the first attempt was lost.
    return _standing(desk, record, review)


def _standing(desk: _Desk, record: Record, review: Review) -> Review:
    """Read a review as it is now; refuse where it was or is being undone."""
    now = desk.records.read(record).review
    if now is None or now.id != review.id or now.withdrawal:
        raise Refused(f"what was said of {quote(record.photo)} was undone meanwhile")
    return now


def _withdraw(desk: _Desk, record: Record, review: Review, withdrawal: Withdrawal) -> Review:
    withdrawn = review.model_copy(update={"withdrawal": withdrawal})
    if desk.records.withdraw(record, withdrawn):
        return withdrawn
    now = desk.records.read(record).review
    if now == withdrawn:  # the answer to the first attempt was lost
        return withdrawn
    if now and now.id == review.id and not now.withdrawal and not review.dataset_key:
        # Its place was noted after it was read, which is done once.
        return _withdraw(desk, record, now, withdrawal)
    raise Refused(_why_not_undone(review, now))


def _take_back(desk: _Desk, record: Record, review: Review) -> Record:
    """Do what undoing takes; each step may have been done before."""
    try:
        filing.remove_picture(desk.s3, desk.stack, review)
        desk.publish(_event(desk.stack, record, review))
        desk.records.reopen(record, review)
    except _PASSING as error:
        raise Unfinished(
            replace(record, review=review),
            f"what was said of {quote(record.photo)} is being undone, but not all is done "
            f"({_spoken(error)}). It is tried again while `scones console` is open, or by "
            "`scones review`",
        ) from error
    return replace(record, review=None)


_PASSING = (Fault, ClientError, BotoCoreError, StorageBusy, StorageRefused)
"""What may go wrong on the way, and is tried again."""


def _spoken(error: Exception) -> str:
    return explain(error) if isinstance(error, ClientError | BotoCoreError) else str(error)


def _event(stack: Stack, record: Record, review: Review) -> PhotoReviewed:
    decided, withdrawal = record.decided, review.withdrawal
    assert decided.label is not None  # noqa: S101  # a photo that waits was classified
    assert decided.confidence is not None  # noqa: S101
    label = None if withdrawal else review.label
    return PhotoReviewed(
        version="1",
        outcome="withdrawn" if withdrawal else review.outcome,
        photo=decided.photo,
        label=label,
        loading_bay=stack.loading_bays.get(label) if label else None,
        guess=decided.label,
        confidence=decided.confidence,
        by=withdrawal.by if withdrawal else review.by,
        at=withdrawal.at if withdrawal else review.at,
    )


def _versions(
    session: "boto3.Session", stack: Stack, photo: str, version: str | None
) -> list[Record]:
    uri = photo if photo.startswith("s3://") else f"s3://{stack.photos_bucket}/{photo}"
    found = read_versions(session.client("dynamodb"), stack.results_table, uri)
    if not found:
        raise Refused(
            f"nothing is known of {quote(uri)}: `scones review` lists what waits for a person"
        )
    chosen = [record for record in found if version in (None, record.version)]
    if not chosen:
        known = ", ".join(record.version for record in found)
        raise Refused(f"{quote(uri)} has no version {version} that was decided, but {known}")
    return chosen


def _waits(record: Record) -> bool:
    asked = record.decided.status == "needs_review" and not is_simulated(record.decided.photo.key)
    return asked and record.review is None


def _refuse(record: Record) -> None:
    """Say why a photo can't be labelled."""
    if record.review:
        raise AlreadyReviewed(
            f"{said(record.review)}, of {quote(record.photo)}: undo that first if it is wrong"
        )
    if is_simulated(record.decided.photo.key):
        raise Refused(
            f"{quote(record.photo)} does not wait for a person: it was sent to try the "
            "application, and is in the dataset already"
        )
    raise Refused(
        f"{quote(record.photo)} does not wait for a person: it is {record.decided.status}"
        + (f" as {record.decided.label}" if record.decided.label else "")
    )


def _why_not_undone(meant: Review, found: Review | None) -> str:
    if found is None:
        return "that was undone already: the photo waits for a person again"
    if found.id != meant.id:
        return f"that was undone already, and {said(found)} since"
    by = found.withdrawal.by if found.withdrawal else "somebody"
    return f"{by} is undoing that just now"


def _now() -> datetime:
    return datetime.now(UTC)
