"""How what became of photos is put to a person, and to a program."""

from datetime import datetime
from typing import Any

from rich.text import Text

from cli.moments import shown
from scones.records import Record

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
    """Say why there is no class, or what a person said."""
    if record.review:
        said = record.review.label or "not a vehicle"
        return f"{record.review.by}: {said}"
    reason = record.decided.reason
    return reason.code if reason else ""


def answer_shown(record: Record) -> str:
    """Say in a few words what a photo was decided to be, or why it was not."""
    detail = record.decided
    if detail.reason:
        return detail.reason.code
    bay = f", bay {detail.loading_bay}" if detail.loading_bay else ""
    return f"{detail.label} {detail.confidence:.2f}{bay}"


def time_shown(moment: datetime | None) -> str:
    """Write a moment to the millisecond, a dash where it is not known."""
    if moment is None:
        return "-"
    return f"{shown(moment)}.{moment.microsecond // 1000:03d}"
