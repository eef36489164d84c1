"""Photos made for the tests of scones.photos."""

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from PIL import Image

Colour = tuple[int, ...]

HEIC = Path(__file__).parent / "heic"

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)
GREY = (128, 128, 128)

CORNERS = {
    ("top", "left"): RED,
    ("top", "right"): GREEN,
    ("bottom", "left"): BLUE,
    ("bottom", "right"): WHITE,
}


FOUR = (RED, GREEN, BLUE, WHITE)


def quadrants(
    width: int = 96, height: int = 64, corners: Sequence[Any] = FOUR, mode: str = "RGB"
) -> Image.Image:
    """An image of four colours: top left, top right, bottom left, bottom right."""
    image = Image.new(mode, (width, height))
    half_width, half_height = width // 2, height // 2
    starts = ((0, 0), (half_width, 0), (0, half_height), (half_width, half_height))
    for colour, (x, y) in zip(corners, starts, strict=True):
        image.paste(colour, (x, y, x + half_width, y + half_height))
    return image


def corners_of(image: Image.Image) -> tuple[Colour, ...]:
    """The colours in the middle of an image's four quadrants, as quadrants() takes them."""
    xs, ys = (image.width // 4, image.width * 3 // 4), (image.height // 4, image.height * 3 // 4)
    return tuple(colour_at(image, x, y) for y in ys for x in xs)


def colour_at(image: Image.Image, x: int, y: int) -> Colour:
    return cast(Colour, image.getpixel((x, y)))


def extrema(image: Image.Image) -> list[tuple[int, int]]:
    """The darkest and the brightest value of each band."""
    return [cast(tuple[int, int], band.getextrema()) for band in image.split()]


def written(image: Image.Image, format_name: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def png(
    width: int,
    height: int,
    bit_depth: int,
    colour_type: int,
    rows: Iterable[bytes],
    *chunks: tuple[bytes, bytes],
) -> bytes:
    """A PNG of rows of raw samples, with further chunks (type, data) before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def tiff(tags: dict[int, tuple[int, list[int]]], pixels: bytes = b"") -> bytes:
    """A little-endian TIFF of one frame: {tag: (type, values)}, and its pixels at offset 8.

    The types are TIFF's: 3 is a 16-bit, 4 a 32-bit number.
    """
    directory = 8 + len(pixels)
    values_at = directory + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}{'HI'[kind - 3]}", *numbers)
        if len(packed) > 4:
            packed, values = struct.pack("<I", values_at + len(values)), values + packed
        entries += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    count, end = struct.pack("<H", len(tags)), struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", directory) + pixels + count + entries + end + values


def rgb_tiff(
    width: int,
    height: int,
    pixels: bytes,
    bits: int = 8,
    tags: Mapping[int, tuple[int, list[int]]] = MappingProxyType({}),
) -> bytes:
    """Tags and pixels of an uncompressed RGB TIFF."""
    return tiff(
        {
            256: (4, [width]),
            257: (4, [height]),
            258: (3, [bits] * 3),
            259: (3, [1]),
            262: (3, [2]),
            273: (4, [8]),
            277: (3, [3]),
            278: (4, [height]),
            279: (4, [len(pixels)]),
            **tags,
        },
        pixels,
    )


def tall_jpeg(width: int, height: int) -> bytes:
    """Make a large JPEG of one row of blocks, repeated with restart markers between."""
    file = BytesIO()
    row = np.random.default_rng(0).integers(100, 150, (16, width), dtype=np.uint8)
    Image.fromarray(row).save(file, "JPEG", restart_marker_rows=1)
    jpeg = file.getvalue()
    start = jpeg.index(b"\xff\xda") + 10
    first, second = jpeg[start:-2].split(b"\xff\xd0")
    rows = b"".join(
        (first, second)[number % 2] + bytes((0xFF, 0xD0 + number % 8))
        for number in range(height // 8)
    )
    head = bytearray(jpeg[:start])
    size = head.index(b"\xff\xc0") + 5
    head[size : size + 2] = height.to_bytes(2)
    return bytes(head) + rows[:-2] + b"\xff\xd9"
