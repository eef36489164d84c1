"""`scones report`."""

import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scones_operator.captures.files import Span
from scones_operator.cli.context import Desk
from scones_operator.cli.times import SinceOption, UntilOption, require_range

FILE = Path("build/report.html")


def report(
    desk: Desk,
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
    to: Annotated[
        Path, typer.Option(metavar="FILE.html", dir_okay=False, help="Output file.")
    ] = FILE,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in your browser.")] = False,
) -> None:
    """Write an HTML report about the results.

    The report is one file, which opens offline.
    """
    # They bring Plotly and Jinja, which takes longer than showing a command's help.
    from scones_operator.report.generate import gather, write  # noqa: PLC0415
    from scones_operator.report.ground_truth import NOTHING_KNOWN, read_truth  # noqa: PLC0415

    span = Span(since, until or datetime.now(UTC))
    require_range(span.since, span.until)
    known = read_truth(truth) if truth else NOTHING_KNOWN
    with desk.screen.measuring() as tell:
        found = gather(desk.session, desk.stack, span, known, tell)
    write(found, to)
    if open_it:
        webbrowser.open(to.resolve().as_uri())
    if found.skipped:
        desk.screen.say(found.skipped)
    counts = {"photos": len(found.photos), "pictures": len(found.pictures.shown)}
    desk.screen.answer(
        {
            "report": str(to),
            "since": span.since,
            "until": span.until,
            **counts,
            "skipped": found.skipped,
        },
        *([] if found.photos else ["There are no results in this time range."]),
        f"Written: {to}",
    )
