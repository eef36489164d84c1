"""How what became of photos is put to a person, and to a program."""

from datetime import datetime
from typing import Any

from rich.text import Text

from scones.events import PhotoDecided
from scones.records import Record
from scones_operator.cli.times import shown
from scones_operator.rounding import format_share

STYLES = {"classified": "green", "needs_review": "yellow", "rejected": "magenta", "failed": "red"}


def status_shown(status: str) -> Text:
    """Write how a photo ended."""
    return Text().append(status.replace("_", " "), STYLES.get(status, ""))


def result_record(record: Record) -> dict[str, Any]:
    """Return a result for a program: the event, when it was announced, and the review."""
    return {
        **record.decided.model_dump(mode="json"),
        "announced_at": record.announced_at,
        "review": record.review.model_dump(mode="json") if record.review else None,
    }


def note_shown(record: Record) -> str:
    """Return what a reviewer said, or why there is no class or a photo needs review."""
    if review := record.effective_review:
        same = f" (same bytes, {shown(review.at)})" if review.reviewed_version else ""
        return f"{review.by}: {review.label or 'none of the classes'}{same}"
    return review_reason_shown(record.decided)


def answer_shown(record: Record) -> str:
    """Say in a few words what a photo was decided to be, or why it was not."""
    detail = record.decided
    if detail.reason and detail.label is None:
        return detail.reason.code
    bay = f", bay {detail.loading_bay}" if detail.loading_bay else ""
    why = f", {review_reason_shown(detail)}" if detail.reason else ""
    confidence = format_share(detail.confidence or 0.0, detail.threshold)
    return f"{detail.label} {confidence}{bay}{why}"


def review_reason_shown(decided: PhotoDecided) -> str:
    """Return the code of the reason, ``unfamiliar`` with the familiarity; empty without one."""
    if not decided.unfamiliar:
        return decided.reason.code if decided.reason else ""
    familiarity = format_share(decided.familiarity or 0.0, decided.familiarity_limit, 3)
    return f"unfamiliar {familiarity}"


def time_shown(moment: datetime | None) -> str:
    """Write a moment to the millisecond, a dash where it is not known."""
    if moment is None:
        return "-"
    return f"{shown(moment)}.{moment.microsecond // 1000:03d}"
