"""Rich text, tables and consoles that show text of unknown origin escaped, and only our styles."""

import os
from itertools import accumulate
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Span, Text

from scones_operator.escaping import escape

UNLIMITED_WIDTH = 1 << 16
"""Columns that no line needs. Names of objects in S3 have up to 1,024 bytes."""


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that takes names for what they are: no markup, emoji codes or colors.

    Lines are not wrapped in a file or a pipe, so that names can be searched and copied.
    """
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED_WIDTH
    return console


def escape_styled(text: Text) -> Text:
    """Escape a text and keep its styles."""
    pieces = [escape(character) for character in text.plain]
    offsets = [0, *accumulate(map(len, pieces))]
    escaped = text.blank_copy("".join(pieces))
    last = len(pieces)
    for span in text.spans:
        start, end = offsets[min(span.start, last)], offsets[min(span.end, last)]
        escaped.spans.append(Span(start, end, span.style))
    return escaped


class EscapingTable(Table):
    """A table whose cells are escaped."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row, as `rich.table.Table.add_row`."""
        super().add_row(*map(_escaped_cell, cells), **options)


def _escaped_cell(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, str):
        # A plain string would be read as markup wherever the console reads markup.
        return Text(escape(cell))
    return escape_styled(cell) if isinstance(cell, Text) else cell
