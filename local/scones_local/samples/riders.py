"""The person who sits on a bicycle or a motorcycle."""

import math
import random
from dataclasses import dataclass
from typing import Self

from scones_local.samples.drawing import (
    Color,
    Pen,
    Point,
    hsv_to_rgb,
    interpolate,
    scale_brightness,
)

_THIGH = 0.46
_SHIN = 0.46


@dataclass(frozen=True)
class Rider:
    """A person in clothes, with or without a helmet."""

    jacket: Color
    trousers: Color
    skin: Color
    hair: Color
    helmet: Color | None

    @classmethod
    def design(cls, rng: random.Random, *, helmet: float) -> Self:
        """Return a rider who wears a helmet with the given probability."""
        wears_helmet = rng.random() < helmet
        return cls(
            jacket=hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.95)),
            trousers=hsv_to_rgb(
                rng.uniform(0.55, 0.7), rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.5)
            ),
            skin=rng.choice(((241, 206, 178), (214, 164, 126), (150, 104, 74), (92, 62, 46))),
            hair=rng.choice(((40, 30, 26), (96, 64, 40), (190, 150, 90), (90, 90, 92))),
            helmet=hsv_to_rgb(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.2, 1))
            if wears_helmet
            else None,
        )

    def draw(self, pen: Pen, *, seat: Point, foot: Point, grip: Point) -> None:
        """Draw the rider sitting on a seat, with a foot and the hands where they belong."""
        hip = (seat[0], seat[1] + 0.1)
        lean = min(0.34, max(0.05, (grip[0] - seat[0] - 0.45) * 0.55 + 0.12))
        shoulder = (hip[0] + lean, hip[1] + math.sqrt(0.5**2 - lean**2))
        knee = _knee(hip, foot)
        elbow = (
            interpolate(shoulder, grip, 0.5)[0] - 0.02,
            interpolate(shoulder, grip, 0.5)[1] - 0.07,
        )

        pen.stroke((hip, interpolate(hip, shoulder, 0.5), shoulder), 0.23, self.jacket)
        pen.stroke((hip, knee), 0.16, self.trousers)
        pen.stroke((knee, foot), 0.12, self.trousers)
        pen.stroke(
            ((foot[0] - 0.05, foot[1] + 0.02), (foot[0] + 0.14, foot[1] + 0.01)), 0.07, (34, 30, 30)
        )
        pen.stroke((shoulder, elbow), 0.1, scale_brightness(self.jacket, 0.85))
        pen.stroke((elbow, grip), 0.08, scale_brightness(self.jacket, 0.85))
        pen.disc(grip, 0.045, self.skin)
        self._draw_head(pen, (shoulder[0] + 0.05, shoulder[1] + 0.24))

    def _draw_head(self, pen: Pen, center: Point) -> None:
        x, y = center
        pen.stroke(((x - 0.03, y - 0.14), (x, y)), 0.09, self.skin)
        pen.disc(center, 0.115, self.skin)
        if self.helmet:
            pen.polygon(_cap(center, 0.145, -20, 200), self.helmet)
        else:
            pen.polygon(_cap(center, 0.125, 40, 215), self.hair)


def _cap(center: Point, radius: float, start: float, end: float) -> list[Point]:
    angles = [math.radians(start + (end - start) * i / 20) for i in range(21)]
    return [(center[0] + radius * math.cos(a), center[1] + radius * math.sin(a)) for a in angles]


def _knee(hip: Point, foot: Point) -> Point:
    """Return where the knee is, in front of the line from hip to foot."""
    reach = min(math.dist(hip, foot), _THIGH + _SHIN - 0.01)
    along = (_THIGH**2 - _SHIN**2 + reach**2) / (2 * reach)
    forward = math.sqrt(max(0.0, _THIGH**2 - along**2))
    x, y = (foot[0] - hip[0]) / reach, (foot[1] - hip[1]) / reach
    return hip[0] + x * along - y * forward, hip[1] + y * along + x * forward
