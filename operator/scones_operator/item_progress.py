"""What staging tells of long work while it lasts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Amount:
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


Tell = Callable[[Amount], None]


def silence(_: Amount) -> None:
    """Tell nobody."""
