"""A results table as the template has it, and records as the machine writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from scones.events import PhotoDecided
from scones.records import is_simulated, review_queue, status_shard

ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SURE, UNSURE = 0.99, 0.61
UNFAMILIAR: dict[str, Any] = {
    "confidence": SURE,
    "probabilities": {"bicycle": SURE, "motorcycle": 0.01},
    "familiarity": 0.012346,
    "familiarity_limit": 0.05,
    "reason": {"code": "unfamiliar", "message": "the photo does not resemble the training photos"},
}
"""Changes of a photo that needs review though the model is sure."""

ALWAYS_REVIEWED: dict[str, Any] = {
    "confidence": SURE,
    "probabilities": {"bicycle": SURE, "motorcycle": 0.01},
    "reason": {
        "code": "always_reviewed",
        "message": "photos of the class bicycle always need review",
    },
}
"""Changes of a photo whose class always needs review."""


def create_table(client: Any, name: str) -> None:
    """Create the table of the template's properties."""
    client.create_table(TableName=name, **_properties())


@cache
def _properties() -> dict[str, Any]:
    """Read the template, which takes longer than a test does."""
    table = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["ResultsTable"]
    wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {key: table["Properties"][key] for key in wanted}


def decided(
    name: str = "a.png",
    status: str = "classified",
    minutes: float = 0,
    **changes: Any,
) -> PhotoDecided:
    """Return the event of a photo decided so many minutes after `START`.

    A name that begins with the folder of simulated photos is the whole key.
    """
    at = START + timedelta(minutes=minutes)
    answered = status in ("classified", "needs_review")
    confidence = SURE if status == "classified" else UNSURE
    detail = {
        "version": "1",
        "status": status,
        "photo": {
            "bucket": "photos",
            "key": name if is_simulated(name) else f"incoming/{name}",
            "version_id": f"version-of-{name}",
            "etag": f"etag-of-{name}",
            "size": 1234,
        },
        "label": "bicycle" if answered else None,
        "confidence": confidence if answered else None,
        "probabilities": {"bicycle": confidence, "motorcycle": 1 - confidence}
        if answered
        else None,
        "threshold": 0.93 if answered else None,
        "loading_bay": "A" if status == "classified" else None,
        "familiarity": None,
        "familiarity_limit": None,
        "reason": None if answered else {"code": "corrupt", "message": f"{name} is damaged"},
        "model": {"endpoint": "scones", "variant": "AllTraffic"} if answered else None,
        "timings": {
            "uploaded_at": _written(at - timedelta(seconds=2)),
            "started_at": _written(at - timedelta(seconds=1)),
            "decided_at": _written(at),
            "serialize_ms": 400,
            "classify_ms": 150 if answered else None,
            "threshold_ms": 50 if answered else None,
            "total_ms": 1000,
        },
        "execution": "arn:aws:states:us-east-1:123456789012:express:classify:e:1",
    }
    return PhotoDecided.model_validate(detail | changes)


def put_record(client: Any, table: str, event: PhotoDecided, **more: str) -> None:
    """Write a record as the machine `classify` does; `more` are attributes of text."""
    client.put_item(TableName=table, Item=record_item(event, **more))


def record_item(event: PhotoDecided, **more: str) -> dict[str, Any]:
    """Return the record's item; `more` are attributes of text."""
    photo = event.photo
    key = (f"s3://{photo.bucket}/{photo.key}", photo.version_id or photo.etag)
    item = {
        "photo": key[0],
        "version": key[1],
        "status": event.status,
        "shard": status_shard(event.status, *key),
        "decided_at": _written(event.timings.decided_at),
        "event": event.model_dump_json(),
        "run": "run",
        "announced_at": _written(event.timings.decided_at),
        **({"queue": review_queue(*key)} if _asks(event) else {}),
        **({"label": event.label} if event.label else {}),
        **more,
    }
    written: dict[str, Any] = {name: {"S": text} for name, text in item.items()}
    if event.confidence is not None:
        written["confidence"] = {"N": str(event.confidence)}
    return written


def key_of(name: str) -> dict[str, Any]:
    """Return the key of a photo's record by `put_record`."""
    return {
        "photo": {"S": f"s3://photos/incoming/{name}"},
        "version": {"S": f"version-of-{name}"},
    }


def break_record(client: Any, table: str, key: Any, change: Mapping[str, str]) -> None:
    """Change attributes of a record to texts; an empty one is removed."""
    kept = {attribute: text for attribute, text in change.items() if text}
    removed = [attribute for attribute in change if attribute not in kept]
    parts = [f"SET {', '.join(f'{one} = :{one}' for one in kept)}" if kept else ""]
    parts += [f"REMOVE {', '.join(removed)}" if removed else ""]
    values: dict[str, Any] = {f":{one}": {"S": text} for one, text in kept.items()}
    client.update_item(
        TableName=table,
        Key=key,
        UpdateExpression=" ".join(filter(None, parts)),
        **({"ExpressionAttributeValues": values} if values else {}),
    )


def _asks(event: PhotoDecided) -> bool:
    return event.status == "needs_review" and not is_simulated(event.photo.key)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


BROKEN: dict[str, dict[str, str]] = {
    "no JSON": {"event": "{"},
    "no event": {"event": ""},
    "a later version": {"event": '{"version": "2"}'},
    "another photo": {"event": decided("other.png", "needs_review").model_dump_json()},
    "a time without a zone": {
        "event": decided("b.png", "needs_review").model_dump_json().replace("Z", "")
    },
    "an announcement at no time": {"announced_at": "yesterday"},
    "a review of a later version": {"review": '{"version": "2"}'},
    "a review without a zone": {
        "review": '{"id": "1", "outcome": "not_a_vehicle", "label": null, "by": "anna", '
        '"at": "2026-11-20T10:00:00"}'
    },
}
"""Attributes of records that were edited by hand, or written by a later version."""
