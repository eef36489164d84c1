"""Take a picture of a subject: find a place, put the subject there, press the shutter."""

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from scones_local.samples.backgrounds import Size, render_background
from scones_local.samples.drawing import Pen, View
from scones_local.samples.subjects import Extent, Subject

# Shapes are drawn this much larger and then reduced, so that their edges are smooth.
_SUPERSAMPLING = 2

# Shadows are blurred, so they are made this much smaller and then enlarged.
_SHADOW_REDUCTION = 4

_ASPECTS = (4 / 3, 4 / 3, 4 / 3, 3 / 2, 3 / 2, 16 / 9, 1.0, 4 / 5, 3 / 4, 2 / 3)


@dataclass(frozen=True)
class _Framing:
    """Where the subject stands in a picture of a given size, in parts of that size."""

    ground: float
    view: View


def choose_size(rng: random.Random, longest: tuple[int, int]) -> Size:
    """Return a width and height, landscape or portrait, whose longest side is within bounds.

    Small sizes are as likely as large ones on a logarithmic scale.
    """
    low, high = longest
    side = round(low * (high / low) ** rng.random())
    aspect = rng.choice(_ASPECTS)
    return (side, round(side / aspect)) if aspect >= 1 else (round(side * aspect), side)


def render_photo(rng: random.Random, subject: Subject, size: Size) -> Image.Image:
    """Return a picture of the subject in a place of any kind.

    Parameters
    ----------
    rng : random.Random
        Where every choice comes from.
    subject : Subject
        What to show.
    size : tuple of int
        Width and height in pixels.

    Returns
    -------
    PIL.Image.Image
        The picture, mode RGB.
    """
    framing = _frame(rng, subject, size)
    background = render_background(rng, size, framing.ground - rng.uniform(0.02, 0.16))
    layer = _draw_subject(rng, subject, framing.view, size)
    image = _with_shadow(rng, background.image, layer.getchannel("A"), subject.extent, framing.view)
    lit = ImageEnhance.Brightness(layer.convert("RGB")).enhance(background.light)
    image.paste(lit, mask=layer.getchannel("A"))
    return _apply_exposure(rng, image)


def _frame(rng: random.Random, subject: Subject, size: Size) -> _Framing:
    width, height = size
    extent = subject.extent
    fill = rng.uniform(0.45, 0.65) if rng.random() < 0.05 else rng.uniform(0.7, 0.98)
    squash = rng.uniform(0.72, 1.0)
    scale = fill * min(width / (extent.width * squash), 0.86 * height / extent.top)
    spare = 0.5 * max(0.0, width - extent.width * squash * scale)
    drift = 1.6 if rng.random() < 0.06 else 0.8
    tall = extent.top * scale / height
    level = min(0.95, 0.5 + 0.5 * tall)
    ground = rng.uniform(level, max(level, min(0.95, level + 0.25)))
    view = View(
        ground=(width / 2 + rng.uniform(-drift, drift) * spare, ground * height),
        scale=scale,
        middle=extent.middle,
        mirrored=rng.random() < 0.5,
        squash=squash,
        depth=rng.uniform(-0.16, 0.16) / extent.width,
        tilt=rng.gauss(0, 3.0),
    )
    return _Framing(ground, view)


def _draw_subject(rng: random.Random, subject: Subject, view: View, size: Size) -> Image.Image:
    """Return the subject alone on a transparent layer."""
    layer = Image.new("RGBA", (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING))
    pen = Pen(layer, view.enlarged(_SUPERSAMPLING))
    subject.draw(pen)
    if rng.random() < 0.06:
        _draw_post(rng, pen, subject)
    return layer.reduce(_SUPERSAMPLING)


def _draw_post(rng: random.Random, pen: Pen, subject: Subject) -> None:
    """Draw a post that hides a part of the subject."""
    extent = subject.extent
    x = rng.uniform(extent.left, extent.right)
    foot, top = (x, -0.05 * extent.top), (x, 1.3 * extent.top)
    pen.stroke((foot, top), rng.uniform(0.03, 0.07) * extent.width, (72, 78, 80))


def _with_shadow(
    rng: random.Random, image: Image.Image, outline: Image.Image, extent: Extent, view: View
) -> Image.Image:
    """Return the place with the shadow of the subject, whose outline is an alpha channel."""
    outline = outline.reduce(_SHADOW_REDUCTION)
    view = view.enlarged(1 / _SHADOW_REDUCTION)
    shadow = _project_shadow(rng, outline, view)
    if outline.getbbox():
        foot = [view.pixel((x, 0.0)) for x in (extent.left, extent.right)]
        ImageDraw.Draw(shadow).line(foot, fill=200, width=round(0.03 * outline.height) + 1)
    shadow = shadow.filter(ImageFilter.GaussianBlur(rng.uniform(0.004, 0.016) * max(shadow.size)))
    strength = rng.uniform(0.15, 0.6)
    mask = shadow.point([round(value * strength) for value in range(256)])
    image.paste((16, 16, 20), mask=mask.resize(image.size))
    return image


def _project_shadow(rng: random.Random, outline: Image.Image, view: View) -> Image.Image:
    """Return the outline turned down at the line of its feet, flattened and leaning."""
    lean, steepness = rng.uniform(-1.5, 1.5), 1 / rng.uniform(0.06, 0.22)
    slope = -math.tan(math.radians(view.tilt))
    foot = view.ground[1] - slope * view.ground[0]
    where_from = (
        1 - lean * slope,
        lean,
        -lean * foot,
        slope * (1 + steepness),
        -steepness,
        foot * (1 + steepness),
    )
    return outline.transform(outline.size, Image.Transform.AFFINE, where_from)


def _apply_exposure(rng: random.Random, image: Image.Image) -> Image.Image:
    """Return what a camera makes of it: exposure, color cast, blur and noise."""
    image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.75, 1.15))
    image = ImageEnhance.Color(image).enhance(0.0 if rng.random() < 0.05 else rng.uniform(0.6, 1.2))
    blur = rng.uniform(0.004, 0.009) if rng.random() < 0.08 else rng.uniform(0.0, 0.0025)
    image = image.filter(ImageFilter.GaussianBlur(blur * max(image.size)))
    exposure = rng.uniform(0.75, 1.15)
    cast = [exposure * rng.uniform(0.94, 1.06) for _ in range(3)]
    noise = np.random.RandomState(rng.getrandbits(32)).standard_normal(
        (image.height, image.width, 1)
    )
    grain = rng.choice((1.5, 3.0, 5.0, 9.0))
    pixels = np.asarray(image, dtype=np.float32) * np.array(cast, dtype=np.float32)
    pixels += noise.astype(np.float32) * np.float32(grain)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
