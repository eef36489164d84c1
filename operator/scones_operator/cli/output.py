"""What the commands show: answers on standard output, progress on standard error."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import progress
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.status import Status
from rich.text import Text

from scones_operator.cli.plain_text import escape_styled
from scones_operator.escaping import escape, escape_json
from scones_operator.progress import ItemProgress, ProgressEvent, Step

SPINNER_WIDTH = 2


class Output:
    """Writes for a person, or for a program.

    Parameters
    ----------
    out, err
        Standard output and standard error.
    as_json
        Whether the answer is JSON.
    format_commands
        How a line for people is written, such as with its commands as they can be copied.
    """

    def __init__(
        self,
        out: Console,
        err: Console,
        *,
        as_json: bool = False,
        format_commands: Callable[[str], str] = str,
    ) -> None:
        self._format_commands = format_commands
        self._out = out
        self._err = err
        self._as_json = as_json
        self._shows_progress = False

    @property
    def is_terminal(self) -> bool:
        """Whether standard output is a terminal, where long lines wrap."""
        return self._out.is_terminal

    def print_result(self, record: Mapping[str, Any], *text_form: RenderableType) -> None:
        """Give the answer of a command.

        Parameters
        ----------
        record
            For programs: one JSON object, moments as in ISO 8601.
        *shown
            The same for people.
        """
        if self._as_json:
            text = json.dumps(record, indent=2, default=_json_default, ensure_ascii=False)
            self._out.out(escape_json(text), highlight=False)
            return
        for part in text_form:
            # The terminal breaks plain lines, so that what is copied from them stays whole.
            whole = isinstance(part, str) or (isinstance(part, Text) and part.no_wrap is True)
            self._out.print(self._safe(part), soft_wrap=whole)

    def print_item(self, record: Mapping[str, Any], text_form: Text) -> None:
        """Give a part of an answer that comes bit by bit, as one line.

        Parameters
        ----------
        record
            For programs: a JSON object on a line of its own.
        text_form
            The same for people.
        """
        if self._as_json:
            text = json.dumps(record, default=_json_default, ensure_ascii=False)
            self._out.out(escape_json(text), highlight=False)
            return
        # On a terminal a progress bar knows only of what is written where it is itself.
        console = self._err if self._shows_progress and self._out.is_terminal else self._out
        console.print(escape_styled(text_form), soft_wrap=True)

    def _safe(self, part: RenderableType) -> RenderableType:
        if isinstance(part, str):
            return Text(escape(self._format_commands(part)))
        return escape_styled(part) if isinstance(part, Text) else part

    def print_info(self, text: str) -> None:
        """Tell something by the way."""
        line = Text(escape(self._format_commands(text)))
        self._err.print(line, soft_wrap=not self._err.is_terminal)

    @contextmanager
    def progress_bar(self, title: str, total: int) -> Iterator[Callable[..., None]]:
        """Show how many of so many are done, while it lasts.

        What is entered is called for each that is done, from any thread, with how things stand in
        a few words, or without.
        """
        columns = (
            *(SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn()),
            *(MofNCompleteColumn(), TextColumn("{task.fields[stand]}", markup=False)),
        )
        quiet = self._as_json or not self._err.is_terminal
        with progress.Progress(*columns, console=self._err, transient=True, disable=quiet) as bars:
            task = bars.add_task(title, total=total, stand="")
            self._shows_progress = not quiet
            try:
                yield lambda stand="": bars.update(task, advance=1, stand=escape(stand))
            finally:
                self._shows_progress = False

    @contextmanager
    def progress_bars(self) -> Iterator[Callable[[ItemProgress], None]]:
        """Show how far each part of long work is, while it lasts; what is entered takes amounts."""
        columns = (
            *(TextColumn("{task.description}", markup=False), BarColumn(bar_width=20)),
            TextColumn("{task.fields[stand]}", markup=False),
        )
        quiet = self._as_json or not self._err.is_terminal
        with progress.Progress(*columns, console=self._err, disable=quiet) as bars:
            tasks: dict[str, progress.TaskID] = {}

            def show(amount: ItemProgress) -> None:
                if amount.title not in tasks:
                    tasks[amount.title] = bars.add_task(amount.title, stand="")
                bars.update(
                    tasks[amount.title],
                    completed=amount.done,
                    total=amount.total,
                    stand=str(amount),
                )

            yield show

    @contextmanager
    def execution_progress(self, execution: str) -> Iterator[Callable[[ProgressEvent], None]]:
        """Show an execution's steps while it is followed; what is entered takes them."""
        with self._err.status(Text("Starting")) as status:
            steps = _StepProgress(self._err, status)
            try:
                yield steps.show
            except KeyboardInterrupt:
                self.print_info(f"Stopped following; the execution continues: {execution}")
                raise
            except Exception:
                steps.end("✗ ", "red")
                raise
            steps.end("✓ ", "green")


class _StepProgress:
    """The steps of one execution: those done are ticked off, the last one spins."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._step: Step | None = None

    def show(self, event: ProgressEvent) -> None:
        if isinstance(event, Step):
            self._enter(event)
        elif self._console.is_terminal:
            self._update(escape(str(event).strip()))
        else:
            self._console.print(Text(f"  {escape(str(event).strip())}"), soft_wrap=True)

    def end(self, mark: str, style: str) -> None:
        if self._step:
            self._tick(mark, style, datetime.now(UTC) - self._step.at)

    def _enter(self, step: Step) -> None:
        if self._step and self._step.title == step.title:
            return
        if self._step:
            self._tick("✓ ", "green", step.at - self._step.at)
        self._step = step
        self._update("")

    def _tick(self, mark: str, style: str, duration: timedelta) -> None:
        title = self._step.title if self._step else ""
        self._console.print(
            Text(mark, style=style)
            + Text(f"{title} ")
            + Text(format_duration(duration), style="dim")
        )

    def _update(self, detail: str) -> None:
        line = Text(self._step.title if self._step else "Starting")
        line.append(f"  {detail}", style="dim")
        line.truncate(self._console.width - SPINNER_WIDTH, overflow="ellipsis")
        self._status.update(line)


def format_duration(duration: timedelta) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> format_duration(timedelta(seconds=4.25)), format_duration(timedelta(seconds=3725))
    ('4.2 s', '1 h 2 min')
    """
    seconds = max(duration.total_seconds(), 0)
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _json_default(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no JSON")
