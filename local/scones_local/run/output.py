"""What `make run` shows: the steps, each photo as it is decided, and the figures."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from scones_local.run.classify import ResultRow
from scones_local.run.summary import STATUSES, result_status
from scones_operator.escaping import escape, escape_lines
from scones_operator.rounding import format_share

STYLES = {"classified": "green", "needs_review": "yellow", "rejected": "magenta", "failed": "red"}


SPINNER_WIDTH = 2
STEP_DELAY_SECONDS = 5.0
"""Where the output is no terminal, details of a step are not shown more often than this."""


class Output:
    """Writes to a terminal, or plain lines where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show a step with a spinner while it lasts, and its time when it is done.

        What is entered takes a line on how far it is.
        """
        started = time.monotonic()
        with self._console.status(Text(title)) as status:
            yield self._spinner(status, title) if self._console.is_terminal else self._lines()
        seconds = time.monotonic() - started
        self._console.print(
            Text("✓ ", style="green") + Text(f"{title} "), f"[dim]{seconds:.1f} s[/]", sep=""
        )

    def done(self, title: str, seconds: float) -> None:
        """Show a step that is done, and its time."""
        self._console.print(
            Text("✓ ", style="green") + Text(f"{escape(title)} "),
            f"[dim]{seconds:.2f} s[/]",
            sep="",
        )

    def failed(self, reason: str) -> None:
        """Show a step that failed, and why."""
        self._console.print(Text("✗ ", style="red") + Text(escape_lines(reason)), soft_wrap=True)

    def _spinner(self, status: Status, title: str) -> Callable[[str], None]:
        def show(detail: str) -> None:
            line = Text(f"{title}  ") + Text(escape(detail.strip()), style="dim")
            line.truncate(self._console.width - SPINNER_WIDTH, overflow="ellipsis")
            status.update(line)

        return show

    def _lines(self) -> Callable[[str], None]:
        last = time.monotonic()

        def show(detail: str) -> None:
            nonlocal last
            if time.monotonic() - last >= STEP_DELAY_SECONDS:
                last = time.monotonic()
                self.say(f"  {detail.strip()}")

        return show

    def photo(self, result: ResultRow) -> None:
        """Show what a photo was decided to be."""
        status = result_status(result)
        line = Text("  ")
        line.append(f"{status:<13}", style=STYLES[status])
        line.append(f"{_format_decision(result):<28} ")
        line.append(escape(result.name), style="dim")
        self._console.print(line, soft_wrap=True)

    def figures(self, summary: Mapping[str, Any]) -> None:
        """Show the figures of a run."""
        table = Table(show_header=False, box=None, padding=(0, 2))
        for status in STATUSES:
            table.add_row(status, str(summary[status]), style=STYLES[status])
        table.add_row("unfamiliar, in review", str(summary["unfamiliar"]))
        labeled = summary["labelled"]
        table.add_row("accuracy", _format_share(labeled["right"], labeled["photos"]))
        table.add_row(
            "accuracy, accepted ones", _format_share(labeled["accepted_right"], labeled["accepted"])
        )
        latency = summary["latency_ms"]
        table.add_row("upload to record", f"p50 {latency['p50']} ms, p95 {latency['p95']} ms")
        training = summary["training"]
        table.add_row(
            "training", f"{training['accuracy']:.3f} on validation, {training['seconds']} s"
        )
        if training["epochs"]:
            table.add_row("kept", _format_kept_epoch(training))
        table.add_row("total", f"{summary['photos']} photos, {summary['seconds']} s")
        self._console.print()
        self._console.print(table)

    def say(self, text: str) -> None:
        """Show a line."""
        self._console.print(
            escape_lines(text), markup=False, emoji=False, highlight=False, soft_wrap=True
        )


def _format_decision(result: ResultRow) -> str:
    decided = result.decision
    if decided is None:
        return "no record in time"
    if not result.announced:
        return "not announced in time"
    predicted = f"{decided.label} {format_share(decided.confidence or 0.0, decided.threshold)}"
    if decided.unfamiliar:
        familiarity = format_share(decided.familiarity or 0.0, decided.familiarity_limit, 3)
        return f"{predicted}, unfamiliar {familiarity}"
    if decided.reason:
        return f"{predicted}, {decided.reason.code}" if decided.label else decided.reason.code
    bay = f", bay {decided.loading_bay}" if decided.loading_bay else ""
    return f"{predicted}{bay}"


def _format_kept_epoch(training: Mapping[str, Any]) -> str:
    """Return which epoch's model is kept, and where the reason is if another was better."""
    epochs, best = training["epochs"], training["best_epoch"]
    kept = "the only epoch" if epochs == 1 else f"the last of {epochs} epochs"
    if best == epochs or training["best_epoch_accuracy"] <= training["accuracy"]:
        return kept
    accuracy = training["best_epoch_accuracy"]
    return f"{kept}, not the best, {best} ({accuracy:.3f}): docs/training.md has the reason"


def _format_share(correct: int, photos: int) -> str:
    return f"{correct / photos:.3f}, {correct} of {photos}" if photos else "unknown"
