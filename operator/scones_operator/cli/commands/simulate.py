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

from scones_operator.captures.export import record_json
from scones_operator.captures.files import CaptureFile, TimeRange, find_files, read_records
from scones_operator.captures.records import CaptureRecord
from scones_operator.cli.commands import formatting
from scones_operator.cli.commands.captures import capture_table
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.errors import PreconditionError
from scones_operator.photos import simulation
from scones_operator.photos.sampling import Sample, sample_dataset, sample_folder
from scones_operator.photos.simulation import SentPhoto, Simulation, SimulationPlan

POLL_SECONDS = 1.0
"""Between two looks at what was captured."""

MAX_SHOWN = 10
"""How many captured records are shown."""


def simulate(  # noqa: PLR0913, PLR0917  (its options)
    ctx: CommandContext,
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
    capture_timeout: Annotated[
        float,
        typer.Option(
            "--capture-timeout",
            min=0,
            help="Seconds to wait for captured data; on AWS it takes minutes.",
        ),
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
        samples = _pick(ctx, count, seed, photos, Path(folder))
        simulated = _send(ctx, samples, rate)
    captured = _read_captures(ctx, simulated, capture_timeout)
    summary = simulation.summarize(simulated, seed, len(captured))
    if simulated.skipped:
        ctx.output.print_info(simulated.skipped)
    results = simulation.write_results(simulated, summary, simulation.RESULTS_DIR)
    ctx.output.print_result(
        {**summary, "results": str(results), "records": captured},
        *_format_simulation(summary, captured),
        f"Written: {results}",
        f"To write a report: scones report --since {_format_time(simulated.started_at)} "
        f"--truth {results}",
    )
    if any(sent.status in (None, "failed") for sent in simulated.sent):
        raise typer.Exit(EXIT_UNSUCCESSFUL)
    if minimum_accuracy is not None:
        _require_accuracy(summary["accuracy"], minimum_accuracy)


def _require_accuracy(accuracy: float | None, minimum: float) -> None:
    """Raise `PreconditionError` if the accuracy is below a minimum, or unknown.

    Parameters
    ----------
    accuracy
        Share of the photos whose most likely class is correct, 0 to 1; None if there is none.
    minimum
        Lowest accuracy that is good enough, 0 to 1.
    """
    if accuracy is None:
        raise PreconditionError(
            "the accuracy is unknown: no photo with a known class was classified"
        )
    if accuracy < minimum:
        raise PreconditionError(f"accuracy {accuracy:.3f} is below the minimum of {minimum:g}")


def _pick(
    ctx: CommandContext, count: int, seed: int, photos: Path | None, folder: Path
) -> list[Sample]:
    if photos:
        return sample_folder(photos, ctx.stack.class_names, count, seed)
    return sample_dataset(ctx.session, ctx.stack, count, seed, folder)


def _send(ctx: CommandContext, samples: list[Sample], rate: float) -> Simulation:
    statuses: Counter[str] = Counter()

    def on_update(sent: SentPhoto) -> None:
        statuses[(sent.status or "no record").replace("_", " ")] += 1
        advance(", ".join(f"{number} {status}" for status, number in statuses.most_common()))

    plan = SimulationPlan(samples, rate)
    try:
        with ctx.output.progress_bar(
            f"Uploading {rate:g} photos per second", len(samples)
        ) as advance:
            return simulation.run_simulation(ctx.session, ctx.stack, plan, on_update)
    except KeyboardInterrupt:
        ctx.output.print_info(
            f"Interrupted. The uploaded photos are in s3://{ctx.stack.photos_bucket}/"
            f"{plan.folder}; {statuses.total()} of them were classified so far: "
            "scones results --since 1h"
        )
        raise


def _read_captures(
    ctx: CommandContext, simulated: Simulation, capture_timeout: float
) -> list[dict[str, Any]]:
    """Wait for what production captured meanwhile, of whatever photos, and read it."""
    # Captured data tells seconds.
    time_range = TimeRange(
        simulated.started_at.replace(microsecond=0), datetime.now(UTC) + timedelta(seconds=1)
    )
    deadline = time.monotonic() + capture_timeout
    read_before: set[CaptureFile] = set()
    rows: list[dict[str, Any]] = []
    with ctx.output.progress_bar(
        "Waiting for captured data", simulated.prediction_count
    ) as advance:
        while True:
            files = [
                record
                for record in find_files(ctx.session, ctx.stack, time_range)
                if record not in read_before
            ]
            read_before.update(files)
            for record in read_records(ctx.session, files, time_range, lambda _: None):
                if isinstance(record, CaptureRecord):
                    rows.append(record_json(record, ctx.stack.class_names))
                    advance("")
            if len(rows) >= simulated.prediction_count or time.monotonic() >= deadline:
                return sorted(rows, key=lambda row: str(row["at"]))
            time.sleep(POLL_SECONDS)


def _format_simulation(
    summary: dict[str, Any], captured: list[dict[str, Any]]
) -> list[RenderableType]:
    latency, achieved_rate = summary["latency_ms"], summary["rate_reached"]
    rows = {
        "photos": f"{summary['photos']}: {_format_counts(summary['statuses'])}",
        "unfamiliar": summary["unfamiliar"],
        "labels": _format_counts(summary["labels"]),
        "accuracy": formatting.format_number(summary["accuracy"]),
        "accuracy, accepted": formatting.format_number(summary["accepted_accuracy"]),
        "upload to record": f"p50 {latency['p50']} ms, p95 {latency['p95']} ms",
        "rate": f"{summary['rate']:g} per second"
        + (f", reached {achieved_rate:.2f}" if achieved_rate else ""),
        "captured": f"{len(captured)} records" if captured else "no records yet: scones captures",
        "seed": summary["seed"],
    }
    table: list[RenderableType] = [capture_table(captured[::-1][:MAX_SHOWN])] if captured else []
    if len(captured) > MAX_SHOWN:
        table.append(f"The latest {MAX_SHOWN} of {len(captured)} captured records are shown.")
    return [*table, *formatting.format_fields(rows)]


def _format_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())


def _format_time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
