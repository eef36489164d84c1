"""Motorcycles and scooters: thick wheels, an engine, a tank or a body, a headlight, an exhaust."""

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

Style = Literal["naked", "cruiser", "sport", "enduro", "scooter"]

_RUBBER: Color = (24, 24, 26)
_ENGINE: Color = (88, 90, 94)
_CHROME: Color = (196, 200, 206)
_GLASS: Color = (250, 246, 214)


@dataclass(frozen=True)
class Build:
    """What the motorcycles of one style share, in meters."""

    wheel: tuple[float, float]
    tire: tuple[float, float]
    wheelbase: tuple[float, float]
    seat: float
    rake: float
    bars: Point
    bounce: float


_BUILDS: dict[Style, Build] = {
    "naked": Build((0.29, 0.32), (0.1, 0.13), (1.38, 1.48), 0.8, 0.32, (-0.1, 0.16), 0.0),
    "cruiser": Build((0.31, 0.34), (0.11, 0.14), (1.6, 1.76), 0.68, 0.5, (-0.24, 0.26), -0.06),
    "sport": Build((0.29, 0.31), (0.11, 0.14), (1.36, 1.44), 0.82, 0.3, (-0.1, 0.02), 0.02),
    "enduro": Build((0.32, 0.36), (0.07, 0.1), (1.42, 1.52), 0.92, 0.34, (-0.1, 0.18), 0.1),
    "scooter": Build((0.19, 0.24), (0.09, 0.12), (1.2, 1.34), 0.76, 0.2, (-0.12, 0.16), 0.0),
}

# As common as they are named.
_STYLES: tuple[Style, ...] = (
    "naked",
    "naked",
    "naked",
    "cruiser",
    "cruiser",
    "cruiser",
    "sport",
    "sport",
    "sport",
    "enduro",
    "scooter",
)


@dataclass(frozen=True)
class Motorcycle:
    """One motorcycle, measures in meters.

    Parameters
    ----------
    style : str
        Kind of motorcycle.
    wheel, tire, wheelbase : float
        Outer radius of the wheels, thickness of the tires, distance between the hubs.
    paint, leather, rim : Color
        Colors of tank and body, of the seat, and of the wheels' rims.
    spokes : int
        Spokes of each wheel; few of them are drawn thick, as cast wheels have.
    windscreen, case : bool
        What it is fitted with.
    rider : Rider or None
        Who sits on it.
    """

    style: Style
    wheel: float
    tire: float
    wheelbase: float
    paint: Color
    leather: Color
    rim: Color
    spokes: int
    windscreen: bool
    case: bool
    rider: Rider | None

    @classmethod
    def design(cls, rng: random.Random) -> Self:
        """Return a motorcycle with everything about it drawn from the generator."""
        style = rng.choice(_STYLES)
        build = _BUILDS[style]
        laced = style == "enduro" or rng.random() < 0.25
        return cls(
            style=style,
            wheel=rng.uniform(*build.wheel),
            tire=rng.uniform(*build.tire),
            wheelbase=rng.uniform(*build.wheelbase),
            paint=_paint(rng),
            leather=rng.choice(((30, 28, 28), (30, 28, 28), (92, 56, 36))),
            rim=rng.choice(((60, 62, 66), (150, 152, 156), (40, 40, 44), (176, 140, 60))),
            spokes=rng.randrange(16, 25, 2) if laced else rng.choice((3, 5, 6, 10)),
            windscreen=rng.random() < 0.25,
            case=rng.random() < 0.2,
            rider=Rider.design(rng, helmet=0.95) if rng.random() < 0.12 else None,
        )

    @property
    def extent(self) -> Extent:
        """The room it takes, with its rider."""
        top = 1.65 if self.rider else 1.2
        return Extent(-self.wheel - 0.05, self.wheelbase + self.wheel, top)

    def draw(self, pen: Pen) -> None:
        """Draw it, from what is farthest to what is nearest."""
        for hub in (self._rear, self._front):
            self._draw_wheel(pen, hub)
        self._draw_fork(pen)
        if self.style == "scooter":
            self._draw_scooter_body(pen)
        else:
            self._draw_chassis(pen)
            self._draw_engine(pen)
            self._draw_exhaust(pen)
            self._draw_seat(pen)
            self._draw_tank(pen)
        if self.style == "sport":
            self._draw_fairing(pen)
        self._draw_front(pen)
        if self.case:
            self._draw_case(pen)
        if self.rider:
            seat = (self._middle[0] - 0.3, self._build.seat)
            self.rider.draw(pen, seat=seat, foot=self._peg, grip=self._grip)

    @property
    def _build(self) -> Build:
        return _BUILDS[self.style]

    @property
    def _rear(self) -> Point:
        return 0.0, self.wheel

    @property
    def _front(self) -> Point:
        return self.wheelbase, self.wheel

    @property
    def _head(self) -> Point:
        """Top of the steering head."""
        return self.wheelbase - self._build.rake, 0.9 + self._build.bounce

    @property
    def _middle(self) -> Point:
        """Middle of the engine."""
        return 0.5 * self.wheelbase - 0.02, 0.42 + self._build.bounce

    @property
    def _grip(self) -> Point:
        return self._head[0] + self._build.bars[0], self._head[1] + self._build.bars[1]

    @property
    def _peg(self) -> Point:
        forward = {"cruiser": 0.25, "scooter": 0.15}.get(self.style, -0.12)
        return self._middle[0] + forward, 0.3 + self._build.bounce

    def _draw_wheel(self, pen: Pen, hub: Point) -> None:
        inner = self.wheel - self.tire
        width = 0.008 if self.spokes > 10 else 0.04
        pen.spokes(hub, (0.03, inner), self.spokes, width, self.rim)
        pen.ring(hub, inner + 0.03, 0.05, self.rim)
        pen.ring(hub, self.wheel, self.tire, _RUBBER)
        pen.ring(hub, inner * 0.7, 0.035, scale_brightness(_CHROME, 0.8))
        pen.disc(hub, 0.055, scale_brightness(_ENGINE, 0.8))

    def _draw_fork(self, pen: Pen) -> None:
        pen.stroke((self._front, self._head), 0.06, _CHROME)
        pen.stroke(
            (self._front, interpolate(self._front, self._head, 0.45)),
            0.085,
            scale_brightness(_ENGINE, 0.7),
        )
        lift = 0.16 if self.style == "enduro" else 0.035
        guard = arc_points((self._front[0], self._front[1] + lift), self.wheel + 0.01, 50, 160)
        pen.stroke(guard, 0.05, self.paint)

    def _draw_chassis(self, pen: Pen) -> None:
        tube: Color = (46, 48, 52)
        x, y = self._middle
        pen.stroke((self._rear, (x - 0.18, y - 0.05)), 0.075, tube)
        pen.stroke((self._head, (x + 0.22, y - 0.16), (x - 0.15, y - 0.18)), 0.05, tube)
        pen.stroke((self._head, (x - 0.2, y + 0.3), (x - 0.2, y - 0.05)), 0.06, tube)
        pen.stroke(((0.08, self.wheel + 0.04), (x - 0.3, self._build.seat - 0.04)), 0.06, _CHROME)

    def _draw_engine(self, pen: Pen) -> None:
        x, y = self._middle
        slants = (-0.16, 0.2) if self.style == "cruiser" else (0.1,)
        for slant in slants:
            self._draw_cylinder(pen, (x + 0.04, y), (x + 0.04 + slant, y + 0.34))
        case = [(x - 0.24, y - 0.1), (x - 0.18, y - 0.2), (x + 0.2, y - 0.2), (x + 0.26, y - 0.04)]
        pen.polygon(
            [*case, (x + 0.2, y + 0.1), (x - 0.2, y + 0.12)], scale_brightness(_ENGINE, 0.85)
        )
        pen.disc((x - 0.08, y - 0.04), 0.115, _ENGINE)
        pen.ring((x - 0.08, y - 0.04), 0.09, 0.016, _CHROME)
        pen.disc((x + 0.14, y - 0.07), 0.075, scale_brightness(_ENGINE, 1.15))

    @staticmethod
    def _draw_cylinder(pen: Pen, low: Point, high: Point) -> None:
        pen.stroke((low, high), 0.19, scale_brightness(_ENGINE, 0.7))
        for part in (0.4, 0.55, 0.7, 0.85):
            x, y = interpolate(low, high, part)
            pen.stroke(((x - 0.11, y), (x + 0.11, y)), 0.02, scale_brightness(_CHROME, 0.85))

    def _draw_exhaust(self, pen: Pen) -> None:
        x, y = self._middle
        rise = {"sport": 0.22, "enduro": 0.34}.get(self.style, 0.02)
        end = (-0.12, 0.28 + rise)
        header = curve_points((x + 0.16, y + 0.22), (x + 0.42, y - 0.2), (x + 0.08, y - 0.2))
        pen.stroke([*header, (x - 0.22, y - 0.16)], 0.05, _CHROME)
        pen.stroke(
            ((x - 0.22, y - 0.16), interpolate((x - 0.22, y - 0.16), end, 0.4)), 0.06, _CHROME
        )
        pen.stroke(
            (interpolate((x - 0.22, y - 0.16), end, 0.4), end), 0.1, scale_brightness(_CHROME, 0.9)
        )
        pen.disc(end, 0.035, (30, 30, 32))

    def _draw_seat(self, pen: Pen) -> None:
        x, height = self._middle[0], self._build.seat
        tail = {"sport": 0.16, "enduro": 0.04, "cruiser": 0.06}.get(self.style, 0.08)
        pen.polygon(
            [
                (x - 0.02, height - 0.09),
                (x - 0.02, height + 0.05),
                *curve_points(
                    (x - 0.1, height + 0.02),
                    (x - 0.35, height - 0.03),
                    (x - 0.5, height + tail / 2),
                ),
                (x - 0.78, height + tail),
                (x - 0.76, height + tail - 0.07),
            ],
            self.leather,
        )
        pen.polygon(
            [
                (x - 0.08, height - 0.06),
                (x - 0.78, height + tail - 0.04),
                (x - 0.84, height + tail - 0.12),
                (x - 0.5, height - 0.14),
                (x - 0.12, height - 0.2),
            ],
            scale_brightness(self.paint, 0.8),
        )
        if self.style == "cruiser":
            pen.stroke(arc_points(self._rear, self.wheel + 0.05, 35, 165), 0.07, self.paint)
        light = (x - 0.83, height + tail - 0.08)
        pen.disc(light, 0.045, (200, 28, 28))

    def _draw_tank(self, pen: Pen) -> None:
        x, y = self._middle
        nose = (self._head[0] - 0.03, self._head[1] - 0.02)
        back = (x - 0.08, self._build.seat - 0.02)
        crown = (interpolate(nose, back, 0.35)[0], max(nose[1], back[1]) + 0.26)
        top = curve_points(back, crown, nose)
        low = curve_points(nose, (nose[0] - 0.05, y + 0.3), (x - 0.02, back[1] - 0.12))
        pen.polygon([*top, *low], self.paint)
        shine = [(px - 0.01, py - 0.045) for px, py in top[5:10]]
        pen.stroke(shine, 0.03, scale_brightness(self.paint, 1.45))

    def _draw_fairing(self, pen: Pen) -> None:
        (hx, hy), (x, y) = self._head, self._middle
        shell = [
            (hx - 0.12, hy + 0.04),
            (hx + 0.16, hy + 0.02),
            (hx + 0.24, hy - 0.14),
            (hx + 0.06, hy - 0.36),
            (x + 0.24, y - 0.22),
            (x - 0.22, y - 0.22),
            (x - 0.02, y + 0.06),
            (hx - 0.22, hy - 0.16),
        ]
        pen.polygon(shell, self.paint)
        pen.stroke((shell[3], (x + 0.05, y - 0.04)), 0.04, scale_brightness(self.paint, 0.6))
        screen = [(hx - 0.06, hy + 0.05), (hx + 0.0, hy + 0.18), (hx + 0.17, hy + 0.03)]
        pen.polygon(screen, (120, 140, 156))

    def _draw_front(self, pen: Pen) -> None:
        x, y = self._head
        gx, gy = self._grip
        if self.windscreen and self.style != "sport":
            screen = [
                (x + 0.12, y + 0.06),
                (x - 0.02, y + 0.36),
                (x + 0.02, y + 0.36),
                (x + 0.2, y + 0.06),
            ]
            pen.polygon(screen, (168, 186, 196))
        pen.stroke(curve_points((x, y), (x + 0.02, gy), (gx, gy)), 0.034, _CHROME)
        pen.stroke(((gx + 0.02, gy), (gx - 0.12, gy - 0.02)), 0.05, _RUBBER)
        if self.style != "enduro":
            pen.stroke(((gx, gy), (gx + 0.03, gy + 0.13)), 0.014, (40, 40, 42))
            pen.disc((gx + 0.02, gy + 0.15), 0.05, (40, 40, 42))
        lamp = (x + 0.13, y - 0.05)
        pen.disc(lamp, 0.1, scale_brightness(self.paint, 0.7) if self.style == "sport" else _CHROME)
        pen.disc((lamp[0] + 0.035, lamp[1]), 0.075, _GLASS)

    def _draw_case(self, pen: Pen) -> None:
        x, y = self._middle[0] - 0.66, self._build.seat + 0.06
        box = [(x - 0.22, y), (x + 0.12, y), (x + 0.1, y + 0.26), (x - 0.2, y + 0.26)]
        pen.polygon(box, (50, 52, 56))
        pen.stroke(((x - 0.2, y + 0.14), (x + 0.1, y + 0.14)), 0.02, (170, 40, 40))

    def _draw_scooter_body(self, pen: Pen) -> None:
        x, height = self._middle[0], self._build.seat
        hx, hy = self._head
        pen.stroke(((0.0, self.wheel), (x - 0.1, 0.24)), 0.14, _ENGINE)
        pen.polygon(
            [
                (x + 0.02, 0.2),
                (x - 0.02, height - 0.1),
                (x - 0.6, height - 0.04),
                *curve_points((x - 0.88, height - 0.1), (x - 0.86, 0.32), (x - 0.6, 0.34)),
                (x - 0.3, 0.2),
            ],
            self.paint,
        )
        pen.stroke(((x - 0.05, 0.22), (hx - 0.04, 0.22)), 0.11, scale_brightness(self.paint, 0.8))
        shield = [
            (hx - 0.1, 0.2),
            (hx - 0.06, hy + 0.02),
            (hx + 0.1, hy),
            (hx + 0.1, 0.42),
            (hx + 0.02, 0.2),
        ]
        pen.polygon(shield, self.paint)
        pen.stroke(
            [(x + 0.02, height - 0.02), (x - 0.3, height - 0.05), (x - 0.66, height)],
            0.12,
            self.leather,
        )
        pen.stroke(((x - 0.62, 0.22), (x - 0.92, 0.26)), 0.1, _CHROME)
        pen.disc((x - 0.84, height - 0.16), 0.05, (200, 28, 28))


def _paint(rng: random.Random) -> Color:
    if rng.random() < 0.35:
        return rng.choice(((26, 26, 28), (232, 232, 230), (120, 124, 130), (40, 48, 58)))
    return hsv_to_rgb(rng.random(), rng.uniform(0.6, 1.0), rng.uniform(0.4, 0.92))
