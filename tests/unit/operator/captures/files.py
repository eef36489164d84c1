"""Files of captured data, as SageMaker writes them."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
PICTURE = b"\x89PNG\r\n\x1a\n picture"
REAL = Path(__file__).parents[5] / "shared" / "data" / "captures"


def record(
    number: int = 0, at: datetime = AT, answer: str = "[0.75, 0.25]", **changes: Any
) -> dict[str, Any]:
    """Return a record as its parsed JSON; `changes` are members of its capture data."""
    asked = {
        "observedContentType": "image/png",
        "mode": "INPUT",
        "data": base64.b64encode(PICTURE + bytes([number % 256])).decode(),
        "encoding": "BASE64",
    }
    answered = {
        "observedContentType": "application/json",
        "mode": "OUTPUT",
        "data": answer,
        "encoding": "JSON",
    }
    return {
        "captureData": {"endpointInput": asked, "endpointOutput": answered} | changes,
        "eventMetadata": {
            "eventId": f"event-{number}",
            "inferenceTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        },
        "eventVersion": "0",
    }


def line(*arguments: Any, **options: Any) -> str:
    """Return a record as SageMaker writes it, without the line's end."""
    return json.dumps(record(*arguments, **options), separators=(",", ":"))
