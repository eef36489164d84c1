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
from scones_operator.item_progress import Amount
from scones_operator.progress import Progress, Step

SPINNER_WIDTH = 2


class Screen:
    """Writes for a person, or for a program.

    Parameters
    ----------
    out, err
        Standard output and standard error.
    as_json
        Whether the answer is JSON.
    written
        How a line for people is written, such as with its commands as they can be copied.
    """

    def __init__(
        self,
        out: Console,
        err: Console,
        *,
        as_json: bool = False,
        written: Callable[[str], str] = str,
    ) -> None:
        self._written = written
        self._out = out
        self._err = err
        self._as_json = as_json
        self._counting = False

    @property
    def is_terminal(self) -> bool:
        """Whether standard output is a terminal, where long lines wrap."""
        return self._out.is_terminal

    def answer(self, record: Mapping[str, Any], *shown: RenderableType) -> None:
        """Give the answer of a command.

        Parameters
        ----------
        record
            For programs: one JSON object, moments as in ISO 8601.
        *shown
            The same for people.
        """
        if self._as_json:
            text = json.dumps(record, indent=2, default=_plain, ensure_ascii=False)
            self._out.out(escape_json(text), highlight=False)
            return
        for item in shown:
            # The terminal breaks plain lines, so that what is copied from them stays whole.
            whole = isinstance(item, str) or (isinstance(item, Text) and item.no_wrap is True)
            self._out.print(self._safe(item), soft_wrap=whole)

    def item(self, record: Mapping[str, Any], shown: Text) -> None:
        """Give a part of an answer that comes bit by bit, as one line.

        Parameters
        ----------
        record
            For programs: a JSON object on a line of its own.
        shown
            The same for people.
        """
        if self._as_json:
            text = json.dumps(record, default=_plain, ensure_ascii=False)
            self._out.out(escape_json(text), highlight=False)
            return
        # On a terminal a progress bar knows only of what is written where it is itself.
        console = self._err if self._counting and self._out.is_terminal else self._out
        console.print(escape_styled(shown), soft_wrap=True)

    def _safe(self, item: RenderableType) -> RenderableType:
        if isinstance(item, str):
            return Text(escape(self._written(item)))
        return escape_styled(item) if isinstance(item, Text) else item

    def say(self, text: str) -> None:
        """Tell something by the way."""
        line = Text(escape(self._written(text)))
        self._err.print(line, soft_wrap=not self._err.is_terminal)

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[..., None]]:
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
            self._counting = not quiet
            try:
                yield lambda stand="": bars.update(task, advance=1, stand=escape(stand))
            finally:
                self._counting = False

    @contextmanager
    def measuring(self) -> Iterator[Callable[[Amount], None]]:
        """Show how far each part of long work is, while it lasts; what is entered takes amounts."""
        columns = (
            *(TextColumn("{task.description}", markup=False), BarColumn(bar_width=20)),
            TextColumn("{task.fields[stand]}", markup=False),
        )
        quiet = self._as_json or not self._err.is_terminal
        with progress.Progress(*columns, console=self._err, disable=quiet) as bars:
            tasks: dict[str, progress.TaskID] = {}

            def show(amount: Amount) -> None:
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
    def following(self, execution: str) -> Iterator[Callable[[Progress], None]]:
        """Show an execution's steps while it is followed; what is entered takes them."""
        with self._err.status(Text("Starting")) as status:
            steps = _Steps(self._err, status)
            try:
                yield steps.show
            except KeyboardInterrupt:
                self.say(f"Stopped following; the execution continues: {execution}")
                raise
            except Exception:
                steps.end("✗ ", "red")
                raise
            steps.end("✓ ", "green")


class _Steps:
    """The steps of one execution: those done are ticked off, the last one spins."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._step: Step | None = None

    def show(self, told: Progress) -> None:
        if isinstance(told, Step):
            self._enter(told)
        elif self._console.is_terminal:
            self._update(escape(str(told).strip()))
        else:
            self._console.print(Text(f"  {escape(str(told).strip())}"), soft_wrap=True)

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

    def _tick(self, mark: str, style: str, lasted: timedelta) -> None:
        title = self._step.title if self._step else ""
        self._console.print(
            Text(mark, style=style) + Text(f"{title} ") + Text(duration(lasted), style="dim")
        )

    def _update(self, detail: str) -> None:
        line = Text(self._step.title if self._step else "Starting")
        line.append(f"  {detail}", style="dim")
        line.truncate(self._console.width - SPINNER_WIDTH, overflow="ellipsis")
        self._status.update(line)


def duration(lasted: timedelta) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> duration(timedelta(seconds=4.25)), duration(timedelta(seconds=3725))
    ('4.2 s', '1 h 2 min')
    """
    seconds = max(lasted.total_seconds(), 0)
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no JSON")
