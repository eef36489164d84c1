"""Requests to the function `review` and its responses: outcomes are data, with a kind."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from scones.callers import Caller
from scones.errors import PreconditionError
from scones.records import Review, UnreadableRecord
from scones.reviews import review as reviewing
from scones.reviews.errors import AlreadyReviewedError, ReviewIncompleteError, UndoError
from scones.reviews.review import ReviewServices

ReviewId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class _Message(BaseModel):
    # A field that is not known, such as a name, is an error: it would have no effect.
    model_config = ConfigDict(frozen=True, extra="forbid")


class _OfPhoto(_Message):
    """Key of a record in the results table."""

    photo: str = Field(min_length=1, max_length=2048)
    version: str = Field(min_length=1, max_length=1024)


class Label(_OfPhoto):
    """Label a photo.

    Attributes
    ----------
    review
        ID of the review, of the caller's choice: a repeated request changes nothing.
    label
        The class, or None for none of the classes.
    """

    action: Literal["label"] = "label"
    review: ReviewId
    label: str | None = Field(max_length=1500)


class Undo(_OfPhoto):
    """Undo a review.

    Attributes
    ----------
    review
        ID of the review.
    undo
        ID of the undoing, of the caller's choice: a repeated request changes nothing. None in
        requests of commands from before there were IDs.
    """

    action: Literal["undo"] = "undo"
    review: str = Field(min_length=1, max_length=64)
    undo: ReviewId | None = None


class Resume(_Message):
    """Finish the reviews that were left unfinished."""

    action: Literal["finish"] = "finish"


Request = Annotated[Label | Undo | Resume, Field(discriminator="action")]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Reviewed(_Message):
    """The photo is labeled, filed, and published."""

    kind: Literal["reviewed"] = "reviewed"
    review: Review


class Undone(_Message):
    """The photo waits for a review again."""

    kind: Literal["undone"] = "undone"


class ResumedReview(_OfPhoto):
    """Result for one review that was left unfinished; `error` is None if all is done."""

    error: str | None


class Resumed(_Message):
    """Results for the reviews that were left unfinished."""

    kind: Literal["finished"] = "finished"
    reviews: list[ResumedReview]


class AlreadyReviewed(_Message):
    """The photo has a review already: `AlreadyReviewedError`."""

    kind: Literal["already_reviewed"] = "already_reviewed"
    photo: str
    review: Review


class NotUndone(_Message):
    """The review can't be undone: `UndoError`."""

    kind: Literal["not_undone"] = "not_undone"
    meant: str
    found: Review | None


class Rejected(_Message):
    """It can't be done as things are: `PreconditionError`."""

    kind: Literal["refused"] = "refused"
    message: str


class Incomplete(_Message):
    """It is kept, but not all is done that follows: `ReviewIncompleteError`."""

    kind: Literal["unfinished"] = "unfinished"
    message: str
    review: Review | None


Answer = Annotated[
    Reviewed | Undone | Resumed | AlreadyReviewed | NotUndone | Rejected | Incomplete,
    Field(discriminator="kind"),
]
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


def respond(
    services: ReviewServices, request: Request, caller: Caller, has_time: Callable[[], bool]
) -> Answer:
    """Do what a request asks for, and return the outcome.

    Parameters
    ----------
    services
        Clients and settings.
    request
        The request.
    caller
        The verified caller.
    has_time
        As for `scones.reviews.review.resume_reviews`.

    Raises
    ------
    botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
        If AWS fails before anything was kept.
    """
    try:
        return _respond(services, request, caller, has_time)
    except AlreadyReviewedError as error:
        return AlreadyReviewed(photo=error.photo, review=error.review)
    except UndoError as error:
        return NotUndone(meant=error.meant, found=error.found)
    except ReviewIncompleteError as error:
        return Incomplete(message=str(error), review=error.record.review)
    except (PreconditionError, UnreadableRecord) as error:
        return Rejected(message=str(error))


def _respond(
    services: ReviewServices, request: Request, caller: Caller, has_time: Callable[[], bool]
) -> Answer:
    match request:
        case Label():
            return Reviewed(review=_label(services, request, caller))
        case Undo():
            _undo(services, request, caller)
            return Undone()
        case Resume():
            return Resumed(
                reviews=[
                    ResumedReview(
                        photo=resumed.photo,
                        version=resumed.version,
                        error=resumed.error,
                    )
                    for resumed in reviewing.resume_reviews(services, has_time)
                ]
            )


def _label(services: ReviewServices, request: Label, caller: Caller) -> Review:
    record = services.records.read(request.photo, request.version)
    if request.label is None:
        reviewed = reviewing.label_as_none(services, record, caller, request.review)
    else:
        reviewed = reviewing.label(services, record, request.label, caller, request.review)
    assert reviewed.review is not None  # noqa: S101
    return reviewed.review


def _undo(services: ReviewServices, request: Undo, caller: Caller) -> None:
    record = services.records.read(request.photo, request.version)
    if reviewing.was_undone(record, caller, request.undo):
        return
    if record.review is None or record.review.id != request.review:
        raise UndoError(request.review, record.review)
    reviewing.undo(services, record, caller, request.undo)
