"""Read CSV tables without a header."""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scones_local.images.xgboost.errors import UserError

Rows = list[list[float]]


@dataclass
class Table:
    """The rows of a channel.

    Attributes
    ----------
    labels
        One per row.
    weights
        One per row, or empty if there are none.
    features
        The other columns; NaN where a value is missing.
    """

    labels: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    features: Rows = field(default_factory=list)


def read_channel(folder: Path, *, has_weights: bool = False) -> Table:
    """Return the table of all files of a channel.

    Parameters
    ----------
    folder
        Folder of the channel.
    has_weights
        Whether the second column has the weights.

    Raises
    ------
    UserError
        If there is no row, rows differ in their number of columns, or a value is not a number.
    """
    table = Table()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open(newline="", encoding="utf-8-sig") as lines:
            for row in parse_rows(lines, path.name):
                _append_row(table, row, has_weights)
    if not table.labels:
        raise UserError(f"The channel {folder.name} has no rows")
    if not table.features[0]:
        raise UserError(f"The channel {folder.name} has a label, but no features")
    if len({len(row) for row in table.features}) > 1:
        raise UserError(f"The rows of the channel {folder.name} differ in their number of columns")
    return table


def parse_rows(lines: Iterable[str], name: str) -> Iterator[list[float]]:
    """Yield the rows of a CSV text; empty lines are skipped.

    Parameters
    ----------
    lines
        Lines of the text.
    name
        Name of the text, for messages.

    Raises
    ------
    UserError
        If a value is not a number.
    """
    reader = csv.reader(lines)
    for row in reader:
        if row:
            yield [_parse_number(text, f"{name}, line {reader.line_num}") for text in row]


def _parse_number(text: str, location: str) -> float:
    stripped = text.strip()
    if not stripped:
        return math.nan
    try:
        return float(stripped)
    except ValueError:
        raise UserError(
            f"{location}: {text!r} is not a number. The table must have no header and numbers only"
        ) from None


def _append_row(table: Table, row: list[float], has_weights: bool) -> None:
    label, *rest = row
    table.labels.append(label)
    if has_weights:
        if not rest:
            raise UserError("csv_weights is 1, but a row has no second column")
        table.weights.append(rest.pop(0))
    table.features.append(rest)
