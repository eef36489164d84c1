"""Reviews of photos that the model was not sure of: given once, filed, published, undone."""

from scones.reviews.errors import AlreadyReviewed, NotUndone, Unfinished, said
from scones.reviews.records import waits
from scones.reviews.requests import (
    ANSWER,
    REQUEST,
    Answer,
    Finish,
    FinishedReview,
    Label,
    Request,
    Undo,
    respond,
)
from scones.reviews.review import Desk, nothing_to_undo, refuse, require_class
from scones.reviews.sharing import Joined, join
from scones.reviews.store import ReviewStore

__all__ = [
    "ANSWER",
    "REQUEST",
    "AlreadyReviewed",
    "Answer",
    "Desk",
    "Finish",
    "FinishedReview",
    "Joined",
    "Label",
    "NotUndone",
    "Request",
    "ReviewStore",
    "Undo",
    "Unfinished",
    "join",
    "nothing_to_undo",
    "refuse",
    "require_class",
    "respond",
    "said",
    "waits",
]
