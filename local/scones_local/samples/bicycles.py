"""Bicycles: thin wheels with spokes, a frame of tubes, a saddle, a handlebar, no engine."""

import math
import random
from dataclasses import dataclass
from typing import Literal, Self

from scones_local.samples.drawing import (
    Color,
    Pen,
    Point,
    arc_points,
    curve_points,
    hsv_to_rgb,
    interpolate,
    scale_brightness,
)
from scones_local.samples.riders import Rider
from scones_local.samples.subjects import Extent

Frame = Literal["diamond", "sloping", "step-through"]
Bars = Literal["drop", "flat", "swept"]

_RUBBER: Color = (28, 28, 30)
_METAL: Color = (170, 172, 176)


@dataclass(frozen=True)
class Bicycle:
    """One bicycle, measures in meters.

    Parameters
    ----------
    wheel : float
        Outer radius of the wheels.
    tire, tube : float
        Thickness of the tires and of the frame's tubes.
    wheelbase : float
        Distance between the hubs.
    seat : float
        Height of the saddle.
    spokes : int
        Spokes of each wheel.
    frame, bars : str
        Kind of frame and of handlebar.
    paint, leather, tire_wall : Color
        Colors of the frame, of saddle and grips, and of the tires.
    crank : float
        Angle of the pedals in degrees.
    mudguards, rack, basket, bottle : bool
        What it is fitted with.
    rider : Rider or None
        Who sits on it.
    """

    wheel: float
    tire: float
    tube: float
    wheelbase: float
    seat: float
    spokes: int
    frame: Frame
    bars: Bars
    paint: Color
    leather: Color
    tire_wall: Color
    crank: float
    mudguards: bool
    rack: bool
    basket: bool
    bottle: bool
    rider: Rider | None

    @classmethod
    def design(cls, rng: random.Random) -> Self:
        """Return a bicycle with everything about it drawn from the generator."""
        frame: Frame = rng.choice(("diamond", "diamond", "sloping", "step-through"))
        bars: Bars = "swept" if frame == "step-through" else rng.choice(("drop", "flat", "swept"))
        folding = rng.random() < 0.1
        return cls(
            wheel=rng.uniform(0.23, 0.27) if folding else rng.uniform(0.31, 0.37),
            tire=rng.uniform(0.04, 0.06) if frame == "sloping" else rng.uniform(0.022, 0.038),
            tube=rng.uniform(0.026, 0.042),
            wheelbase=rng.uniform(0.98, 1.12),
            seat=rng.uniform(0.88, 1.0),
            spokes=rng.randrange(12, 25, 2),
            frame=frame,
            bars=bars,
            paint=_paint(rng),
            leather=rng.choice(((30, 28, 28), (96, 58, 34), (52, 40, 34))),
            tire_wall=rng.choice((_RUBBER, _RUBBER, _RUBBER, (70, 60, 52), (140, 110, 80))),
            crank=rng.uniform(0, 180),
            mudguards=rng.random() < 0.35,
            rack=rng.random() < 0.3,
            basket=rng.random() < 0.2,
            bottle=rng.random() < 0.3,
            rider=Rider.design(rng, helmet=0.5) if rng.random() < 0.12 else None,
        )

    @property
    def extent(self) -> Extent:
        """The room it takes, with its rider."""
        top = 1.75 if self.rider else 1.12
        return Extent(-self.wheel, self.wheelbase + self.wheel, top)

    def draw(self, pen: Pen) -> None:
        """Draw it, from what is farthest to what is nearest."""
        for hub in (self._rear, self._front):
            self._draw_wheel(pen, hub)
        if self.rack:
            self._draw_rack(pen)
        self._draw_frame(pen)
        if self.mudguards:
            self._draw_mudguards(pen)
        self._draw_drive(pen)
        self._draw_saddle(pen)
        self._draw_bars(pen)
        if self.basket:
            self._draw_basket(pen)
        if self.rider:
            self.rider.draw(pen, seat=self._saddle, foot=self._pedals[0], grip=self._grip)

    @property
    def _rear(self) -> Point:
        return 0.0, self.wheel

    @property
    def _front(self) -> Point:
        return self.wheelbase, self.wheel

    @property
    def _bottom(self) -> Point:
        return 0.42 * self.wheelbase, 0.29

    @property
    def _saddle(self) -> Point:
        return self._bottom[0] - 0.3 * (self.seat - 0.29), self.seat

    @property
    def _seat_lug(self) -> Point:
        drop = {"diamond": 0.84, "sloping": 0.66, "step-through": 0.7}[self.frame]
        return interpolate(self._bottom, self._saddle, drop)

    @property
    def _head(self) -> tuple[Point, Point]:
        """Upper and lower end of the head tube."""
        return (self.wheelbase - 0.2, 0.86), (self.wheelbase - 0.16, 0.73)

    @property
    def _stem(self) -> Point:
        return self._head[0][0] - 0.02, max(self.seat - 0.02, 0.93)

    @property
    def _pedals(self) -> tuple[Point, Point]:
        angle = math.radians(self.crank)
        x, y = 0.17 * math.cos(angle), 0.17 * math.sin(angle)
        return (self._bottom[0] + x, self._bottom[1] - y), (
            self._bottom[0] - x,
            self._bottom[1] + y,
        )

    @property
    def _grip(self) -> Point:
        reach = {"drop": (0.13, 0.03), "flat": (0.08, 0.02), "swept": (-0.1, 0.08)}[self.bars]
        return self._stem[0] + reach[0], self._stem[1] + reach[1]

    def _draw_wheel(self, pen: Pen, hub: Point) -> None:
        pen.spokes(hub, (0.02, self.wheel - self.tire), self.spokes, 0.005, _METAL)
        pen.ring(hub, self.wheel - self.tire * 0.8, 0.018, _METAL)
        pen.ring(hub, self.wheel, self.tire, self.tire_wall)
        pen.disc(hub, 0.028, scale_brightness(_METAL, 0.7))

    def _draw_frame(self, pen: Pen) -> None:
        upper, lower = self._head
        stay = self.tube * 0.6
        for end in (self._bottom, self._seat_lug):
            pen.stroke((self._rear, end), stay, self.paint)
        pen.stroke((self._bottom, self._seat_lug), self.tube, self.paint)
        pen.stroke((self._seat_lug, self._saddle), self.tube * 0.7, _METAL)
        pen.stroke((self._bottom, lower), self.tube * 1.1, self.paint)
        if self.frame == "step-through":
            middle = interpolate(self._bottom, self._seat_lug, 0.45)
            control = (self._bottom[0] + 0.22, middle[1] - 0.02)
            pen.stroke(curve_points(middle, control, upper), self.tube, self.paint)
        else:
            pen.stroke((self._seat_lug, upper), self.tube, self.paint)
        pen.stroke((upper, lower), self.tube * 1.3, self.paint)
        bend = (self.wheelbase - 0.05, self.wheel + 0.16)
        pen.stroke(curve_points(lower, bend, self._front), self.tube * 0.8, self.paint)
        if self.bottle:
            pen.stroke(
                (interpolate(self._bottom, lower, 0.35), interpolate(self._bottom, lower, 0.65)),
                0.07,
                hsv_to_rgb(self.seat * 7, 0.6, 0.8),
            )

    def _draw_drive(self, pen: Pen) -> None:
        near, far = self._pedals
        chain = (40, 40, 42)
        for lift in (0.085, -0.085):
            start = (self._bottom[0], self._bottom[1] + lift)
            pen.stroke((start, (0.0, self.wheel + lift * 0.45)), 0.012, chain)
        pen.stroke((self._bottom, far), 0.022, scale_brightness(_METAL, 0.6))
        pen.ring(self._bottom, 0.095, 0.024, chain)
        pen.disc(self._rear, 0.045, chain)
        pen.stroke((self._bottom, near), 0.026, _METAL)
        for x, y in (near, far):
            pen.stroke(((x - 0.05, y), (x + 0.05, y)), 0.028, _RUBBER)

    def _draw_saddle(self, pen: Pen) -> None:
        x, y = self._saddle
        outline = [
            (x - 0.15, y + 0.055),
            (x - 0.02, y + 0.04),
            (x + 0.15, y + 0.035),
            (x + 0.14, y + 0.005),
            (x, y - 0.005),
            (x - 0.12, y - 0.025),
        ]
        pen.polygon(outline, self.leather)

    def _draw_bars(self, pen: Pen) -> None:
        x, y = self._stem
        pen.stroke((self._head[0], self._stem), self.tube * 0.8, _METAL)
        if self.bars == "drop":
            hook = [(x, y), *arc_points((x + 0.1, y - 0.06), 0.075, 90, -90), (x + 0.02, y - 0.135)]
            pen.stroke(hook, 0.03, self.leather)
        elif self.bars == "flat":
            pen.stroke(((x, y), (x + 0.08, y + 0.02)), 0.03, _METAL)
            pen.stroke(((x + 0.02, y + 0.035), (x + 0.11, y + 0.02)), 0.045, self.leather)
        else:
            pen.stroke(
                curve_points((x, y), (x + 0.12, y + 0.12), (x - 0.04, y + 0.09)), 0.024, _METAL
            )
            pen.stroke(((x - 0.04, y + 0.09), (x - 0.14, y + 0.07)), 0.036, self.leather)

    def _draw_mudguards(self, pen: Pen) -> None:
        color = scale_brightness(self.paint, 0.85)
        pen.stroke(arc_points(self._rear, self.wheel + 0.02, 20, 170), 0.024, color)
        pen.stroke(arc_points(self._front, self.wheel + 0.02, 60, 185), 0.024, color)

    def _draw_rack(self, pen: Pen) -> None:
        top = self.wheel * 2 + 0.06
        pen.stroke(((-0.25, top), (self._seat_lug[0], top)), 0.022, (60, 60, 64))
        pen.stroke(((-0.12, top), self._rear), 0.016, (60, 60, 64))

    def _draw_basket(self, pen: Pen) -> None:
        x, y = self._head[0]
        outline = [
            (x + 0.08, y - 0.08),
            (x + 0.34, y - 0.08),
            (x + 0.4, y + 0.16),
            (x + 0.04, y + 0.16),
        ]
        wicker = (150, 112, 66)
        pen.polygon(outline, wicker)
        for part in (0.3, 0.65):
            weave = (
                interpolate(outline[0], outline[3], part),
                interpolate(outline[1], outline[2], part),
            )
            pen.stroke(weave, 0.012, scale_brightness(wicker, 0.6))


def _paint(rng: random.Random) -> Color:
    if rng.random() < 0.3:
        return rng.choice(((24, 24, 26), (235, 235, 232), (128, 132, 138), (44, 52, 60)))
    return hsv_to_rgb(rng.random(), rng.uniform(0.55, 1.0), rng.uniform(0.45, 0.95))
