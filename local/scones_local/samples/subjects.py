"""What anything that can stand in a picture has in common."""

from dataclasses import dataclass
from typing import Protocol

from scones_local.samples.drawing import Pen


@dataclass(frozen=True)
class Extent:
    """The room a subject takes, in meters: x from left to right, y from the ground to the top."""

    left: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """Width in meters."""
        return self.right - self.left

    @property
    def middle(self) -> float:
        """The x that lies half way, in meters."""
        return (self.left + self.right) / 2


class Subject(Protocol):
    """Something that can be drawn, standing on y = 0 and facing right."""

    @property
    def extent(self) -> Extent:
        """The room it takes."""

    def draw(self, pen: Pen) -> None:
        """Draw it."""
