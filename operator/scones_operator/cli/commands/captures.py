"""`scones captures`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from scones_operator.captures.export import record_json, write_image, write_jsonl
from scones_operator.captures.files import TimeRange, find_files, read_records
from scones_operator.captures.parser import CorruptRecord
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.cli.times import (
    SinceOption,
    UntilOption,
    format_time,
    parse_time,
    validate_time_range,
)

MAX_SHOWN = 25
"""How many records are shown where nobody says how many."""

MAX_ERRORS_SHOWN = 5
"""How much of the damage is told in single."""

Row = dict[str, Any]


def captures(
    ctx: CommandContext,
    since: SinceOption = "24h",  # type: ignore[assignment]
    until: UntilOption = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
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
    time_range = TimeRange(since, until or datetime.now(UTC))
    validate_time_range(time_range.since, time_range.until)
    files = find_files(ctx.session, ctx.stack, time_range)
    rows: list[Row] = []
    errors: list[CorruptRecord] = []
    with ctx.output.progress_bar("Reading captured data", len(files)) as advance:
        records = read_records(
            ctx.session, files, time_range, lambda _: advance(f"{len(rows)}"), limit
        )
        for record in records:
            if isinstance(record, CorruptRecord):
                errors.append(record)
                continue
            image = {"image": write_image(record, output_dir)} if output_dir else {}
            rows.append(record_json(record, ctx.stack.class_names) | image)
    rows.sort(key=lambda row: str(row["at"]))
    file = write_jsonl(rows, output_dir) if output_dir else None
    result = {
        "since": time_range.since,
        "until": time_range.until,
        "files": len(files),
        "records": rows,
        "errors": [str(error) for error in errors],
        "file": str(file) if file else None,
    }
    tables = [capture_table(rows[::-1][: limit or MAX_SHOWN])] if rows else []
    notes = _notes(ctx, time_range, rows, errors, limit)
    ctx.output.print_result(result, *tables, *notes, *([f"Written: {file}"] if file else []))
    if errors:
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def capture_table(rows: Sequence[Row]) -> Table:
    """Lay out records, as `as_row` gives them."""
    table = formatting.plain_table()
    table.add_column("requested at", no_wrap=True)
    table.add_column("predicted label")
    table.add_column("confidence", justify="right")
    table.add_column("image", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            format_time(parse_time(row["at"])),
            row["label"] or "no probabilities",
            formatting.format_number(row["confidence"]),
            "-" if row["size"] is None else f"{row['size']:,} bytes",
        )
    return table


def _records(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} record" + ("" if len(rows) == 1 else "s")


def _notes(
    ctx: CommandContext,
    time_range: TimeRange,
    rows: Sequence[Row],
    errors: Sequence[CorruptRecord],
    limit: int | None,
) -> list[RenderableType]:
    notes: list[RenderableType] = []
    between = f"from {format_time(time_range.since)} to {format_time(time_range.until)}"
    if not rows:
        notes.append(
            f"No captured data of {ctx.stack.endpoint} {between}. It is written some minutes "
            "after the requests; the template's CapturePercent sets how much is captured."
        )
    elif limit and len(rows) == limit:
        notes.append(f"The latest {_records(rows)} {between}.")
    else:
        more = f"; the latest {MAX_SHOWN} are shown" if len(rows) > (limit or MAX_SHOWN) else ""
        notes.append(f"{_records(rows)} {between}{more}.")
    notes += [f"Cannot be read: {error}" for error in errors[:MAX_ERRORS_SHOWN]]
    if len(errors) > MAX_ERRORS_SHOWN:
        notes.append(f"Cannot be read: {len(errors) - MAX_ERRORS_SHOWN:,} more (--json lists all)")
    return notes
