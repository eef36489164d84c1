"""What the HEIF decoder may see of a HEIC photo: the photo itself, of the kinds that phones write.

HEIF (ISO/IEC 23008-12) is a container of items: a photo is one, or a grid of them; next to it there
are thumbnails, depth maps, gain maps and metadata. There are many more kinds of items, and decoders
have had vulnerabilities in those that no phone writes. So everything that the photo does not need
is hidden, and a photo that needs something unusual is rejected.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from scones.photos.formats import UnusablePhoto

TOP_LEVEL_BOXES = frozenset({b"ftyp", b"meta", b"mdat"})
"""Without ``moov``, the tracks of image sequences and videos."""

META_BOXES = frozenset({b"hdlr", b"pitm", b"iinf", b"iloc", b"iprp", b"iref", b"idat"})
"""Without ``grpl``, the groups of alternatives, and ``ipro``, encryption."""

IMAGE_ITEMS = frozenset({b"hvc1", b"grid"})
"""Images in HEVC, and grids of them. Among those left out are ``iden`` and ``iovl`` (identity and
overlay: libheif had memory errors in both, CVE-2025-68431 and CVE-2026-32882 in overlays), ``unci``
(uncompressed, with the most advisories) and ``tmap`` (tone maps, next to the photo on iPhones)."""

REFERENCES = frozenset({b"dimg", b"auxl"})
"""From a grid to its tiles, and from an alpha channel to its image. Not needed are ``thmb`` and
``cdsc``, from thumbnails and metadata."""

PROPERTIES = frozenset(
    {b"hvcC", b"ispe", b"pixi", b"colr", b"irot", b"imir", b"clap", b"pasp", b"auxC"}
)
"""Codec, size, depth, color profile, rotation, mirroring, crop, pixels' shape, and alpha."""

MAX_META_BYTES = 2**22
"""Largest box ``meta``: phones' have some thousand bytes; reading takes up to 20 times as many."""

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
"""Kinds of auxiliary images that are the transparency of another image."""

_HIDDEN = b"free"
"""Type of a box that readers skip (ISO/IEC 14496-12), here also of items and references."""


class Box(NamedTuple):
    """A box of the file.

    Attributes
    ----------
    kind
        Its type, four bytes.
    start, body, end
        Offsets in the file: of its header, of what follows the header, and of what follows the box.
    """

    kind: bytes
    start: int
    body: int
    end: int


class _Item(NamedTuple):
    kind: bytes
    kind_offset: int


class _Reference(NamedTuple):
    box: Box
    from_item: int
    to_items: tuple[int, ...]


def hide_unneeded_items(heif: bytes) -> bytes:
    """Return a HEIC file in which a decoder finds the primary image and nothing else.

    All offsets stay the same. Kept are the primary image, the tiles of a grid and the alpha
    channel; hidden are all other items, references, properties and boxes, metadata too. What
    follows the last whole box is cut off.

    Parameters
    ----------
    heif
        The file, whole.

    Raises
    ------
    UnusablePhoto
        If the image is of a kind that is not in `IMAGE_ITEMS`, or needs a property that is not in
        `PROPERTIES`: ``unsupported_format``.
    ValueError, struct.error
        If the boxes contradict each other or one of them is incomplete.
    """
    top_level = _top_level_boxes(heif)
    meta = _only(b"meta", top_level)
    if meta.end - meta.start > MAX_META_BYTES:
        raise ValueError(f"more than {MAX_META_BYTES:,} bytes about items")
    children = list(_boxes(heif, meta.body + 4, meta.end))
    items = _read_items(heif, _only(b"iinf", children))
    references = _read_references(heif, children)
    properties, associations = _read_properties(heif, _only(b"iprp", children))
    needed = _needed_items(heif, items, references, properties, associations, children)
    _require_known_properties(needed, properties, associations)

    photo = bytearray(heif[: top_level[-1].end])
    for box in top_level:
        _hide_unless(box.kind in TOP_LEVEL_BOXES, photo, box.start + 4)
    for box in children:
        _hide_unless(box.kind in META_BOXES, photo, box.start + 4)
    for number, item in items.items():
        _hide_unless(number in needed, photo, item.kind_offset)
    for reference in references:
        linked = {reference.from_item, *reference.to_items}
        keep = reference.box.kind in REFERENCES and linked <= needed
        _hide_unless(keep, photo, reference.box.start + 4)
    for box in properties:
        _hide_unless(box.kind in PROPERTIES, photo, box.start + 4)
    return bytes(photo)


def _hide_unless(condition: bool, photo: bytearray, offset: int) -> None:
    if not condition:
        photo[offset : offset + 4] = _HIDDEN


def _needed_items(
    heif: bytes,
    items: dict[int, _Item],
    references: list[_Reference],
    properties: list[Box],
    associations: dict[int, list[tuple[int, bool]]],
    children: list[Box],
) -> set[int]:
    """Return the primary item, its tiles, and the image of its alpha channel with its tiles."""
    pitm = _only(b"pitm", children)
    primary, _ = _number(heif, pitm.body + 4, 4 if heif[pitm.body] else 2)
    alpha = [
        reference.from_item
        for reference in references
        if reference.box.kind == b"auxl"
        and primary in reference.to_items
        and any(
            _is_alpha(heif, properties[index - 1])
            for index, _ in associations.get(reference.from_item, [])
            if index
        )
    ]
    needed: set[int] = set()
    for image in (primary, *alpha):
        _require_image(items, image, IMAGE_ITEMS)
        needed.add(image)
        if items[image].kind == b"grid":
            tiles = _tiles(image, references)
            for tile in tiles:
                _require_image(items, tile, IMAGE_ITEMS - {b"grid"})
            needed.update(tiles)
    return needed


def _tiles(grid: int, references: list[_Reference]) -> set[int]:
    return {
        tile
        for reference in references
        if reference.box.kind == b"dimg" and reference.from_item == grid
        for tile in reference.to_items
    }


def _require_image(items: dict[int, _Item], number: int, kinds: frozenset[bytes]) -> None:
    if number not in items:
        raise ValueError(f"there is no item {number}")
    if items[number].kind not in kinds:
        raise _unusual("an item", items[number].kind)


def _require_known_properties(
    needed: set[int], properties: list[Box], associations: dict[int, list[tuple[int, bool]]]
) -> None:
    """Reject a photo with an unknown essential property: without it, it would be shown wrongly."""
    for number in needed:
        for index, essential in associations.get(number, []):
            kind = properties[index - 1].kind if index else b""
            if essential and index and kind not in PROPERTIES:
                raise _unusual("a property", kind)


def _unusual(part: str, kind: bytes) -> UnusablePhoto:
    return UnusablePhoto(
        "unsupported_format",
        f"the HEIC photo is made of {part} of the type {kind.decode('latin-1')!a}, which "
        "phones do not write: export it as JPEG, and upload that",
    )


def _is_alpha(heif: bytes, box: Box) -> bool:
    """Return whether a property says that its image is an alpha channel."""
    return box.kind == b"auxC" and heif[box.body + 4 : box.end].split(b"\0", 1)[0] in _ALPHA


def _read_items(heif: bytes, iinf: Box) -> dict[int, _Item]:
    """Read the list of items: each one's type by its number."""
    count_size = 4 if heif[iinf.body] else 2
    items: dict[int, _Item] = {}
    for box in _boxes(heif, iinf.body + 4 + count_size, iinf.end):
        version = heif[box.body]
        if box.kind != b"infe" or version not in {2, 3}:
            raise ValueError(f"an unknown entry {box.kind!r} in the list of items")
        number, offset = _number(heif, box.body + 4, 2 if version == 2 else 4)
        kind_offset = offset + 2
        if number in items or kind_offset + 4 > box.end:
            raise ValueError(f"the item {number} is listed twice or incompletely")
        items[number] = _Item(heif[kind_offset : kind_offset + 4], kind_offset)
    return items


def _read_references(heif: bytes, children: list[Box]) -> list[_Reference]:
    """Read which item refers to which others, as what."""
    references = []
    for iref in [box for box in children if box.kind == b"iref"]:
        size = 4 if heif[iref.body] else 2
        for box in _boxes(heif, iref.body + 4, iref.end):
            from_item, offset = _number(heif, box.body, size)
            count, offset = _number(heif, offset, 2)
            numbers = [_number(heif, offset + size * i, size)[0] for i in range(count)]
            if offset + size * count != box.end:
                raise ValueError("a reference whose length is wrong")
            references.append(_Reference(box, from_item, tuple(numbers)))
    return references


def _read_properties(heif: bytes, iprp: Box) -> tuple[list[Box], dict[int, list[tuple[int, bool]]]]:
    """Read the properties, and each item's: their places in the list, from 1, and if essential."""
    boxes = list(_boxes(heif, iprp.body, iprp.end))
    ipco = _only(b"ipco", boxes)
    properties = list(_boxes(heif, ipco.body, ipco.end))
    associations: dict[int, list[tuple[int, bool]]] = {}
    for ipma in [box for box in boxes if box is not ipco]:
        if ipma.kind != b"ipma":
            raise ValueError(f"an unknown box {ipma.kind!r} among the properties")
        item_size = 4 if heif[ipma.body] else 2
        index_size = 2 if heif[ipma.body + 3] & 1 else 1
        entries, offset = _number(heif, ipma.body + 4, 4)
        for _ in range(entries):
            item, offset = _number(heif, offset, item_size)
            count, offset = _number(heif, offset, 1)
            for _ in range(count):
                index, offset = _number(heif, offset, index_size)
                top = 1 << (8 * index_size - 1)
                if index & (top - 1) > len(properties):
                    raise ValueError(f"there is no property {index & (top - 1)}")
                associations.setdefault(item, []).append((index & (top - 1), bool(index & top)))
    return properties, associations


def _top_level_boxes(heif: bytes) -> list[Box]:
    """Return the whole boxes that the file begins with: phones and apps append what is no box."""
    boxes = []
    with suppress(ValueError, struct.error):
        for box in _boxes(heif, 0, len(heif)):
            boxes.append(box)
    return boxes


def _boxes(heif: bytes, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that lie one behind the other in a part of the file."""
    while start < end:
        size, kind = struct.unpack_from(">I4s", heif, start)
        body = start + 8
        if size == 1:
            size, body = struct.unpack_from(">Q", heif, body)[0], body + 8
        elif size == 0 and end == len(heif):
            size = end - start
        if start + size > end or body > start + size:
            raise ValueError(f"the box {kind!r} is longer than what contains it, or empty")
        yield Box(kind, start, body, start + size)
        start += size


def _only(kind: bytes, boxes: list[Box]) -> Box:
    matches = [box for box in boxes if box.kind == kind]
    if len(matches) != 1:
        raise ValueError(f"{len(matches)} boxes {kind!r} instead of one")
    return matches[0]


def _number(heif: bytes, offset: int, size: int) -> tuple[int, int]:
    """Read a number of so many bytes; return it and the offset behind it."""
    if offset + size > len(heif):
        raise ValueError("the file ends within a number")
    return int.from_bytes(heif[offset : offset + size]), offset + size
