"""How what became of photos is put to a person, and to a program."""

from datetime import datetime
from typing import Any

from rich.text import Text

from scones.events import PhotoDecided
from scones.records import Record
from scones_operator.cli.times import format_time
from scones_operator.rounding import format_share

STYLES = {"classified": "green", "needs_review": "yellow", "rejected": "magenta", "failed": "red"}


def format_status(status: str) -> Text:
    """Write how a photo ended."""
    return Text().append(status.replace("_", " "), STYLES.get(status, ""))


def result_json(record: Record) -> dict[str, Any]:
    """Return a result for a program: the event, when it was announced, and the review."""
    return {
        **record.decision.model_dump(mode="json"),
        "announced_at": record.announced_at,
        "review": record.review.model_dump(mode="json") if record.review else None,
    }


def format_note(record: Record) -> str:
    """Return what a reviewer said, or why there is no class or a photo needs review."""
    if review := record.effective_review:
        same = f" (same bytes, {format_time(review.at)})" if review.reviewed_version else ""
        return f"{review.by}: {review.label or 'none of the classes'}{same}"
    return format_review_reason(record.decision)


def format_decision(record: Record) -> str:
    """Say in a few words what a photo was decided to be, or why it was not."""
    detail = record.decision
    if detail.reason and detail.label is None:
        return detail.reason.code
    bay = f", bay {detail.loading_bay}" if detail.loading_bay else ""
    reason = f", {format_review_reason(detail)}" if detail.reason else ""
    confidence = format_share(detail.confidence or 0.0, detail.threshold)
    return f"{detail.label} {confidence}{bay}{reason}"


def format_review_reason(decision: PhotoDecided) -> str:
    """Return the code of the reason, ``unfamiliar`` with the familiarity; empty without one."""
    if not decision.unfamiliar:
        return decision.reason.code if decision.reason else ""
    familiarity = format_share(decision.familiarity or 0.0, decision.familiarity_limit, 3)
    return f"unfamiliar {familiarity}"


def format_timestamp(time: datetime | None) -> str:
    """Write a moment to the millisecond, a dash where it is not known."""
    if time is None:
        return "-"
    return f"{format_time(time)}.{time.microsecond // 1000:03d}"
