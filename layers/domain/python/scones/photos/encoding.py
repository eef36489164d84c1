"""A picture as bytes that fit where they are sent."""

from bisect import bisect_right
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from PIL import Image

_JPEG_CHOICES = (("4:4:4", range(75, 96)), ("4:2:0", range(1, 96)))
"""Chroma subsampling and the qualities to try with it, the better picture first."""


@dataclass(frozen=True)
class EncodedImage:
    """A picture as bytes, and what they are."""

    content_type: Literal["image/png", "image/jpeg"]
    data: bytes


def encode(image: Image.Image, max_bytes: int) -> EncodedImage:
    """Write a picture so that it fits in a number of bytes, losing as little as possible.

    PNG if that fits; otherwise the JPEG of the highest quality that does, with the colours at
    full resolution while that leaves a quality of 75, at half of it below.

    Parameters
    ----------
    image
        A picture of mode RGB.
    max_bytes
        The most bytes it may take.

    Returns
    -------
    EncodedImage
        The pixels and nothing else; the same bytes for the same picture.

    Raises
    ------
    ValueError
        If the picture is not RGB, or not even the worst JPEG fits.
    """
    if image.mode != "RGB":
        raise ValueError(f"a picture of mode {image.mode} can't be encoded: prepare makes RGB")
    bare = Image.new("RGB", image.size)  # Pillow writes some of what an image's info holds
    bare.paste(image)
    png = _saved(bare, "PNG")
    if len(png) <= max_bytes:
        return EncodedImage("image/png", png)
    for subsampling, qualities in _JPEG_CHOICES:
        jpeg = _best_jpeg(bare, max_bytes, subsampling, qualities)
        if jpeg:
            return EncodedImage("image/jpeg", jpeg)
    smallest = len(_saved(bare, "JPEG", quality=1, subsampling="4:2:0"))
    raise ValueError(
        f"a picture of {image.width} x {image.height} pixels takes {smallest:,} bytes at the "
        f"lowest quality, and {max_bytes:,} are allowed: choose a smaller image shape"
    )


def _best_jpeg(
    image: Image.Image, max_bytes: int, subsampling: str, qualities: range
) -> bytes | None:
    def jpeg(quality: int) -> bytes:
        # Standard Huffman tables: Pillow fails to optimise them for pictures as busy as noise.
        return _saved(image, "JPEG", quality=quality, subsampling=subsampling)

    fitting = bisect_right(qualities, max_bytes, key=lambda quality: len(jpeg(quality)))
    return jpeg(qualities[fitting - 1]) if fitting else None


def _saved(image: Image.Image, format_name: str, **options: int | str) -> bytes:
    file = BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()
