"""What the TIFF decoder may see of a TIFF: the tags of the first image's pixels.

Format: TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and BigTIFF,
https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from scones.photos.formats import unsupported

MAX_TAGS = 4096
"""The most tags of an image; photos have about 30."""

MAX_PARTS = 100_000
"""The most strips or tiles. One strip a row makes fewer than 65,536; each costs time and memory
however few bytes it has."""

_NEW_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _STRIPS = 254, 258, 262, 273
_SAMPLES, _PLANAR, _TILES, _SAMPLE_FORMAT, _DNG_VERSION = 277, 284, 324, 339, 50706

_NEEDED = frozenset(
    {
        *range(254, 260),  # sub-file type, width, length, bits, compression
        *(262, 263, 266, 273, 274, 277, 278, 279, 284),  # samples, strips, orientation, planes
        *(282, 283, 292, 293, 296),  # resolution, and options of fax compression
        *(317, 320, 322, 323, 324, 325),  # predictor, palette, tiles
        *(332, 334, 338, 339, 347),  # inks, alpha, sample format, JPEG tables
        *range(512, 522),  # JPEG of TIFF 6.0
        *(529, 530, 531, 532),  # YCbCr
        34675,  # ICC profile
    }
)
_HIDDEN = 0xFFFF
"""A tag that no decoder knows."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by field type; of integers only."""

UNSIGNED, SIGNED, FLOATING, UNDEFINED = 1, 2, 3, 4
"""Values of SampleFormat."""


class Samples(NamedTuple):
    """How the pixels of a TIFF are stored.

    Attributes
    ----------
    bits
        Bits of each sample.
    form
        SampleFormat (tag 339): 1 unsigned, 2 signed, 3 floating point, 4 undefined.
    white_is_zero
        Whether 0 is white.
    """

    bits: int
    form: int
    white_is_zero: bool


@dataclass(frozen=True)
class _Tag:
    at: int
    kind: int
    count: int
    value: int


class _Layout(NamedTuple):
    """Where things are in a TIFF, which is of 32 or of 64 bits.

    Attributes
    ----------
    order
        ``<`` or ``>``, as for `struct`.
    entry
        What `struct` reads a tag with, up to its value.
    field
        Bytes of a value or of the offset of values.
    """

    order: str
    entry: str
    field: int


def hide_unneeded_tags(tiff: bytes) -> tuple[bytes, Samples]:
    """Return a TIFF in which a decoder finds only the tags of its first image's pixels.

    Metadata that a decoder can't read does not cost the picture so.

    Parameters
    ----------
    tiff
        The file, whole.

    Returns
    -------
    bytes
        The file; all offsets stay the same.
    Samples
        How its pixels are stored.

    Raises
    ------
    UnusablePhoto
        If it is a camera's raw file or its pixels are stored as no decoder here reads them right:
        ``unsupported_format``.
    ValueError, struct.error
        If it is damaged, or has too many tags or parts.
    """
    layout, tags = _read_tags(tiff)
    # A raw file's first image is a preview of a few pixels: a reduced version, says the tag.
    if _DNG_VERSION in tags or _first(tiff, layout, tags, _NEW_SUBFILE_TYPE, 0) & 1:
        raise unsupported("a camera raw file")
    if max(tags[tag].count for tag in (_STRIPS, _TILES) if tag in tags) > MAX_PARTS:
        raise ValueError(f"more than {MAX_PARTS:,} strips or tiles")
    samples = _samples(tiff, layout, tags)
    hidden = [tag for number, tag in tags.items() if number not in _NEEDED]
    if not hidden:
        return tiff, samples
    changed = bytearray(tiff)
    for tag in hidden:
        one_byte = (_HIDDEN, 1, 1, 0)
        struct.pack_into(layout.order + layout.entry, changed, tag.at, *one_byte)
    return bytes(changed), samples


def _read_tags(tiff: bytes) -> tuple[_Layout, dict[int, _Tag]]:
    order = "<" if tiff[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", tiff, 2)[0] == 43
    layout = _Layout(order, "HHQQ", 8) if big else _Layout(order, "HHII", 4)
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), tiff, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), tiff, start)
    if count > MAX_TAGS:
        raise ValueError(f"more than {MAX_TAGS:,} tags")
    size = struct.calcsize(order + layout.entry)
    first = start + (8 if big else 2)
    tags: dict[int, _Tag] = {}
    for offset in range(first, first + count * size, size):
        number, *rest = struct.unpack_from(order + layout.entry, tiff, offset)
        tags[number] = _Tag(offset, *rest)
    return layout, tags


def _samples(tiff: bytes, layout: _Layout, tags: dict[int, _Tag]) -> Samples:
    """Return how pixels are stored, if a decoder here reads that right."""
    bits = _first(tiff, layout, tags, _BITS, 1)
    form = _first(tiff, layout, tags, _SAMPLE_FORMAT, UNSIGNED)
    count = _first(tiff, layout, tags, _SAMPLES, 1)
    planes = _first(tiff, layout, tags, _PLANAR, 1)
    white_is_zero = _first(tiff, layout, tags, _PHOTOMETRIC, 1) == 0
    match bits:
        case 1 | 2 | 4 | 8:
            right = form in (UNSIGNED, UNDEFINED)
        case 12:
            right = form == UNSIGNED and count == 1
        case 16:
            right = form == UNSIGNED and (count == 1 or planes == 1)
        case 32:
            right = form in (UNSIGNED, SIGNED, FLOATING) and count == 1 and not white_is_zero
        case _:
            right = False
    if not right:
        raise unsupported(f"a TIFF file with pixels of an unusual kind ({bits} bits)")
    return Samples(bits, form, white_is_zero)


def _first(tiff: bytes, layout: _Layout, tags: dict[int, _Tag], number: int, default: int) -> int:
    """Return the first value of a tag of integers."""
    if number not in tags:
        return default
    tag = tags[number]
    size = _SIZES.get(tag.kind)
    if size is None or tag.count == 0:
        raise ValueError(f"tag {number} is of type {tag.kind}")
    value_at = tag.at + struct.calcsize(layout.order + layout.entry) - layout.field
    offset = value_at if tag.count * size <= layout.field else tag.value
    value = tiff[offset : offset + size]
    if len(value) < size:
        raise ValueError(f"the value of tag {number} is missing")
    return int.from_bytes(value, "little" if layout.order == "<" else "big")
