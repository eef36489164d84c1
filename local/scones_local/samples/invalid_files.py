"""Files that look like photos by their name and are none.

An empty object is missing on purpose: the bucket's rule lets only objects with
content start the machine, so an empty one never ends in any status.
"""

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from scones_local.samples.encodings import plain_jpeg, plain_png
from scones_local.samples.other_subjects import OTHERS
from scones_local.samples.rendering import choose_size, render_photo


@dataclass(frozen=True)
class InvalidFile:
    """A kind of file that cannot be read as a photo."""

    name: str
    suffix: str
    write: Callable[[random.Random], bytes]


def _text(_: random.Random) -> bytes:
    return b"Parked at loading bay A, the photo follows.\n"


def _truncated_jpeg(rng: random.Random) -> bytes:
    """Return a JPEG of which a third arrived."""
    image = render_photo(rng, OTHERS["house"](rng), choose_size(rng, (400, 800)))
    content = plain_jpeg(image, rng)
    return content[: len(content) // 3]


def _truncated_png(rng: random.Random) -> bytes:
    image = render_photo(rng, OTHERS["car"](rng), choose_size(rng, (240, 400)))
    content = plain_png(image, rng)
    return content[: len(content) // 2]


def _pdf(_: random.Random) -> bytes:
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(20_000)


def _web_page(_: random.Random) -> bytes:
    return b"<!doctype html><title>403</title><p>The picture has moved.\n"


def _drawing(_: random.Random) -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>\n'


def _decompression_bomb(_: random.Random) -> bytes:
    """Return a PNG of a few bytes whose header announces 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


INVALID_FILES = (
    InvalidFile("text", ".jpg", _text),
    InvalidFile("truncated JPEG", ".jpg", _truncated_jpeg),
    InvalidFile("PDF", ".jpg", _pdf),
    InvalidFile("random bytes", ".png", _noise),
    InvalidFile("decompression bomb", ".png", _decompression_bomb),
    InvalidFile("truncated PNG", ".png", _truncated_png),
    InvalidFile("web page", ".jpeg", _web_page),
    InvalidFile("SVG drawing", ".svg", _drawing),
)
