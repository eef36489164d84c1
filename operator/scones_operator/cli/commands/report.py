"""`scones report`."""

import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scones_operator.captures.files import TimeRange
from scones_operator.cli.context import CommandContext
from scones_operator.cli.times import SinceOption, UntilOption, validate_time_range

DEFAULT_FILE = Path("build/report.html")


def report(
    ctx: CommandContext,
    since: SinceOption = "24h",  # type: ignore[assignment]
    until: UntilOption = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Ground truth: a results.jsonl file, or a CSV file with columns photo and label.",
        ),
    ] = None,
    output_file: Annotated[
        Path,
        typer.Option("--output-file", metavar="FILE.html", dir_okay=False, help="Output file."),
    ] = DEFAULT_FILE,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in your browser.")] = False,
) -> None:
    """Write an HTML report about the results.

    The report is one file, which opens offline.
    """
    # They bring Plotly and Jinja, which takes longer than showing a command's help.
    from scones_operator.report.generate import collect_report, write_report  # noqa: PLC0415
    from scones_operator.report.ground_truth import NO_GROUND_TRUTH, read_ground_truth  # noqa: PLC0415

    time_range = TimeRange(since, until or datetime.now(UTC))
    validate_time_range(time_range.since, time_range.until)
    ground_truth = read_ground_truth(truth) if truth else NO_GROUND_TRUTH
    with ctx.output.progress_bars() as on_progress:
        collected = collect_report(ctx.session, ctx.stack, time_range, ground_truth, on_progress)
    write_report(collected, output_file)
    if open_browser:
        webbrowser.open(output_file.resolve().as_uri())
    if collected.skipped:
        ctx.output.print_info(collected.skipped)
    counts = {"photos": len(collected.photos), "images": len(collected.captured_images.shown)}
    ctx.output.print_result(
        {
            "report": str(output_file),
            "since": time_range.since,
            "until": time_range.until,
            **counts,
            "skipped": collected.skipped,
        },
        *([] if collected.photos else ["There are no results in this time range."]),
        f"Written: {output_file}",
    )
