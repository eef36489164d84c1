"""Where a picture is taken: street, wall, park, beach, studio, and a street at night."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from scones_local.samples.drawing import Color, hsv_to_rgb, scale_brightness

Size = tuple[int, int]

# Sky, ground and their mottling need no detail: they are made this small, then enlarged.
_NOISE_SCALE = 96


@dataclass(frozen=True)
class Background:
    """An empty place.

    Parameters
    ----------
    image : PIL.Image.Image
        The place, mode RGB.
    light : float
        Light that falls on whatever stands there, 1 by day.
    """

    image: Image.Image
    light: float


def render_background(rng: random.Random, size: Size, horizon: float) -> Background:
    """Return a place of any kind.

    Parameters
    ----------
    rng : random.Random
        Where every choice comes from.
    size : tuple of int
        Width and height in pixels.
    horizon : float
        Height at which the ground ends, as a part of the picture's height from its top.
    """
    build, light = rng.choice(_BACKGROUNDS)
    image = build(rng, size, round(horizon * size[1]))
    softness = rng.uniform(0.0008, 0.005) * max(size)
    return Background(image.filter(ImageFilter.GaussianBlur(softness)), rng.uniform(*light))


def _ground_and_sky(
    rng: random.Random, size: Size, horizon: int, sky: tuple[Color, Color], ground: Color
) -> Image.Image:
    """Return two gradients, one above and one below the horizon, both a little mottled."""
    width, height = size
    coarse = max(2, round(_NOISE_SCALE * height / max(size)))
    split = min(coarse - 1, max(1, round(coarse * horizon / height)))
    rows = np.empty((coarse, 3))
    rows[:split] = _gradient(sky[0], sky[1], split)
    rows[split:] = _gradient(
        scale_brightness(ground, 0.82), scale_brightness(ground, 1.1), coarse - split
    )
    columns = max(2, round(_NOISE_SCALE * width / max(size)))
    noise = np.random.RandomState(rng.getrandbits(32))
    mottle = noise.normal(size=(coarse, columns, 1))
    mottle[:split] *= rng.uniform(0, 4)
    mottle[split:] *= rng.uniform(2, 12)
    pixels = np.clip(rows[:, np.newaxis] + mottle, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def _gradient(start: Color, end: Color, steps: int) -> npt.NDArray[np.float64]:
    return np.linspace(np.array(start, dtype=float), np.array(end, dtype=float), steps)


def _daylight(rng: random.Random) -> tuple[Color, Color]:
    if rng.random() < 0.4:
        gray = rng.uniform(0.62, 0.88)
        return hsv_to_rgb(0.6, 0.04, gray), hsv_to_rgb(0.6, 0.02, min(1.0, gray + 0.1))
    return hsv_to_rgb(rng.uniform(0.54, 0.62), rng.uniform(0.35, 0.7), 0.92), hsv_to_rgb(
        0.56, 0.12, 0.97
    )


def _asphalt(rng: random.Random) -> Color:
    return hsv_to_rgb(rng.uniform(0.05, 0.65), rng.uniform(0, 0.12), rng.uniform(0.32, 0.66))


def _street(rng: random.Random, size: Size, horizon: int) -> Image.Image:
    image = _ground_and_sky(rng, size, horizon, _daylight(rng), _asphalt(rng))
    lit, dark = hsv_to_rgb(0.55, 0.2, 0.78), hsv_to_rgb(0.6, 0.2, 0.45)
    _draw_houses(rng, image, horizon, (0.35, 0.9), (lit, dark, dark))
    _draw_road(rng, image, horizon)
    return image


def _night(rng: random.Random, size: Size, horizon: int) -> Image.Image:
    sky = hsv_to_rgb(0.64, 0.6, 0.1), hsv_to_rgb(0.66, 0.5, rng.uniform(0.16, 0.3))
    image = _ground_and_sky(rng, size, horizon, sky, hsv_to_rgb(0.62, 0.15, rng.uniform(0.2, 0.34)))
    _draw_houses(rng, image, horizon, (0.06, 0.2), ((250, 214, 130), (40, 44, 60), (30, 32, 44)))
    _draw_road(rng, image, horizon)
    return _with_lamps(rng, image, horizon)


def _draw_houses(
    rng: random.Random,
    image: Image.Image,
    horizon: int,
    brightness: tuple[float, float],
    windows: tuple[Color, ...],
) -> None:
    draw = ImageDraw.Draw(image)
    left = -rng.uniform(0, 0.2) * image.width
    while left < image.width:
        right = left + rng.uniform(0.14, 0.4) * image.width
        top = horizon * rng.uniform(0.0, 0.75)
        wall = hsv_to_rgb(rng.uniform(0.02, 0.14), rng.uniform(0.05, 0.5), rng.uniform(*brightness))
        draw.rectangle((left, top, right, horizon), fill=wall)
        _draw_windows(rng, draw, (left, top, right, float(horizon)), windows)
        left = right + rng.choice((0.0, 0.0, 0.04)) * image.width


def _draw_windows(
    rng: random.Random,
    draw: ImageDraw.ImageDraw,
    wall: tuple[float, float, float, float],
    colors: tuple[Color, ...],
) -> None:
    left, top, right, bottom = wall
    columns, rows = rng.randint(2, 4), rng.randint(2, 4)
    across, down = (right - left) / columns, (bottom - top) / rows
    for column in range(columns):
        for row in range(rows):
            x, y = left + across * (column + 0.28), top + down * (row + 0.25)
            draw.rectangle((x, y, x + across * 0.44, y + down * 0.5), fill=rng.choice(colors))


def _draw_road(rng: random.Random, image: Image.Image, horizon: int) -> None:
    draw = ImageDraw.Draw(image)
    depth = image.height - horizon
    curb = horizon + depth * rng.uniform(0.05, 0.2)
    draw.rectangle(
        (0, curb, image.width, curb + depth * 0.05),
        fill=hsv_to_rgb(0.1, 0.03, rng.uniform(0.4, 0.75)),
    )
    if rng.random() < 0.4:
        line, dash = horizon + depth * rng.uniform(0.5, 0.9), image.width / rng.randint(3, 6)
        start = -dash * rng.random()
        while start < image.width:
            draw.rectangle(
                (start, line, start + dash * 0.55, line + depth * 0.06), fill=(222, 220, 208)
            )
            start += dash


def _with_lamps(rng: random.Random, image: Image.Image, horizon: int) -> Image.Image:
    """Return the picture with street lamps and the glow around them."""
    small = (max(1, image.width // 4), max(1, image.height // 4))
    glow = Image.new("L", small)
    draw = ImageDraw.Draw(glow)
    for _ in range(rng.randint(1, 3)):
        x, y = rng.random() * small[0], rng.uniform(0.1, 0.7) * horizon / 4
        radius = rng.uniform(0.02, 0.05) * max(small)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    glow = glow.filter(ImageFilter.GaussianBlur(max(small) * 0.03)).resize(image.size)
    image.paste((255, 226, 160), mask=glow)
    return image


def _wall(rng: random.Random, size: Size, horizon: int) -> Image.Image:
    color = hsv_to_rgb(
        rng.choice((0.02, 0.04, 0.1, 0.12, 0.58)), rng.uniform(0.05, 0.5), rng.uniform(0.4, 0.9)
    )
    image = _ground_and_sky(
        rng, size, horizon, (scale_brightness(color, 0.92), color), _asphalt(rng)
    )
    draw = ImageDraw.Draw(image)
    joint = scale_brightness(color, rng.choice((0.72, 0.84, 1.2)))
    course = max(size) / rng.randint(14, 30)
    width = max(1, round(course * 0.1))
    kind = rng.choice(("bricks", "planks", "plaster"))
    if kind == "bricks":
        _draw_bricks(draw, (size[0], horizon), course, width, joint)
    elif kind == "planks":
        for number in range(int(size[0] / course) + 1):
            x = number * course
            draw.line((x, 0, x, horizon), fill=joint, width=width)
    return image


def _draw_bricks(
    draw: ImageDraw.ImageDraw, area: Size, course: float, width: int, joint: Color
) -> None:
    brick = course * 2.2
    for row in range(int(area[1] / course) + 1):
        low = area[1] - row * course
        draw.line((0, low, area[0], low), fill=joint, width=width)
        for number in range(int(area[0] / brick) + 2):
            x = (number - 0.5 * (row % 2)) * brick
            draw.line((x, low - course, x, low), fill=joint, width=width)


def _park(rng: random.Random, size: Size, horizon: int) -> Image.Image:
    grass = hsv_to_rgb(rng.uniform(0.2, 0.32), rng.uniform(0.35, 0.7), rng.uniform(0.35, 0.68))
    image = _ground_and_sky(rng, size, horizon, _daylight(rng), grass)
    draw = ImageDraw.Draw(image)
    leaves = hsv_to_rgb(rng.uniform(0.2, 0.36), rng.uniform(0.35, 0.65), rng.uniform(0.2, 0.5))
    for _ in range(rng.randint(0, 5)):
        x, crown = rng.random() * size[0], rng.uniform(0.25, 0.8) * horizon
        trunk = 0.014 * size[0]
        draw.rectangle((x - trunk, horizon - crown, x + trunk, horizon), fill=(84, 62, 46))
        for _ in range(5):
            _draw_blob(
                draw, x + rng.gauss(0, 0.2) * crown, horizon - crown, crown * 0.4, leaves, rng
            )
    if rng.random() < 0.6:
        for _ in range(14):
            _draw_blob(draw, rng.random() * size[0], horizon, 0.07 * max(size), leaves, rng)
    draw.rectangle(
        (0, horizon + 0.01 * size[1], size[0], horizon + 0.07 * size[1]),
        fill=scale_brightness(grass, 0.9),
    )
    return image


def _draw_blob(
    draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, color: Color, rng: random.Random
) -> None:
    radius *= rng.uniform(0.6, 1.1)
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse(box, fill=scale_brightness(color, rng.uniform(0.75, 1.2)))


def _beach(rng: random.Random, size: Size, horizon: int) -> Image.Image:
    sand = hsv_to_rgb(rng.uniform(0.09, 0.13), rng.uniform(0.2, 0.45), rng.uniform(0.7, 0.92))
    sky = _daylight(rng)
    if rng.random() < 0.35:
        sky = hsv_to_rgb(0.7, 0.35, 0.6), hsv_to_rgb(0.07, 0.6, 0.98)
    image = _ground_and_sky(rng, size, horizon, sky, sand)
    draw = ImageDraw.Draw(image)
    sea = hsv_to_rgb(rng.uniform(0.5, 0.6), rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.7))
    draw.rectangle((0, horizon - 0.1 * size[1], size[0], horizon), fill=sea)
    return image


def _studio(rng: random.Random, size: Size, horizon: int) -> Image.Image:
    color = hsv_to_rgb(rng.random(), rng.choice((0.0, 0.0, 0.15, 0.4)), rng.uniform(0.5, 1.0))
    return _ground_and_sky(
        rng, size, horizon, (scale_brightness(color, 0.95), color), scale_brightness(color, 0.9)
    )


_Builder = Callable[[random.Random, Size, int], Image.Image]

_BACKGROUNDS: tuple[tuple[_Builder, tuple[float, float]], ...] = (
    (_street, (0.85, 1.1)),
    (_street, (0.85, 1.1)),
    (_wall, (0.8, 1.1)),
    (_wall, (0.8, 1.1)),
    (_park, (0.85, 1.1)),
    (_beach, (0.9, 1.15)),
    (_studio, (0.9, 1.1)),
    (_night, (0.65, 0.9)),
)
