"""Reviews of photos that the model was not sure of: given once, filed, published, undone."""

from scones.reviews.errors import AlreadyReviewed, NotUndone, Unfinished, said
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
from scones.reviews.reviewing import Desk, nothing_to_undo, refuse, require_class, waits

__all__ = [
    "ANSWER",
    "REQUEST",
    "AlreadyReviewed",
    "Answer",
    "Desk",
    "Finish",
    "FinishedReview",
    "Label",
    "NotUndone",
    "Request",
    "Undo",
    "Unfinished",
    "nothing_to_undo",
    "refuse",
    "require_class",
    "respond",
    "said",
    "waits",
]
