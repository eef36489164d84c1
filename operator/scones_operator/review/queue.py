"""Reviews of photos that the model was not sure of, through the stack's function `review`.

The function names the caller itself, and does what `scones.reviews` describes.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Never

from pydantic import ValidationError

from scones.quoting import quote
from scones.records import Record, Skipped, UnreadableRecord, read_queue, read_versions
from scones.reviews import (
    ANSWER,
    AlreadyReviewedError,
    Answer,
    Label,
    Request,
    Resume,
    ResumedReview,
    ReviewIncompleteError,
    Undo,
    UndoError,
    describe_review,
    is_pending,
    nothing_to_undo_error,
    raise_not_pending,
    validate_class,
)
from scones_operator.aws.function_urls import UrlClient
from scones_operator.aws.stack import Stack
from scones_operator.errors import OperationError, PreconditionError

if TYPE_CHECKING:
    import boto3

__all__ = [
    "AlreadyReviewedError",
    "ResumedReview",
    "ReviewIncompleteError",
    "UndoError",
    "describe_review",
    "get_pending",
    "get_reviewed",
    "label",
    "label_as_none",
    "list_pending",
    "resume_reviews",
    "undo",
]

PAGE_SIZE = 100
"""How many of those that wait are read at once: people see the first of them."""


def list_pending(session: "boto3.Session", stack: Stack, skipped: Skipped) -> Iterator[Record]:
    """Read what waits for a person, the longest waiting first.

    Of several versions of a key with the same bytes only the longest waiting one is returned: its
    review counts for all of them.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    skipped
        Gets the unreadable records.
    """
    seen: set[tuple[str, str]] = set()
    for record in read_queue(
        session.client("dynamodb"), stack.results_table, skipped, page_size=PAGE_SIZE
    ):
        content = (record.photo, record.decision.photo.etag)
        if content not in seen:
            seen.add(content)
            yield record


def get_pending(
    session: "boto3.Session", stack: Stack, photo: str, version: str | None = None
) -> Record:
    """Find a photo that waits for a person.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    photo
        Its S3 URI, or its key in the photos bucket.
    version
        Version of the photo, or None if only one waits, or several with the same bytes.

    Raises
    ------
    AlreadyReviewedError
        If somebody was faster.
    PreconditionError
        If it waits for nobody, or several versions do.
    UnreadableRecord
        If the only record, or that of `version`, cannot be read.
    """
    found = _versions(session, stack, photo, version)
    # Of those with the same bytes the longest waiting one stays: it comes last.
    distinct = {record.decision.photo.etag: record for record in found if is_pending(record)}
    open_ones = list(distinct.values())
    if len(open_ones) > 1:
        raise PreconditionError(
            f"{len(open_ones)} versions of {quote(open_ones[0].photo)} need review; choose one "
            f"with --version: {', '.join(record.version for record in open_ones)}"
        )
    if not open_ones:
        raise_not_pending(found[0])
    return open_ones[0]


def get_reviewed(
    session: "boto3.Session", stack: Stack, photo: str, version: str | None = None
) -> Record:
    """Find a photo of which a person has spoken, the latest version that was.

    Parameters are those of `find_waiting`.

    Raises
    ------
    PreconditionError
        If nobody has.
    """
    for record in _versions(session, stack, photo, version):
        if record.review:
            return record
    raise nothing_to_undo_error(photo)


def label(session: "boto3.Session", stack: Stack, record: Record, name: str) -> Record:
    """Label a photo with a class, and file it into the dataset.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    record
        The photo.
    name
        The class.

    Returns
    -------
    Record
        With the review, by the user whose credentials the session has.

    Raises
    ------
    AlreadyReviewedError
        If somebody else said something first.
    PreconditionError
        If there is no such class, the photo is gone, or it does not wait for a person.
    ReviewIncompleteError
        If it was said, but can't be filed or published now.
    """
    validate_class(name, stack.class_names)
    return _label(session, stack, record, name)


def label_as_none(session: "boto3.Session", stack: Stack, record: Record) -> Record:
    """Label a photo with none of the classes, and file it into the dataset as such.

    A photo that is gone or cannot be read is not filed, but leaves the review queue.

    Parameters, what is returned and errors are those of `label`.
    """
    return _label(session, stack, record, None)


def undo(session: "boto3.Session", stack: Stack, record: Record) -> Record:
    """Undo the review of a photo, whoever gave it; the photo waits for a person again.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    record
        With the review that is to be undone.

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
    request = Undo(
        photo=record.photo,
        version=record.version,
        review=record.review.id,
        undo=uuid.uuid4().hex,
    )
    answer = _request(session, stack, request)
    if answer.kind != "undone":
        _fail(record, answer)
    return replace(record, review=None)


def resume_reviews(session: "boto3.Session", stack: Stack) -> list[ResumedReview]:
    """Finish reviews that were left unfinished for a minute or longer, by whomever.

    Returns
    -------
    list of ResumedReview
        One for each review that was found so, as far as the function's time allowed.
    """
    answer = _request(session, stack, Resume())
    assert answer.kind == "finished"  # noqa: S101
    return answer.reviews


def _label(session: "boto3.Session", stack: Stack, record: Record, name: str | None) -> Record:
    answer = _request(
        session,
        stack,
        Label(photo=record.photo, version=record.version, review=uuid.uuid4().hex, label=name),
    )
    if answer.kind != "reviewed":
        _fail(record, answer)
    return replace(record, review=answer.review)


def _fail(record: Record, answer: Answer) -> Never:
    """Raise the error that the function returned as data; times become those of this computer."""
    match answer.kind:
        case "already_reviewed":
            raise AlreadyReviewedError(answer.photo, answer.review)
        case "not_undone":
            raise UndoError(answer.meant, answer.found)
        case "unfinished":
            raise ReviewIncompleteError(replace(record, review=answer.review), answer.message)
        case "refused":
            raise PreconditionError(answer.message)
        case _:
            raise AssertionError(f"the function review returned {answer.kind}")


def _request(session: "boto3.Session", stack: Stack, request: Request) -> Answer:
    url = _client(session, stack.review_url)
    answer = url.call(request.model_dump(mode="json"))
    try:
        return ANSWER.validate_python(answer)
    except ValidationError as error:
        raise OperationError(
            "the response of the function review cannot be read: deploy the stack and use the "
            f"command from the same version of Scones ({error.errors()[0]['msg']})"
        ) from None


@lru_cache(maxsize=4)
def _client(session: "boto3.Session", url: str) -> UrlClient:
    """Return the client of a URL, which keeps its connection for bulk reviews."""
    return UrlClient(session, url, "scones show PHOTO")


def _versions(
    session: "boto3.Session", stack: Stack, photo: str, version: str | None
) -> list[Record]:
    uri = photo if photo.startswith("s3://") else f"s3://{stack.photos_bucket}/{photo}"
    found = read_versions(session.client("dynamodb"), stack.results_table, uri)
    if not found:
        raise PreconditionError(
            f"there is no record of {quote(uri)}: `scones review` lists the photos that need review"
        )
    chosen = [record for record in found if version in (None, record.version)]
    if not chosen:
        known = ", ".join(record.version for record in found)
        raise PreconditionError(
            f"{quote(uri)} has no classified version {version}: its versions are {known}"
        )
    records = [record for record in chosen if isinstance(record, Record)]
    if not records and isinstance(chosen[0], UnreadableRecord):
        raise chosen[0]
    return records
