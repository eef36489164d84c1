"""What photos really show, from a file that somebody has."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scones_operator.errors import PreconditionError

PHOTO_COLUMNS = ("photo", "key", "name", "file")
LABEL_COLUMNS = ("truth", "label", "class")
"""What the columns of a table may be called, the first that is there is taken."""


class GroundTruth:
    """The class of each photo that it is known of.

    Parameters
    ----------
    by_version
        By version of the S3 object.
    by_path
        By key, by S3 URI, or by the last parts of a key.
    """

    def __init__(self, by_version: Mapping[str, str], by_path: Mapping[str, str]) -> None:
        self._by_version = by_version
        self._by_path = by_path

    def __len__(self) -> int:
        return len(self._by_version) + len(self._by_path)

    def label(self, bucket: str, key: str, version: str | None) -> str | None:
        """Return the class of a photo; None where it is not known.

        Parameters
        ----------
        bucket, key, version
            The version of the S3 object.

        Examples
        --------
        >>> truth = GroundTruth({}, {"van/7.png": "van"})
        >>> truth.label("photos", "incoming/run/van/7.png", "v1")
        'van'
        """
        if version and version in self._by_version:
            return self._by_version[version]
        return next(
            (self._by_path[path] for path in _paths(bucket, key) if path in self._by_path), None
        )


NO_GROUND_TRUTH = GroundTruth({}, {})


def read_ground_truth(file: Path) -> GroundTruth:
    """Read a file of labelled photos.

    Parameters
    ----------
    file
        JSON lines, such as the results.jsonl of `make run` or of ``scones simulate``, or a table
        with commas between and names of columns on top: one of `PHOTO_COLUMNS` with a key, an S3
        URI or the last parts of a key, and one of `LABEL_COLUMNS`. Rows without a class are
        passed over.

    Raises
    ------
    PreconditionError
        If it is something else, or has no class of any photo; says what and where.
    """
    truth = read_labels(file)
    if not truth:
        raise PreconditionError(f"{file} names the class of no photo")
    return truth


def read_labels(file: Path) -> GroundTruth:
    """Read a file as `read_ground_truth` does, though it may know nothing."""
    by_version: dict[str, str] = {}
    by_path: dict[str, str] = {}
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PreconditionError(f"{file} can't be read: {error}") from None
    rows = _json_rows(file, text) if text.lstrip().startswith("{") else _table_rows(file, text)
    for photo, version, label in rows:
        if label and version:
            by_version[version] = label
        elif label:
            by_path[photo] = label
    return GroundTruth(by_version, by_path)


_Row = tuple[str, str | None, str | None]
"""A photo, its version if that is known, and its class."""


def _json_rows(file: Path, text: str) -> Iterator[_Row]:
    # Not str.splitlines: it knows more ends of lines, which a JSON text may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise PreconditionError(f"{file}, line {number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise PreconditionError(f"{file}, line {number}: not a JSON object")
        yield _json_row(file, number, row)


def _json_row(file: Path, number: int, row: Mapping[str, Any]) -> _Row:
    """Read a row: in a row of results ``label`` is the model's, ``photo`` an object."""
    photo = row.get("photo")
    label = row.get("truth", None if isinstance(photo, dict) or "status" in row else _label(row))
    if isinstance(photo, dict):
        return str(photo.get("key", "")), photo.get("version_id"), label
    if "status" in row and photo is None:  # a result of a photo that was not decided
        return str(row.get("name", "")), None, label
    path = next((row[name] for name in PHOTO_COLUMNS if isinstance(row.get(name), str)), None)
    if path is None:
        raise PreconditionError(
            f"{file}, line {number}: names no photo ({', '.join(PHOTO_COLUMNS)})"
        )
    return path, None, label


def _label(row: Mapping[str, Any]) -> str | None:
    return next((row[name] for name in LABEL_COLUMNS if isinstance(row.get(name), str)), None)


def _table_rows(file: Path, text: str) -> Iterator[_Row]:
    table = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = table.fieldnames or ()
        photo = _column(file, columns, PHOTO_COLUMNS, "photos")
        label = _column(file, columns, LABEL_COLUMNS, "classes")
        for row in table:
            yield (row[photo] or "").strip(), None, (row[label] or "").strip()
    except csv.Error as error:
        raise PreconditionError(f"{file}, line {table.line_num}: no table: {error}") from None


def _column(file: Path, columns: Iterable[str], names: Iterable[str], title: str) -> str:
    accepted = {column.strip().lower(): column for column in columns}
    matching = next((accepted[name] for name in names if name in accepted), None)
    if matching is None:
        raise PreconditionError(
            f"{file} has no column of {title}: call it {' or '.join(names)}, in the first line, "
            "with commas between; or give JSON lines"
        )
    return matching


def _paths(bucket: str, key: str) -> Iterator[str]:
    """Yield what a photo may be called, the most exact first."""
    yield f"s3://{bucket}/{key}"
    parts = key.split("/")
    for start in range(len(parts)):
        yield "/".join(parts[start:])
