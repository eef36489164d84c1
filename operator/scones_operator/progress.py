"""Progress of long work: steps, epochs and log lines of executions, and counted items."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """A state machine has begun another step.

    Attributes
    ----------
    title
        The step, for people.
    state
        The state it was entered with.
    at
        When.
    """

    title: str
    state: str
    at: datetime

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True)
class Epoch:
    """Training has gone through all photos once more.

    Attributes
    ----------
    number, total
        Which one, from 1, of how many.
    accuracy
        Share of the validation photos that is classified rightly now, 0 to 1.
    """

    number: int
    total: int
    accuracy: float

    def __str__(self) -> str:
        return f"epoch {self.number} of {self.total}, validation accuracy {self.accuracy:.3f}"


@dataclass(frozen=True)
class LogLine:
    """Something else that a job's log tells."""

    text: str

    def __str__(self) -> str:
        return self.text


ProgressEvent = Step | Epoch | LogLine


@dataclass(frozen=True)
class ItemProgress:
    """How far a part of the work is.

    Attributes
    ----------
    title
        The part, for people; the same while it lasts.
    done, total
        How much is done, and of how much; None where that is not known.
    unit
        What is counted.
    """

    title: str
    done: int
    total: int | None
    unit: Literal["bytes", "photos"] = "photos"

    def __str__(self) -> str:
        """Say how much of how much, such as ``12.5 of 169.0 MB`` or ``3 of 1,200``."""
        if self.unit == "bytes":
            of = f" of {self.total / 1e6:,.1f}" if self.total else ""
            return f"{self.done / 1e6:,.1f}{of} MB"
        return f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}"


ProgressCallback = Callable[[ItemProgress], None]


def ignore_progress(_: ItemProgress) -> None:
    """Tell nobody."""


def track(items: Iterable[T], title: str, on_progress: ProgressCallback) -> Iterator[T]:
    """Yield items and report their number, and at the end that they are all.

    Parameters
    ----------
    items
        Items; their number is not known before.
    title
        Name of the items, for people.
    on_progress
        Called after each item.
    """
    done = 0
    for done, item in enumerate(items, 1):
        on_progress(ItemProgress(title, done, None))
        yield item
    on_progress(ItemProgress(title, done, done))
