"""Captured data on disk: each picture as a file, and one line about each record."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scones_operator.captures.records import CaptureRecord

FILE_NAME = "captures.jsonl"

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}


def predicted_class(record: CaptureRecord, class_names: Sequence[str]) -> tuple[str, float] | None:
    """Return the most likely class and how likely it is, None where nothing was answered.

    Parameters
    ----------
    record
        The record.
    class_names
        The classes that the stack has now; a model of other classes has its indices named.
    """
    if record.top_class is None:
        return None
    index, confidence = record.top_class
    same_classes = len(record.probabilities or ()) == len(class_names)
    return class_names[index] if same_classes else f"class {index}", confidence


def record_json(record: CaptureRecord, class_names: Sequence[str]) -> dict[str, Any]:
    """Return what is known of a record for a program, all but the picture.

    Parameters are those of `predicted_class`.
    """
    label, confidence = predicted_class(record, class_names) or (None, None)
    return {
        "id": record.event_id,
        "at": record.requested_at.isoformat(),
        "label": label,
        "confidence": confidence,
        "probabilities": record.probabilities,
        "content_type": record.content_type,
        "size": None if record.image is None else len(record.image),
        "endpoint": record.endpoint,
        "variant": record.variant,
    }


def write_image(record: CaptureRecord, folder: Path) -> str | None:
    """Write a record's picture to a folder; gives the file's name, None where there is none.

    Parameters
    ----------
    record
        The record.
    folder
        Made where it is not there yet.
    """
    if record.image is None:
        return None
    media_type = (record.content_type or "").partition(";")[0].strip().lower()
    suffix = _SUFFIXES.get(media_type, ".bin")
    name = f"{record.requested_at:%Y%m%dT%H%M%SZ}-{record.event_id}{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(record.image)
    return name


def write_jsonl(rows: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Write ``captures.jsonl``, one row a line; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE_NAME
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return file
