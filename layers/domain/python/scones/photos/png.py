"""What the PNG decoder may see of a PNG: pixels, transparency, color profile and orientation.

Format: https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE_BYTES = 8

MAX_CHUNKS = 100_000
"""The most chunks. One of 20 MB has some 2,500 of the usual 8 KB; each costs time however small."""

MAX_PROFILE_BYTES = 2**22
"""The most bytes of an ICC profile, decompressed; the largest for printers have about 3 MB."""

_ANCILLARY = 0x20
"""The bit in a chunk's type that says that a picture can be shown without it."""

_NEEDED = frozenset({b"tRNS", b"iCCP", b"eXIf"})
"""Ancillary chunks that change what is shown."""


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    end: int


def keep_needed_chunks(png: bytes) -> bytes:
    """Return a PNG without the chunks that do not change what is shown, or can't be read.

    A damaged chunk of metadata, or one that is larger than a decoder takes, does not cost the
    picture. A damaged chunk of the picture itself, or of its transparency, is kept: decoders refuse
    it.

    Parameters
    ----------
    png
        The file, whole.

    Raises
    ------
    ValueError
        If it has more than `MAX_CHUNKS` chunks.
    """
    kept = [png[:SIGNATURE_BYTES]]
    end = SIGNATURE_BYTES
    for chunk in _chunks(png):
        if _is_needed(png, chunk):
            kept.append(png[chunk.start : chunk.end])
        end = chunk.end
    kept.append(png[end:])  # the beginning of a chunk that is incomplete
    return b"".join(kept)


def transparent_sample(png: bytes) -> tuple[int, ...] | None:
    """Return the samples of the color that is transparent, as stored, in a PNG that has one.

    Parameters
    ----------
    png
        The file, whole.

    Returns
    -------
    tuple of int
        One sample for grey, three for RGB; None for other PNGs.
    """
    if color_type(png) not in (0, 2):
        return None
    for chunk in _chunks(png):
        if chunk.kind == b"tRNS":
            body = png[chunk.start + 8 : chunk.end - 4]
            return struct.unpack(f">{len(body) // 2}H", body[: len(body) // 2 * 2])
    return None


def bit_depth(png: bytes) -> int:
    """Return the bits of a sample, 1 to 16."""
    return png[24]


def color_type(png: bytes) -> int:
    """Return the color type: 0 is grey, 2 RGB, 3 a palette, 4 grey with alpha, 6 RGB with alpha."""
    return png[25]


def _chunks(png: bytes) -> Iterator[_Chunk]:
    offset = SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        if offset + 12 > len(png):
            return
        length, kind = struct.unpack_from(">I4s", png, offset)
        end = offset + 12 + length
        if end > len(png):
            return
        yield _Chunk(kind, offset, end)
        offset = end
    raise ValueError(f"more than {MAX_CHUNKS:,} chunks")


def _is_needed(png: bytes, chunk: _Chunk) -> bool:
    if not chunk.kind[0] & _ANCILLARY or chunk.kind == b"tRNS":
        return True
    if chunk.kind not in _NEEDED:
        return False
    checked, stored = png[chunk.start + 4 : chunk.end - 4], png[chunk.end - 4 : chunk.end]
    if zlib.crc32(checked) != int.from_bytes(stored):
        return False
    return chunk.kind != b"iCCP" or _has_readable_profile(checked[4:])


def _has_readable_profile(body: bytes) -> bool:
    """Return True if a profile's name is followed by method 0 and what it can decompress."""
    _, _, compressed = body.partition(b"\0")
    decompressor = zlib.decompressobj()
    try:
        decompressor.decompress(compressed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return False
    return compressed[:1] == b"\0" and decompressor.eof
