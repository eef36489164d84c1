"""`scones captures`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from scones_operator.captures.export import as_row, write_lines, write_picture
from scones_operator.captures.files import Span, find_files, read_files
from scones_operator.captures.parser import Damage
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.cli.times import SinceOption, UntilOption, parse_moment, require_range, shown

ROWS = 25
"""How many records are shown where nobody says how many."""

COMPLAINTS = 5
"""How much of the damage is told in single."""

Row = dict[str, Any]


def captures(
    desk: Desk,
    since: SinceOption = "24h",  # type: ignore[assignment]
    until: UntilOption = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            writable=True,
            help="Folder for the captured images and captures.jsonl.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of records to read, latest first (default: all)."),
    ] = None,
) -> None:
    """Download and read the captured data of production.

    Data capture stores the share of requests and responses that the template's CapturePercent sets.
    The exit code is 1 if a file or a record cannot be read.
    """
    span = Span(since, until or datetime.now(UTC))
    require_range(span.since, span.until)
    files = find_files(desk.session, desk.stack, span)
    rows: list[Row] = []
    damage: list[Damage] = []
    with desk.screen.counting("Reading captured data", len(files)) as advance:
        read = read_files(desk.session, files, span, lambda _: advance(f"{len(rows)}"), limit)
        for found in read:
            if isinstance(found, Damage):
                damage.append(found)
                continue
            picture = {"picture": write_picture(found, to)} if to else {}
            rows.append(as_row(found, desk.stack.class_names) | picture)
    rows.sort(key=lambda row: str(row["at"]))
    written = write_lines(rows, to) if to else None
    record = {
        "since": span.since,
        "until": span.until,
        "files": len(files),
        "records": rows,
        "damage": [str(item) for item in damage],
        "written": str(written) if written else None,
    }
    table = [captured_table(rows[::-1][: limit or ROWS])] if rows else []
    notes = _notes(desk, span, rows, damage, limit)
    desk.screen.answer(record, *table, *notes, *([f"Written: {written}"] if written else []))
    if damage:
        raise typer.Exit(OTHERWISE)


def captured_table(rows: Sequence[Row]) -> Table:
    """Lay out records, as `as_row` gives them."""
    table = formatting.table()
    table.add_column("requested at", no_wrap=True)
    table.add_column("predicted label")
    table.add_column("confidence", justify="right")
    table.add_column("image", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            shown(parse_moment(row["at"])),
            row["label"] or "no probabilities",
            formatting.figure(row["confidence"]),
            "-" if row["size"] is None else f"{row['size']:,} bytes",
        )
    return table


def _records(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} record" + ("" if len(rows) == 1 else "s")


def _notes(
    desk: Desk, span: Span, rows: Sequence[Row], damage: Sequence[Damage], limit: int | None
) -> list[RenderableType]:
    notes: list[RenderableType] = []
    between = f"from {shown(span.since)} to {shown(span.until)}"
    if not rows:
        notes.append(
            f"No captured data of {desk.stack.endpoint} {between}. It is written some minutes "
            "after the requests; the template's CapturePercent sets how much is captured."
        )
    elif limit and len(rows) == limit:
        notes.append(f"The latest {_records(rows)} {between}.")
    else:
        more = f"; the latest {ROWS} are shown" if len(rows) > (limit or ROWS) else ""
        notes.append(f"{_records(rows)} {between}{more}.")
    notes += [f"Cannot be read: {item}" for item in damage[:COMPLAINTS]]
    if len(damage) > COMPLAINTS:
        notes.append(f"Cannot be read: {len(damage) - COMPLAINTS:,} more (--json lists all)")
    return notes
