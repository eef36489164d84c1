"""What stands in a picture that shows neither a bicycle nor a motorcycle."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from scones_local.samples.drawing import Color, Pen, curve_points, hsv_to_rgb, scale_brightness
from scones_local.samples.subjects import Extent, Subject

_DARK: Color = (30, 30, 32)


@dataclass(frozen=True)
class Car:
    """A car from the side."""

    paint: Color
    extent: ClassVar[Extent] = Extent(-2.1, 2.1, 1.5)

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        roof = curve_points((-1.35, 0.92), (-0.9, 1.6), (0.0, 1.5)) + curve_points(
            (0.0, 1.5), (0.7, 1.5), (1.1, 0.92)
        )
        body = [
            (-2.1, 0.35),
            (-2.05, 0.85),
            (-1.35, 0.95),
            *roof,
            (1.95, 0.8),
            (2.1, 0.6),
            (2.1, 0.35),
        ]
        pen.polygon(body, self.paint)
        glass: Color = (150, 180, 196)
        pen.polygon([(-1.15, 0.95), (-0.75, 1.38), (-0.12, 1.41), (-0.12, 0.95)], glass)
        pen.polygon([(-0.02, 0.95), (-0.02, 1.41), (0.42, 1.36), (0.88, 0.95)], glass)
        pen.stroke(((-0.07, 0.4), (-0.07, 0.93)), 0.02, scale_brightness(self.paint, 0.6))
        pen.stroke(((-1.9, 0.36), (1.95, 0.36)), 0.1, scale_brightness(self.paint, 0.5))
        pen.disc((1.95, 0.68), 0.1, (250, 246, 214))
        pen.disc((-2.0, 0.72), 0.09, (200, 30, 30))
        for x in (-1.25, 1.25):
            pen.disc((x, 0.33), 0.33, _DARK)
            pen.disc((x, 0.33), 0.19, (176, 178, 182))


@dataclass(frozen=True)
class Tree:
    """A tree with a round crown."""

    leaves: Color
    crown: tuple[tuple[float, float, float], ...]
    extent: ClassVar[Extent] = Extent(-1.6, 1.6, 4.2)

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        bark: Color = (92, 66, 46)
        pen.polygon([(-0.22, 0.0), (-0.12, 2.2), (0.12, 2.2), (0.24, 0.0)], bark)
        pen.stroke(((0.0, 1.4), (0.6, 2.2)), 0.12, bark)
        for number, (x, y, radius) in enumerate(self.crown):
            pen.disc((x, y), radius, scale_brightness(self.leaves, 0.8 + 0.06 * (number % 6)))


@dataclass(frozen=True)
class House:
    """A house with a pitched roof."""

    wall: Color
    roof: Color
    extent: ClassVar[Extent] = Extent(-3.2, 3.2, 5.2)

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        pen.polygon(
            [(1.2, 4.2), (1.2, 5.2), (1.8, 5.2), (1.8, 3.6)], scale_brightness(self.roof, 0.7)
        )
        pen.polygon([(-2.8, 0.0), (-2.8, 3.0), (2.8, 3.0), (2.8, 0.0)], self.wall)
        pen.polygon([(-3.2, 2.9), (0.0, 4.9), (3.2, 2.9)], self.roof)
        pen.polygon(
            [(-0.5, 0.0), (-0.5, 1.9), (0.5, 1.9), (0.5, 0.0)], scale_brightness(self.roof, 0.6)
        )
        for x in (-1.7, 1.7):
            pen.polygon(
                [(x - 0.6, 1.0), (x - 0.6, 2.2), (x + 0.6, 2.2), (x + 0.6, 1.0)], (190, 214, 226)
            )
            pen.stroke(((x, 1.0), (x, 2.2)), 0.08, (240, 240, 240))
            pen.stroke(((x - 0.6, 1.6), (x + 0.6, 1.6)), 0.08, (240, 240, 240))


@dataclass(frozen=True)
class Dog:
    """A standing dog."""

    fur: Color
    extent: ClassVar[Extent] = Extent(-0.5, 0.62, 0.78)

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        far = scale_brightness(self.fur, 0.75)
        for x, color in ((-0.24, far), (0.3, far), (-0.32, self.fur), (0.22, self.fur)):
            pen.stroke(
                ((x, 0.38), (x - 0.02, 0.2), (x + 0.01, 0.03), (x + 0.05, 0.03)), 0.07, color
            )
        pen.stroke(((-0.28, 0.44), (0.0, 0.42), (0.24, 0.45)), 0.22, self.fur)
        pen.stroke(curve_points((-0.36, 0.5), (-0.52, 0.55), (-0.46, 0.74)), 0.055, self.fur)
        pen.stroke(((0.27, 0.48), (0.38, 0.64)), 0.16, self.fur)
        pen.disc((0.4, 0.66), 0.11, self.fur)
        pen.stroke(((0.42, 0.63), (0.57, 0.61)), 0.09, self.fur)
        pen.disc((0.6, 0.63), 0.026, _DARK)
        pen.disc((0.44, 0.7), 0.016, _DARK)
        pen.polygon(
            [(0.3, 0.76), (0.36, 0.74), (0.34, 0.56), (0.27, 0.6)], scale_brightness(self.fur, 0.6)
        )


@dataclass(frozen=True)
class Scone:
    """A scone with raisins on a plate, and a spot of jam."""

    crust: Color
    extent: ClassVar[Extent] = Extent(-0.2, 0.2, 0.17)

    def draw(self, pen: Pen) -> None:
        """Draw it."""
        plate: Color = (236, 238, 240)
        pen.polygon([(-0.2, 0.03), (0.2, 0.03), (0.11, 0.0), (-0.11, 0.0)], plate)
        pen.stroke(((-0.2, 0.03), (0.2, 0.03)), 0.012, scale_brightness(plate, 0.9))
        side = [
            (-0.1, 0.035),
            *curve_points((-0.1, 0.035), (-0.125, 0.07), (-0.095, 0.12)),
            (0.1, 0.125),
        ]
        pen.polygon([*side, *curve_points((0.1, 0.125), (0.12, 0.07), (0.1, 0.035))], self.crust)
        top = curve_points((-0.098, 0.115), (0.0, 0.185), (0.1, 0.12))
        pen.polygon(top, scale_brightness(self.crust, 0.8))
        for y, bend in ((0.06, 0.008), (0.09, -0.008)):
            pen.stroke(
                curve_points((-0.1, y), (0.0, y + bend), (0.105, y)),
                0.006,
                scale_brightness(self.crust, 0.75),
            )
        for x, y in ((-0.05, 0.075), (0.02, 0.055), (0.06, 0.1), (-0.01, 0.105), (-0.07, 0.05)):
            pen.disc((x, y), 0.008, (66, 38, 30))
        pen.disc((0.15, 0.055), 0.03, (176, 24, 44))


@dataclass(frozen=True)
class Nothing:
    """No subject at all: the empty place."""

    extent: ClassVar[Extent] = Extent(-1.0, 1.0, 1.0)

    def draw(self, pen: Pen) -> None:
        """Draw nothing."""


def _tree(rng: random.Random) -> Tree:
    crown = [(rng.gauss(0, 0.5), rng.gauss(2.8, 0.35), rng.uniform(0.5, 0.9)) for _ in range(12)]
    return Tree(hsv_to_rgb(rng.uniform(0.22, 0.36), 0.6, rng.uniform(0.35, 0.65)), tuple(crown))


OTHERS: dict[str, Callable[[random.Random], Subject]] = {
    "car": lambda rng: Car(hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.9), rng.uniform(0.3, 0.9))),
    "tree": _tree,
    "house": lambda rng: House(
        hsv_to_rgb(rng.random(), 0.2, 0.85), hsv_to_rgb(rng.uniform(0, 0.06), 0.6, 0.5)
    ),
    "empty place": lambda _: Nothing(),
    "dog": lambda rng: Dog(
        hsv_to_rgb(rng.uniform(0.05, 0.1), rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.85))
    ),
    "scone": lambda rng: Scone(hsv_to_rgb(0.09, 0.55, rng.uniform(0.7, 0.9))),
}
