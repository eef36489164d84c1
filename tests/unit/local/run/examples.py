"""Results of photos, for tests."""

from typing import Any

from scones.events import PhotoDecided
from scones_local.run.classify import ResultRow


def event(status: str, label: str | None = None) -> PhotoDecided:
    decided: dict[str, Any] = {
        "version": "1",
        "status": status,
        "photo": {"bucket": "b", "key": "k", "version_id": "v", "etag": "e", "size": 1},
        "label": label,
        "confidence": 0.5 if label else None,
        "probabilities": {label: 0.5} if label else None,
        "threshold": 0.4 if label else None,
        "loading_bay": None,
        "reason": None if label else {"code": "c", "message": "m"},
        "model": None,
        "timings": {
            "uploaded_at": "2026-01-01T00:00:00Z",
            "started_at": "2026-01-01T00:00:00Z",
            "decided_at": "2026-01-01T00:00:00Z",
            "serialize_ms": None,
            "classify_ms": None,
            "threshold_ms": None,
            "total_ms": 1,
        },
        "execution": "arn",
    }
    return PhotoDecided.model_validate(decided)


def result(
    status: str | None, truth: str | None = None, label: str | None = None, ms: float = 100
) -> ResultRow:
    if status is None:
        return ResultRow("photo", truth, None, False, None)
    return ResultRow(f"{status} photo", truth, event(status, label), True, ms)
