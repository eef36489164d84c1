"""Reviews of photos that the model was not sure of: given once, filed, published, undone."""

from scones.reviews.errors import (
    AlreadyReviewedError,
    ReviewIncompleteError,
    UndoError,
    describe_review,
)
from scones.reviews.records import is_pending
from scones.reviews.requests import (
    ANSWER,
    REQUEST,
    Answer,
    Label,
    Request,
    Resume,
    ResumedReview,
    Undo,
    respond,
)
from scones.reviews.review import (
    ReviewServices,
    nothing_to_undo_error,
    raise_not_pending,
    validate_class,
)
from scones.reviews.sharing import JoinOutcome, join
from scones.reviews.store import ReviewStore

__all__ = [
    "ANSWER",
    "REQUEST",
    "AlreadyReviewedError",
    "Answer",
    "JoinOutcome",
    "Label",
    "Request",
    "Resume",
    "ResumedReview",
    "ReviewIncompleteError",
    "ReviewServices",
    "ReviewStore",
    "Undo",
    "UndoError",
    "describe_review",
    "is_pending",
    "join",
    "nothing_to_undo_error",
    "raise_not_pending",
    "respond",
    "validate_class",
]
