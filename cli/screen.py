"""What the commands show: answers on standard output, progress on standard error."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

from operations.progress import Progress, Step

SPINNER_WIDTH = 2


class Screen:
    """Writes for a person, or for a program.

    Parameters
    ----------
    out, err
        Standard output and standard error.
    as_json
        Whether the answer is JSON.
    """

    def __init__(self, out: Console, err: Console, *, as_json: bool = False) -> None:
        self._out = out
        self._err = err
        self._as_json = as_json

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
            self._out.out(text, highlight=False)
            return
        for item in shown:
            # The terminal breaks plain lines, so that what is copied from them stays whole.
            self._out.print(item, markup=False, highlight=False, soft_wrap=isinstance(item, str))

    def say(self, text: str) -> None:
        """Tell something by the way."""
        self._err.print(text, markup=False, highlight=False, soft_wrap=not self._err.is_terminal)

    @contextmanager
    def following(self, execution: str) -> Iterator[Callable[[Progress], None]]:
        """Show an execution's steps while it is followed; what is entered takes them."""
        with self._err.status(Text("Starting")) as status:
            steps = _Steps(self._err, status)
            try:
                yield steps.show
            except KeyboardInterrupt:
                self.say(f"Not followed any more, but it goes on: {execution}")
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
            self._update(str(told).strip())
        else:
            self._console.print(
                f"  {str(told).strip()}", markup=False, highlight=False, soft_wrap=True
            )

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
            Text(mark, style=style) + Text(f"{title} ") + Text(_duration(lasted), style="dim")
        )

    def _update(self, detail: str) -> None:
        line = Text(self._step.title if self._step else "Starting")
        line.append(f"  {detail}", style="dim")
        line.truncate(self._console.width - SPINNER_WIDTH, overflow="ellipsis")
        self._status.update(line)


def _duration(lasted: timedelta) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> _duration(timedelta(seconds=4.25)), _duration(timedelta(seconds=3725))
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
