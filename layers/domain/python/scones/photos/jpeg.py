"""Decode JPEG photos, and refuse what libjpeg would show though it is damaged.

libjpeg fills what it can't read with grey or rubbish and reports a warning. Pillow drops warnings;
simplejpeg, which is libjpeg-turbo too, raises them.

Format: ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

import re
from typing import NamedTuple, cast

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from scones.photos.formats import unsupported

MAX_SCANS = 50
"""The most scans. A progressive JPEG has about ten; each costs time in proportion to the pixels
however few bytes it has, and thousands fit in a small file."""

MAX_SEGMENTS = 10_000
"""The most segments. A photo has some dozens, and one for each 64 KB of a profile or metadata."""

_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""Markers other than those within compressed data (B.1.1.3)."""

_SCALES = (1, 2, 4, 8)
"""By what libjpeg divides width and height at no cost."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BASELINE, _SEQUENTIAL, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_START_OF_SCAN, _END = 0xDA, 0xD9

_WHOLE_SCAN = bytes((0, 63, 0))
"""Ss, Se, Ah and Al of a sequential scan (B.2.3). Some cameras write others, which mean nothing."""

_PADDED = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
"""The warning about bytes between the last pixel and the end."""

MAX_PADDING = 64
"""The most such bytes: some cameras pad there, and where zeros took the place of data are more."""


class Frame(NamedTuple):
    """What the headers of a JPEG say.

    Attributes
    ----------
    buffered
        Whether all coefficients must be kept in memory to decode it: a progressive JPEG, or one
        with a scan for each component.
    data
        The file, with the parameters of its scans put right.
    """

    buffered: bool
    data: bytes


def read_frame(jpeg: bytes) -> Frame:
    """Read the headers of a JPEG, and refuse what is not safe to decode.

    Parameters
    ----------
    jpeg
        The file, whole.

    Raises
    ------
    UnusablePhoto
        If it has more than 8 bits a sample, or is lossless: ``unsupported_format``.
    ValueError
        If it has too many scans or segments.
    """
    kind, scans, segments, offset = 0, [], 0, 2
    while (match := _MARKER.search(jpeg, offset)) and match[1][0] != _END:
        marker, body = match[1][0], match.end()
        segments += 1
        if segments > MAX_SEGMENTS:
            raise ValueError(f"more than {MAX_SEGMENTS:,} segments")
        if marker in _FRAMES:
            kind = marker
            _require_supported(marker, jpeg[body + 2 : body + 3])
        if marker == _START_OF_SCAN:
            scans.append(body)
            if len(scans) > MAX_SCANS:
                raise ValueError(f"more than {MAX_SCANS} scans")
        offset = body + int.from_bytes(jpeg[body : body + 2])
    if kind in (_BASELINE, _SEQUENTIAL):
        jpeg = _with_whole_scans(jpeg, scans)
    return Frame(kind == _PROGRESSIVE or len(scans) > 1, jpeg)


def decode_jpeg(
    photo: Image.Image, data: bytes, min_size: int
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Decode a JPEG at the smallest scale that will do.

    Parameters
    ----------
    photo
        Opened by Pillow, not loaded.
    data
        The file, of `Frame`.
    min_size
        Pixels on the longer side that will do.

    Returns
    -------
    PIL.Image.Image
        In mode L, RGB or CMYK.
    tuple of float
        The part of the image that is photo: left, upper, right, lower.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    width, height = photo.size
    factor = max(scale for scale in _SCALES if scale == 1 or max(photo.size) / scale >= min_size)
    small = -(-width // factor), -(-height // factor)
    if photo.mode == "CMYK":  # Pillow knows which programs write it inverted
        _pixels(data, "CMYK", (1, 1))
        drafted = photo.draft(None, small)
        photo.load()
        return photo, drafted[1] if drafted else (0, 0, width, height)
    pixels = _pixels(data, "GRAY" if photo.mode == "L" else "RGB", small)
    return Image.fromarray(pixels), (0, 0, width / factor, height / factor)


def _pixels(data: bytes, colors: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode at the smallest scale that has a size; raise ValueError where libjpeg warns."""
    width, height = size
    try:
        pixels = simplejpeg.decode_jpeg(data, colors, min_width=width, min_height=height)
    except ValueError as error:
        padded = _PADDED.search(str(error))
        if padded is None or int(padded[1]) > MAX_PADDING:
            raise
        pixels = simplejpeg.decode_jpeg(
            data, colors, min_width=width, min_height=height, strict=False
        )
    channels = pixels[:, :, 0] if colors == "GRAY" else pixels
    return cast(NDArray[np.uint8], channels)


def _require_supported(marker: int, precision: bytes) -> None:
    if precision != b"\x08":
        raise unsupported(f"a JPEG file with {int.from_bytes(precision)} bits a sample")
    if marker not in (_BASELINE, _SEQUENTIAL, _PROGRESSIVE):
        raise unsupported("a JPEG file of an unusual kind")


def _with_whole_scans(jpeg: bytes, scans: list[int]) -> bytes:
    """Return a sequential JPEG whose scans say that they have all coefficients."""
    changed = bytearray(jpeg)
    for body in scans:
        end = body + int.from_bytes(jpeg[body : body + 2])
        changed[end - 3 : end] = _WHOLE_SCAN
    return bytes(changed) if changed != jpeg else jpeg
