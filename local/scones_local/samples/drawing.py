"""Draw lines and shapes given in meters onto a picture, as seen from some point of view."""

import colorsys
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from PIL import Image, ImageDraw

Point = tuple[float, float]
Color = tuple[int, int, int]

_FULL_TURN = 2 * math.pi


def hsv_to_rgb(hue: float, saturation: float, value: float) -> Color:
    """Return the 8-bit RGB color of a hue, saturation and value in [0, 1]; a hue may wrap."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def scale_brightness(color: Color, factor: float) -> Color:
    """Return the color made darker (factor below 1) or lighter (above 1)."""
    red, green, blue = (min(255, round(channel * factor)) for channel in color)
    return red, green, blue


def arc_points(
    center: Point, radius: float, start: float, end: float, steps: int = 24
) -> list[Point]:
    """Return points along a circle, from one angle to another, in degrees anticlockwise."""
    angles = (math.radians(start + (end - start) * i / steps) for i in range(steps + 1))
    return [(center[0] + radius * math.cos(a), center[1] + radius * math.sin(a)) for a in angles]


def curve_points(start: Point, control: Point, end: Point, steps: int = 12) -> list[Point]:
    """Return points along a quadratic Bézier curve."""
    parts = [i / steps for i in range(steps + 1)]
    return [
        (
            (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * control[0] + t**2 * end[0],
            (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * control[1] + t**2 * end[1],
        )
        for t in parts
    ]


def interpolate(start: Point, end: Point, part: float) -> Point:
    """Return the point that lies `part` of the way from start to end."""
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


@dataclass(frozen=True)
class View:
    """How meters become pixels.

    Parameters
    ----------
    ground : Point
        Pixel on which the middle of the subject stands.
    scale : float
        Pixels in a metre.
    middle : float
        The subject's own x, in meters, that is put on `ground`.
    mirrored : bool
        Whether the subject faces left instead of right.
    squash : float
        Width kept when seen from an angle, in (0, 1].
    depth : float
        How much smaller the far end is, per metre; 0 is a view straight from the side.
    tilt : float
        Rotation of the camera in degrees.
    """

    ground: Point
    scale: float
    middle: float
    mirrored: bool = False
    squash: float = 1.0
    depth: float = 0.0
    tilt: float = 0.0

    def enlarged(self, factor: float) -> Self:
        """Return the same view on a picture whose sides are `factor` times as long."""
        ground = (self.ground[0] * factor, self.ground[1] * factor)
        return replace(self, ground=ground, scale=self.scale * factor)

    def pixel(self, point: Point) -> Point:
        """Return where a point (meters, y upwards from the ground) lies in the picture."""
        x, y = point[0] - self.middle, point[1]
        nearness = 1 / (1 + self.depth * x)
        x, y = x * nearness * self.squash, y * nearness
        if self.mirrored:
            x = -x
        cosine, sine = math.cos(math.radians(self.tilt)), math.sin(math.radians(self.tilt))
        return (
            self.ground[0] + self.scale * (x * cosine - y * sine),
            self.ground[1] - self.scale * (x * sine + y * cosine),
        )


class Pen:
    """Draws on one picture through one view; every measure is in meters.

    Parameters
    ----------
    image : PIL.Image.Image
        Picture to draw on, mode RGB or RGBA.
    view : View
        How meters become pixels.
    """

    def __init__(self, image: Image.Image, view: View) -> None:
        self._draw = ImageDraw.Draw(image)
        self._view = view

    def polygon(self, points: Iterable[Point], color: Color) -> None:
        """Fill the shape that the points enclose."""
        self._draw.polygon([self._view.pixel(point) for point in points], fill=color)

    def stroke(self, points: Sequence[Point], width: float, color: Color) -> None:
        """Draw a line through the points, with round ends."""
        pixels = [self._view.pixel(point) for point in points]
        thickness = max(1.0, width * self._view.scale)
        self._draw.line(pixels, fill=color, width=round(thickness), joint="curve")
        if thickness > 3:
            for pixel in (pixels[0], pixels[-1]):
                self._draw.circle(pixel, thickness / 2, fill=color)

    def disc(self, center: Point, radius: float, color: Color) -> None:
        """Fill a circle."""
        self.polygon(arc_points(center, radius, 0, 360, 40), color)

    def ring(self, center: Point, radius: float, width: float, color: Color) -> None:
        """Draw a circle whose outer edge has the radius."""
        self.stroke(arc_points(center, radius - width / 2, 0, 360, 48), width, color)

    def spokes(
        self, center: Point, reach: tuple[float, float], count: int, width: float, color: Color
    ) -> None:
        """Draw evenly spread spokes from an inner to an outer radius."""
        for i in range(count):
            angle = _FULL_TURN * (i + 0.3) / count
            inner, outer = (
                (center[0] + r * math.cos(angle), center[1] + r * math.sin(angle)) for r in reach
            )
            self.stroke((inner, outer), width, color)
