"""Requests to the function `review` and its responses: outcomes are data, with a kind."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from scones.callers import Caller
from scones.errors import Refused
from scones.records import Review, UnreadableRecord
from scones.reviews import review as reviewing
from scones.reviews.errors import AlreadyReviewed, NotUndone, Unfinished
from scones.reviews.review import Desk

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


class Finish(_Message):
    """Finish the reviews that were left unfinished."""

    action: Literal["finish"] = "finish"


Request = Annotated[Label | Undo | Finish, Field(discriminator="action")]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Reviewed(_Message):
    """The photo is labeled, filed, and published."""

    kind: Literal["reviewed"] = "reviewed"
    review: Review


class Undone(_Message):
    """The photo waits for a review again."""

    kind: Literal["undone"] = "undone"


class FinishedReview(_OfPhoto):
    """Result for one review that was left unfinished; `trouble` is None if all is done."""

    trouble: str | None


class Finished(_Message):
    """Results for the reviews that were left unfinished."""

    kind: Literal["finished"] = "finished"
    reviews: list[FinishedReview]


class Taken(_Message):
    """The photo has a review already: `AlreadyReviewed`."""

    kind: Literal["already_reviewed"] = "already_reviewed"
    photo: str
    review: Review


class Stands(_Message):
    """The review can't be undone: `NotUndone`."""

    kind: Literal["not_undone"] = "not_undone"
    meant: str
    found: Review | None


class Rejected(_Message):
    """It can't be done as things are: `Refused`."""

    kind: Literal["refused"] = "refused"
    message: str


class Begun(_Message):
    """It is kept, but not all is done that follows: `Unfinished`."""

    kind: Literal["unfinished"] = "unfinished"
    message: str
    review: Review | None


Answer = Annotated[
    Reviewed | Undone | Finished | Taken | Stands | Rejected | Begun, Field(discriminator="kind")
]
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


def respond(desk: Desk, request: Request, caller: Caller, has_time: Callable[[], bool]) -> Answer:
    """Do what a request asks for, and return the outcome.

    Parameters
    ----------
    desk
        Clients and settings.
    request
        The request.
    caller
        The verified caller.
    has_time
        As for `scones.reviews.review.finish`.

    Raises
    ------
    botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
        If AWS fails before anything was kept.
    """
    try:
        return _respond(desk, request, caller, has_time)
    except AlreadyReviewed as error:
        return Taken(photo=error.photo, review=error.review)
    except NotUndone as error:
        return Stands(meant=error.meant, found=error.found)
    except Unfinished as error:
        return Begun(message=str(error), review=error.record.review)
    except (Refused, UnreadableRecord) as error:
        return Rejected(message=str(error))


def _respond(desk: Desk, request: Request, caller: Caller, has_time: Callable[[], bool]) -> Answer:
    match request:
        case Label():
            return Reviewed(review=_label(desk, request, caller))
        case Undo():
            _undo(desk, request, caller)
            return Undone()
        case Finish():
            return Finished(
                reviews=[
                    FinishedReview(
                        photo=found.photo,
                        version=found.version,
                        trouble=found.trouble,
                    )
                    for found in reviewing.finish(desk, has_time)
                ]
            )


def _label(desk: Desk, request: Label, caller: Caller) -> Review:
    record = desk.records.read(request.photo, request.version)
    if request.label is None:
        done = reviewing.say_not_a_vehicle(desk, record, caller, request.review)
    else:
        done = reviewing.label(desk, record, request.label, caller, request.review)
    assert done.review is not None  # noqa: S101
    return done.review


def _undo(desk: Desk, request: Undo, caller: Caller) -> None:
    record = desk.records.read(request.photo, request.version)
    if reviewing.was_undone(record, caller, request.undo):
        return
    if record.review is None or record.review.id != request.review:
        raise NotUndone(request.review, record.review)
    reviewing.undo(desk, record, caller, request.undo)
