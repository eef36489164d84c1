"""What keeps a review from being given or undone; the messages are made from data."""

from scones.errors import Fault, Refused
from scones.quoting import quote
from scones.records import Record, Review


class AlreadyReviewed(Refused):
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
            f"{quote(photo)} has a review already: {said(review)}. If the label is incorrect, "
            "undo it first"
        )
        self.photo = photo
        self.review = review


class NotUndone(Refused):
    """A review can't be undone: it was, or another caller is undoing it.

    Attributes
    ----------
    meant
        ID of the review.
    found
        The review that the photo has now, or None if it has none.
    """

    def __init__(self, meant: str, found: Review | None) -> None:
        super().__init__(_why_not_undone(meant, found))
        self.meant = meant
        self.found = found


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


def said(review: Review) -> str:
    """Return who labeled a photo, how, and when, in the zone of the process, which it names."""
    when = review.at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    what = review.label if review.label is not None else "none of the classes"
    same = " (another version with the same bytes)" if review.reviewed_version else ""
    return f"{review.by} labeled it {what} at {when}{same}"


def _why_not_undone(meant: str, found: Review | None) -> str:
    if found is None:
        return "the review was undone already: the photo needs review again"
    if found.id != meant:
        return f"the review was undone already; since then, {said(found)}"
    by = found.withdrawal.by if found.withdrawal else "another reviewer"
    return f"{by} is undoing the review now"
