"""Write what reviewers of a pull request want to know: `python -m tools.pull_request_report BASE`.

The figures of `make run` and the changes in IAM since BASE, as Markdown in build/pull-request.md.
On GitHub Actions it is the summary of the job too.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.iam_diff import RevisionError, render_since
from tools.scan_template import ROOT

SUMMARY = ROOT / "build" / "run" / "summary.json"
OUTPUT = ROOT / "build" / "pull-request.md"
MAX_REPORT_LENGTH = 60_000
"""Maximum number of characters; GitHub rejects comments of more than 65,536."""


def render_figures(summary: Mapping[str, Any]) -> str:
    """Return the figures of a run as a Markdown table.

    Parameters
    ----------
    summary
        Content of ``build/run/summary.json``.
    """
    statuses = ("classified", "needs_review", "rejected", "failed")
    counts = ", ".join(f"{summary[status]} {status.replace('_', ' ')}" for status in statuses)
    latency, training = summary["latency_ms"], summary["training"]
    rows = {
        "photos": f"{summary['photos']}: {counts}",
        "unfamiliar": str(summary["unfamiliar"]),
        "accuracy": _share(summary["accuracy"]),
        "accuracy of the classified": _share(summary["accepted_accuracy"]),
        "upload to decision, p50": _milliseconds(latency["p50"]),
        "upload to decision, p95": _milliseconds(latency["p95"]),
        "accuracy of the training": _share(training["accuracy"]),
        "training": f"{training['seconds']:.0f} s",
        "whole run": f"{summary['seconds']:.0f} s",
    }
    lines = (f"| {name} | {value} |\n" for name, value in rows.items())
    return "".join(["| `make run` | |\n", "|---|---|\n", *lines])


def make_report(summary: Path, base: str) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    summary
        The file ``summary.json`` of `make run`; it does not exist if that failed.
    base
        Git revision that the pull request is to be merged into.

    Raises
    ------
    RevisionError
        If the revision does not exist.
    """
    if summary.exists():
        figures = render_figures(json.loads(summary.read_text("utf-8")))
    else:
        figures = "`make run` left no figures: its job shows why.\n"
    return _shorten(f"{figures}\n{render_since(base)}")


def _shorten(report: str) -> str:
    """Return a report without the lines that are too many for a comment."""
    if len(report) <= MAX_REPORT_LENGTH:
        return report
    kept = report[:MAX_REPORT_LENGTH].rpartition("\n")[0]
    return f"{kept}\n\nThis is too long for a comment: `make iam-diff` prints all changes.\n"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} ms"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.pull_request_report")
    parser.add_argument("base", help="git revision to compare with, such as origin/main")
    options = parser.parse_args(arguments)
    try:
        report = make_report(SUMMARY, options.base)
    except RevisionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(report, "utf-8")
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as job:
            job.write(report)
    print(report, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
