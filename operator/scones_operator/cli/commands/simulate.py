"""`scones simulate`."""

import random
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from scones_operator.captures.export import as_row
from scones_operator.captures.files import CaptureFile, Span, find_files, read_files
from scones_operator.captures.records import Captured
from scones_operator.cli.commands import formatting
from scones_operator.cli.commands.captures import captured_table
from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.errors import Refused
from scones_operator.photos import simulation
from scones_operator.photos.sampling import Sample, pick_from_dataset, pick_from_folder
from scones_operator.photos.simulation import Plan, Sent, Simulation

LOOK_SECONDS = 1.0
"""Between two looks at what was captured."""

ROWS = 10
"""How many captured records are shown."""


def simulate(  # noqa: PLR0913, PLR0917  (its options)
    desk: Desk,
    count: Annotated[int, typer.Option(min=1, help="Number of photos.")] = 50,
    rate: Annotated[float, typer.Option(min=0.001, max=1000, help="Photos per second.")] = 2.0,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Folder of photos, with or without one folder per class (default: the validation "
            "photos of the dataset).",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the choice of photos (default: random).")
    ] = None,
    patience: Annotated[
        float,
        typer.Option(min=0, help="Seconds to wait for captured data; on AWS it takes minutes."),
    ] = 15.0,
    minimum_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Minimum accuracy, 0 to 1 (default: any)."),
    ] = None,
) -> None:
    """Upload test photos at a constant rate, and print the results.

    The photos are picked at random. Also prints the data that is captured in the meantime.

    The exit code is 1 if a photo failed or was not classified in time, or if the accuracy is below
    --minimum-accuracy.
    """
    seed = random.randrange(2**32) if seed is None else seed  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="scones-simulation-") as folder:
        picked = _pick(desk, count, seed, photos, Path(folder))
        done = _send(desk, picked, rate)
    captured = _captured(desk, done, patience)
    summary = simulation.summarize(done, seed, len(captured))
    if done.skipped:
        desk.screen.say(done.skipped)
    results = simulation.write_results(done, summary, simulation.FOLDER)
    desk.screen.answer(
        {**summary, "results": str(results), "records": captured},
        *_shown(summary, captured),
        f"Written: {results}",
        f"To write a report: scones report --since {_written(done.begun)} --truth {results}",
    )
    if any(one.status in (None, "failed") for one in done.sent):
        raise typer.Exit(OTHERWISE)
    if minimum_accuracy is not None:
        _require_accuracy(summary["accuracy"], minimum_accuracy)


def _require_accuracy(accuracy: float | None, minimum: float) -> None:
    """Raise `Refused` if the accuracy is below a minimum, or unknown.

    Parameters
    ----------
    accuracy
        Share of the photos whose most likely class is correct, 0 to 1; None if there is none.
    minimum
        Lowest accuracy that is good enough, 0 to 1.
    """
    if accuracy is None:
        raise Refused("the accuracy is unknown: no photo with a known class was classified")
    if accuracy < minimum:
        raise Refused(f"accuracy {accuracy:.3f} is below the minimum of {minimum:g}")


def _pick(desk: Desk, count: int, seed: int, photos: Path | None, folder: Path) -> list[Sample]:
    if photos:
        return pick_from_folder(photos, desk.stack.class_names, count, seed)
    return pick_from_dataset(desk.session, desk.stack, count, seed, folder)


def _send(desk: Desk, picked: list[Sample], rate: float) -> Simulation:
    ended: Counter[str] = Counter()

    def show(one: Sent) -> None:
        ended[(one.status or "no record").replace("_", " ")] += 1
        advance(", ".join(f"{number} {status}" for status, number in ended.most_common()))

    plan = Plan(picked, rate)
    try:
        with desk.screen.counting(f"Uploading {rate:g} photos per second", len(picked)) as advance:
            return simulation.simulate(desk.session, desk.stack, plan, show)
    except KeyboardInterrupt:
        desk.screen.say(
            f"Interrupted. The uploaded photos are in s3://{desk.stack.photos_bucket}/"
            f"{plan.folder}; {ended.total()} of them were classified so far: "
            "scones results --since 1h"
        )
        raise


def _captured(desk: Desk, done: Simulation, patience: float) -> list[dict[str, Any]]:
    """Wait for what production captured meanwhile, of whatever photos, and read it."""
    # Captured data tells seconds.
    span = Span(done.begun.replace(microsecond=0), datetime.now(UTC) + timedelta(seconds=1))
    until = time.monotonic() + patience
    read: set[CaptureFile] = set()
    rows: list[dict[str, Any]] = []
    with desk.screen.counting("Waiting for captured data", done.answered) as advance:
        while True:
            files = [one for one in find_files(desk.session, desk.stack, span) if one not in read]
            read.update(files)
            for one in read_files(desk.session, files, span, lambda _: None):
                if isinstance(one, Captured):
                    rows.append(as_row(one, desk.stack.class_names))
                    advance("")
            if len(rows) >= done.answered or time.monotonic() >= until:
                return sorted(rows, key=lambda row: str(row["at"]))
            time.sleep(LOOK_SECONDS)


def _shown(summary: dict[str, Any], captured: list[dict[str, Any]]) -> list[RenderableType]:
    latency, reached = summary["latency_ms"], summary["rate_reached"]
    rows = {
        "photos": f"{summary['photos']}: {_named(summary['statuses'])}",
        "unfamiliar": summary["unfamiliar"],
        "labels": _named(summary["labels"]),
        "accuracy": formatting.figure(summary["accuracy"]),
        "accuracy, accepted": formatting.figure(summary["accepted_accuracy"]),
        "upload to record": f"p50 {latency['p50']} ms, p95 {latency['p95']} ms",
        "rate": f"{summary['rate']:g} per second" + (f", reached {reached:.2f}" if reached else ""),
        "captured": f"{len(captured)} records" if captured else "no records yet: scones captures",
        "seed": summary["seed"],
    }
    table: list[RenderableType] = [captured_table(captured[::-1][:ROWS])] if captured else []
    if len(captured) > ROWS:
        table.append(f"The latest {ROWS} of {len(captured)} captured records are shown.")
    return [*table, *formatting.fields(rows)]


def _named(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
