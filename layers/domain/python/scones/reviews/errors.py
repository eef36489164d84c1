"""What keeps a review from being given or undone; the messages are made from data."""

from scones.errors import OperationError, PreconditionError
from scones.quoting import quote
from scones.records import Record, Review


class AlreadyReviewedError(PreconditionError):
    """A reviewer has labelled the photo; the message says who, when and what.

    Attributes
    ----------
    photo
        S3 URI of the photo.
    review
        The review that it has.
    """

    def __init__(self, photo: str, review: Review) -> None:
        super().__init__(
            f"{quote(photo)} has a review already: {describe_review(review)}. If the label is "
            "incorrect, undo it first"
        )
        self.photo = photo
        self.review = review


class UndoError(PreconditionError):
    """A review can't be undone: it was, or another caller is undoing it.

    Attributes
    ----------
    meant
        ID of the review.
    found
        The review that the photo has now, or None if it has none.
    """

    def __init__(self, review_id: str, current: Review | None) -> None:
        super().__init__(_undo_error(review_id, current))
        self.meant = review_id
        self.found = current


class ReviewIncompleteError(OperationError):
    """What was said is kept, but not all is done that follows; it is tried again.

    Attributes
    ----------
    record
        With what was said.
    """

    def __init__(self, record: Record, message: str) -> None:
        super().__init__(message)
        self.record = record


def describe_review(review: Review) -> str:
    """Return who labeled a photo, how, and when, in the zone of the process, which it names."""
    reviewed_at = review.at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    label = review.label if review.label is not None else "none of the classes"
    origin = " (another version with the same bytes)" if review.reviewed_version else ""
    return f"{review.by} labeled it {label} at {reviewed_at}{origin}"


def _undo_error(review_id: str, current: Review | None) -> str:
    if current is None:
        return "the review was undone already: the photo needs review again"
    if current.id != review_id:
        return f"the review was undone already; since then, {describe_review(current)}"
    user = current.withdrawal.by if current.withdrawal else "another reviewer"
    return f"{user} is undoing the review now"
