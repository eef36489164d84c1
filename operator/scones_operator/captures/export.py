"""Captured data on disk: each picture as a file, and one line about each record."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scones_operator.captures.records import Captured

LINES = "captures.jsonl"

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}


def guess(captured: Captured, class_names: Sequence[str]) -> tuple[str, float] | None:
    """Return the most likely class and how likely it is, None where nothing was answered.

    Parameters
    ----------
    captured
        The record.
    class_names
        The classes that the stack has now; a model of other classes has its indices named.
    """
    if captured.likeliest is None:
        return None
    index, confidence = captured.likeliest
    known = len(captured.probabilities or ()) == len(class_names)
    return class_names[index] if known else f"class {index}", confidence


def as_row(captured: Captured, class_names: Sequence[str]) -> dict[str, Any]:
    """Return what is known of a record for a program, all but the picture.

    Parameters are those of `guess`.
    """
    label, confidence = guess(captured, class_names) or (None, None)
    return {
        "id": captured.event_id,
        "at": captured.at.isoformat(),
        "label": label,
        "confidence": confidence,
        "probabilities": captured.probabilities,
        "content_type": captured.content_type,
        "size": None if captured.picture is None else len(captured.picture),
        "endpoint": captured.endpoint,
        "variant": captured.variant,
    }


def write_picture(captured: Captured, folder: Path) -> str | None:
    """Write a record's picture to a folder; gives the file's name, None where there is none.

    Parameters
    ----------
    captured
        The record.
    folder
        Made where it is not there yet.
    """
    if captured.picture is None:
        return None
    media_type = (captured.content_type or "").partition(";")[0].strip().lower()
    suffix = _SUFFIXES.get(media_type, ".bin")
    name = f"{captured.at:%Y%m%dT%H%M%SZ}-{captured.event_id}{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(captured.picture)
    return name


def write_lines(rows: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Write ``captures.jsonl``, one row a line; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / LINES
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return file
