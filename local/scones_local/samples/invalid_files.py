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
from scones_local.samples.rendering import choose_size, take_picture


@dataclass(frozen=True)
class NotPhoto:
    """A kind of file that cannot be read as a photo."""

    name: str
    suffix: str
    write: Callable[[random.Random], bytes]


def _text(_: random.Random) -> bytes:
    return b"Parked at loading bay A, the photo follows.\n"


def _truncated_jpeg(rng: random.Random) -> bytes:
    """Return a JPEG of which a third arrived."""
    picture = take_picture(rng, OTHERS["house"](rng), choose_size(rng, (400, 800)))
    whole = plain_jpeg(picture, rng)
    return whole[: len(whole) // 3]


def _truncated_png(rng: random.Random) -> bytes:
    picture = take_picture(rng, OTHERS["car"](rng), choose_size(rng, (240, 400)))
    whole = plain_png(picture, rng)
    return whole[: len(whole) // 2]


def _pdf(_: random.Random) -> bytes:
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(20_000)


def _web_page(_: random.Random) -> bytes:
    return b"<!doctype html><title>403</title><p>The picture has moved.\n"


def _drawing(_: random.Random) -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>\n'


def _bomb(_: random.Random) -> bytes:
    """Return a PNG of a few bytes whose header announces 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


NOT_PHOTOS = (
    NotPhoto("text", ".jpg", _text),
    NotPhoto("truncated JPEG", ".jpg", _truncated_jpeg),
    NotPhoto("PDF", ".jpg", _pdf),
    NotPhoto("random bytes", ".png", _noise),
    NotPhoto("decompression bomb", ".png", _bomb),
    NotPhoto("truncated PNG", ".png", _truncated_png),
    NotPhoto("web page", ".jpeg", _web_page),
    NotPhoto("SVG drawing", ".svg", _drawing),
)
