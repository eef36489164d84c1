"""HEIC files made box by box, for what no encoder here writes: grids, auxiliary images, attacks."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from tests.unit.scones.photos.samples import HEIC


class Property(NamedTuple):
    box: bytes
    essential: bool = False


class Item(NamedTuple):
    """An item; its number is its place in the list, from 1. References are (kind, numbers)."""

    kind: bytes
    data: bytes = b""
    properties: Sequence[Property] = ()
    references: Sequence[tuple[bytes, Sequence[int]]] = ()


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full_box(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *content)


def ispe(width: int, height: int) -> Property:
    return Property(full_box(b"ispe", struct.pack(">II", width, height)))


def auxiliary(kind: bytes) -> Property:
    return Property(full_box(b"auxC", kind + b"\0"), essential=True)


ALPHA = auxiliary(b"urn:mpeg:hevc:2015:auxid:1")
DEPTH = auxiliary(b"urn:mpeg:hevc:2015:auxid:2")
GAIN_MAP = auxiliary(b"urn:com:apple:photo:2020:aux:hdrgainmap")
SIZE = ispe(96, 64)
UPRIGHT = (HEIC / "upright.heic").read_bytes()
"""Four colors on 96 x 64 pixels."""


def _upright_box(kind: bytes) -> bytes:
    start = UPRIGHT.index(kind) - 4
    return UPRIGHT[start : start + int.from_bytes(UPRIGHT[start : start + 4])]


CODEC = Property(_upright_box(b"hvcC"), essential=True)
PIXELS = _upright_box(b"mdat")[8:]


def coded(*properties: Property, references: Sequence[tuple[bytes, Sequence[int]]] = ()) -> Item:
    """The picture of upright.heic as an item."""
    return Item(b"hvc1", PIXELS, (CODEC, SIZE, *properties), references)


def grid(columns: int, rows: int, tiles: Sequence[int], *properties: Property) -> Item:
    width, height = 96 * columns, 64 * rows
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    return Item(b"grid", data, (ispe(width, height), *properties), [(b"dimg", tiles)])


def heic(
    items: Sequence[Item], primary: int = 1, in_meta: bytes = b"", behind_meta: bytes = b""
) -> bytes:
    """A HEIC file of items."""
    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heicmiaf")
    size_before_data = len(ftyp) + len(_meta(items, primary, 0, in_meta)) + len(behind_meta) + 8
    meta = _meta(items, primary, size_before_data, in_meta)
    return ftyp + meta + behind_meta + box(b"mdat", *(item.data for item in items))


def _meta(items: Sequence[Item], primary: int, data_offset: int, more: bytes) -> bytes:
    infos, locations, associations, references, properties = b"", b"", b"", b"", b""
    count = 0
    for number, item in enumerate(items, 1):
        infos += full_box(b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), version=2)
        locations += struct.pack(">HHHII", number, 0, 1, data_offset, len(item.data))
        data_offset += len(item.data)
        associations += struct.pack(">HB", number, len(item.properties))
        for single in item.properties:
            count += 1
            properties += single.box
            associations += bytes([count | 128 * single.essential])
        for kind, targets in item.references:
            numbers = struct.pack(f">HH{len(targets)}H", number, len(targets), *targets)
            references += box(kind, numbers)
    return full_box(
        b"meta",
        full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", struct.pack(">H", primary)),
        full_box(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)), locations),
        full_box(b"iinf", struct.pack(">H", len(items)), infos),
        box(
            b"iprp",
            box(b"ipco", properties),
            full_box(b"ipma", struct.pack(">I", len(items)), associations),
        ),
        full_box(b"iref", references) if references else b"",
        more,
    )


def phone_photo() -> bytes:
    """A photo with what iPhones add: thumbnail, depth, gain map, tone map, metadata."""
    unknown = Property(box(b"amve", bytes(8)))
    tiles = [coded(), coded()]
    return heic(
        [
            *tiles,
            grid(2, 1, [1, 2], Property(box(b"irot", b"\0"), essential=True), unknown),
            coded(references=[(b"thmb", [3])]),
            coded(DEPTH, references=[(b"auxl", [3])]),
            coded(GAIN_MAP, references=[(b"auxl", [3])]),
            Item(b"tmap", bytes(62), (ispe(192, 64),), [(b"dimg", [3, 6])]),
            Item(b"Exif", bytes(4) + b"Exif\0\0MM\0*\0\0\0\x08\0\0", (), [(b"cdsc", [3])]),
            Item(b"mime", b"<x:xmpmeta/>", (), [(b"cdsc", [3])]),
        ],
        primary=3,
        in_meta=box(b"grpl", full_box(b"altr", struct.pack(">IIII", 10, 2, 7, 3))),
    )
