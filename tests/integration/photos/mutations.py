"""Photos of every format, mutated part by part: segments, chunks, blocks, boxes and tags."""

import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise

from PIL import Image

from tests.unit.scones.photos.samples import HEIC, quadrants

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)
MOST_COPIES = 2000
MOST_BYTES = 20_000_000
"""The most bytes of a repeated part, as many as an upload may have by default."""

Parts = list[bytes]


def seeds() -> dict[str, bytes]:
    """Return a small photo of each kind that decoders treat differently."""
    rgb, grey = quadrants(), quadrants().convert("L")
    alpha = rgb.convert("RGBA")
    alpha.putalpha(grey)
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = {"save_all": True, "append_images": [rgb.rotate(90)], "duration": 40}
    return {
        "JPEG": _saved(rgb, "JPEG", exif=exif, comment=b"c", icc_profile=b"p" * 300),
        "JPEG progressive": _saved(rgb, "JPEG", progressive=True),
        "JPEG CMYK": _saved(rgb.convert("CMYK"), "JPEG", restart_marker_rows=1),
        "MPO": _saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        "PNG": _saved(rgb, "PNG", exif=exif, icc_profile=b"p" * 300),
        "PNG palette": _saved(rgb.quantize(16), "PNG", transparency=3),
        "PNG 16 bits": _saved(grey.convert("I;16"), "PNG", transparency=0),
        "GIF": _saved(rgb, "GIF", comment=b"c" * 300, **frames),
        "BMP": _saved(alpha, "BMP"),
        "BMP palette": _saved(rgb.quantize(16), "BMP"),
        "TIFF": _saved(rgb, "TIFF", compression="tiff_lzw", description="d", icc_profile=b"p"),
        "TIFF deflate": _saved(grey.convert("I;16"), "TIFF", compression="tiff_adobe_deflate"),
        "TIFF floats": _saved(grey.convert("F"), "TIFF"),
        "BigTIFF": _saved(rgb, "TIFF", big_tiff=True),
        "WebP": _saved(alpha, "WEBP", exif=exif),
        "WebP lossless": _saved(alpha, "WEBP", lossless=True, **frames),
        **{f"HEIC {path.stem}": path.read_bytes() for path in sorted(HEIC.glob("*.heic"))},
    }


def mutated(name: str, photo: bytes, rng: random.Random) -> bytes:
    """Change one to four things in a photo.

    Parameters
    ----------
    name
        Of `seeds`.
    photo
        The file.
    rng
        What decides; the same gives the same.
    """
    for _ in range(rng.randint(1, 4)):
        parts = list(_parts(name, photo)) or [photo]
        photo = b"".join(rng.choice(_MUTATIONS)(parts, rng))
        if name.startswith("PNG") and rng.random() < 0.8:  # else decoders stop at the checksum
            photo = _with_checksums(photo)
    return photo


def _saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def _parts(name: str, photo: bytes) -> Iterator[bytes]:
    offsets = sorted({0, len(photo), *_offsets(name, photo)})
    return (photo[start:end] for start, end in pairwise(offsets))


def _offsets(name: str, photo: bytes) -> Iterator[int]:
    """Yield where parts of a photo begin, as far as it can still be read."""
    if name.startswith(("JPEG", "MPO")):
        yield from (found.start() for found in re.finditer(rb"\xff[\xc0-\xfe]", photo))
    elif name.startswith("PNG"):
        yield from _walk(photo, 8, ">I", 0, 12)
    elif name.startswith("WebP"):
        yield from _walk(photo, 12, "<I", 4, 8)
    elif name.startswith("HEIC"):
        yield from (found.start() - 4 for found in re.finditer(_BOXES, photo))
    elif name.startswith("GIF"):
        yield from (found.start() for found in re.finditer(rb"!\xf9|!\xfe|!\xff|,", photo))
    elif name.startswith(("TIFF", "BigTIFF")):
        yield from _tags(photo, big=name == "BigTIFF")
    else:
        yield from (2, 14, 18, 22, 26, 28, 30, 34, 54)


_BOXES = rb"ftyp|meta|hdlr|pitm|iinf|infe|iloc|iprp|ipco|ipma|hvcC|ispe|colr|pixi|iref|idat|mdat"


def _walk(photo: bytes, at: int, size: str, where: int, extra: int) -> Iterator[int]:
    while at + 8 <= len(photo):
        yield at
        (length,) = struct.unpack_from(size, photo, at + where)
        at += extra + length


def _tags(photo: bytes, *, big: bool) -> Iterator[int]:
    layout = ("<Q", 8, "<Q", 8, 20) if big else ("<I", 4, "<H", 2, 12)
    offset, at, count, width, entry = layout
    if len(photo) < at + 8:
        return
    (start,) = struct.unpack_from(offset, photo, at)
    if start + width > len(photo):
        return
    (tags,) = struct.unpack_from(count, photo, start)
    yield from (start + width + entry * number for number in range(min(tags, 100) + 1))


def _drop(parts: Parts, rng: random.Random) -> Parts:
    del parts[rng.randrange(len(parts))]
    return parts


def _repeat(parts: Parts, rng: random.Random) -> Parts:
    at = rng.randrange(len(parts))
    copies = rng.choice((2, 3, 50, MOST_COPIES))
    parts[at] *= max(1, min(copies, MOST_BYTES // (len(parts[at]) or 1)))
    return parts


def _swap(parts: Parts, rng: random.Random) -> Parts:
    one, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[one], parts[other] = parts[other], parts[one]
    return parts


def _cut(parts: Parts, rng: random.Random) -> Parts:
    at = rng.randrange(len(parts))
    return [*parts[:at], parts[at][: rng.randrange(len(parts[at]) + 1)]]


def _fill(parts: Parts, rng: random.Random) -> Parts:
    """Put the same byte over a run of bytes."""
    at = rng.randrange(len(parts))
    part = bytearray(parts[at])
    if part:
        start = rng.randrange(len(part))
        end = min(len(part), start + rng.choice((1, 2, 4, 8, 100)))
        part[start:end] = bytes([rng.choice(EXTREMES)]) * (end - start)
    parts[at] = bytes(part)
    return parts


def _scramble(parts: Parts, rng: random.Random) -> Parts:
    at = rng.randrange(len(parts))
    part = bytearray(parts[at])
    for _ in range(rng.choice((1, 1, 4, 30)) if part else 0):
        part[rng.randrange(len(part))] = rng.randrange(256)
    parts[at] = bytes(part)
    return parts


def _insert(parts: Parts, rng: random.Random) -> Parts:
    parts.insert(rng.randrange(len(parts) + 1), rng.randbytes(rng.choice((1, 2, 16, 4000))))
    return parts


_MUTATIONS: tuple[Callable[[Parts, random.Random], Parts], ...] = (
    *(_drop, _repeat, _swap, _cut, _insert),
    *(_fill, _fill, _scramble, _scramble, _scramble),
)


def _with_checksums(png: bytes) -> bytes:
    changed = bytearray(png)
    for at in _walk(png, 8, ">I", 0, 12):
        end = at + 8 + struct.unpack_from(">I", png, at)[0]
        if end + 4 > len(png):
            break
        changed[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4)
    return bytes(changed)
