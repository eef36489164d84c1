import struct
from io import BytesIO

import pytest
from PIL import Image

from scones.photos import ImageShape, UnusablePhoto, prepare
from scones.photos.heif import hide_unneeded_items
from tests.unit.scones.photos.heif_files import (
    ALPHA,
    CODEC,
    DEPTH,
    SIZE,
    UPRIGHT,
    Item,
    Property,
    box,
    coded,
    full_box,
    grid,
    heic,
    phone_photo,
)
from tests.unit.scones.photos.samples import HEIC, corners_of

SHAPE = ImageShape(height=64, width=96)
IDENTITY = Item(b"iden", b"", (SIZE,), [(b"dimg", [2])])


def unsupported(photo: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Expect that a photo is rejected before the decoder sees it, and return the reason."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("the decoder was called"))
    with pytest.raises(UnusablePhoto) as raised:
        prepare(photo, SHAPE)
    assert raised.value.code == "unsupported_format"
    return str(raised.value)


def is_as_upright(photo: bytes) -> bool:
    expected, actual = corners_of(prepare(UPRIGHT, SHAPE)), corners_of(prepare(photo, SHAPE))
    return expected == actual


def test_a_made_file_is_decoded() -> None:
    assert is_as_upright(heic([coded()]))


def test_a_photo_of_a_phone_is_decoded_without_what_it_does_not_need() -> None:
    photo = phone_photo()
    decoder_sees = hide_unneeded_items(photo)

    picture = prepare(photo, ImageShape(height=64, width=192))

    left, right = picture.crop((0, 0, 96, 64)), picture.crop((96, 0, 192, 64))
    expected = corners_of(prepare(UPRIGHT, SHAPE))
    assert corners_of(left) == expected
    assert corners_of(right) == expected
    assert len(decoder_sees) == len(photo)
    for hidden in (b"thmb", b"cdsc", b"auxl", b"tmap", b"Exif\0\0\0", b"mime", b"grpl", b"amve"):
        assert hidden not in decoder_sees
    assert decoder_sees.count(b"hvc1") == 2
    with Image.open(BytesIO(decoder_sees)) as image:
        assert image.size == (192, 64)


def test_sequences_and_videos_next_to_the_photo_are_hidden() -> None:
    photo = heic([coded()], behind_meta=box(b"moov", box(b"trak", bytes(8))))

    assert b"moov" not in hide_unneeded_items(photo)
    assert is_as_upright(photo)


@pytest.mark.parametrize("appended", [b"\0", b"\r\n", bytes(4), b"a trailer that is not a box"])
def test_what_follows_the_last_box_is_cut_off(appended: bytes) -> None:
    photo = heic([coded()])

    assert hide_unneeded_items(photo + appended) == hide_unneeded_items(photo)
    assert is_as_upright(photo + appended)


def test_transparency_is_kept() -> None:
    transparent = (HEIC / "transparent.heic").read_bytes()
    assert b"auxl" in hide_unneeded_items(transparent)


@pytest.mark.parametrize("kind", [b"iden", b"iovl", b"unci", b"tmap", b"av01", b"jpeg", b"hev1"])
def test_a_photo_of_another_kind_of_item_never_reaches_the_decoder(
    kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = heic([IDENTITY._replace(kind=kind), coded()])

    message = unsupported(photo, monkeypatch)

    assert f"an item of the type '{kind.decode()}'" in message
    assert "export it as JPEG" in message


@pytest.mark.parametrize("tile", [IDENTITY, grid(1, 1, [2])], ids=["identity", "grid"])
def test_a_grid_is_of_coded_pictures(tile: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    unsupported(heic([grid(1, 1, [3]), coded(), tile]), monkeypatch)


def test_an_identity_item_as_alpha_channel_never_reaches_the_decoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """libheif up to 1.23 wrote out of bounds for such a file."""
    alpha = Item(b"iden", b"", (SIZE, ALPHA), [(b"dimg", [2]), (b"auxl", [1])])

    unsupported(heic([coded(), coded(), alpha]), monkeypatch)


def test_an_identity_item_as_other_auxiliary_image_is_hidden() -> None:
    depth = Item(b"iden", b"", (SIZE, DEPTH), [(b"dimg", [2]), (b"auxl", [1])])
    photo = heic([coded(), coded(), depth])

    decoder_sees = hide_unneeded_items(photo)

    assert b"iden" not in decoder_sees
    assert b"auxl" not in decoder_sees
    assert is_as_upright(photo)


def test_an_unknown_property_rejects_the_photo_only_if_it_is_essential(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown = box(b"uncC", bytes(30))

    assert is_as_upright(heic([coded(Property(unknown))]))
    assert b"uncC" not in hide_unneeded_items(heic([coded(Property(unknown))]))
    message = unsupported(heic([coded(Property(unknown, essential=True))]), monkeypatch)
    assert "a property of the type 'uncC'" in message


@pytest.mark.parametrize(
    "photo",
    [
        UPRIGHT + UPRIGHT[28:],
        heic([coded()], primary=9),
        heic([coded()], in_meta=full_box(b"pitm", struct.pack(">H", 1))),
        heic([coded()], in_meta=full_box(b"iinf", bytes(2))),
        heic([coded()], in_meta=full_box(b"iref", box(b"dimg", struct.pack(">HH", 1, 4000)))),
        heic([coded()], in_meta=struct.pack(">I4s", 4, b"free")),
        heic([coded()], in_meta=struct.pack(">I4s", 400, b"free")),
        heic([coded()], in_meta=bytes(2**22)),
        heic([coded()]).replace(b"infe\2", b"infe\1"),
        heic([grid(1, 1, [7])]),
        heic([Item(b"hvc1", b"", (CODEC,) * 3)]).replace(b"\x81\x82\x83", b"\x81\x82\x84"),
    ],
    ids=[
        "two metas",
        "no primary item",
        "two primary items",
        "two lists of items",
        "a reference beyond its box",
        "a box within its header",
        "a box beyond its parent",
        "a large meta",
        "an old list entry",
        "no tile",
        "no property",
    ],
)
def test_boxes_that_contradict_each_other_are_corrupt(photo: bytes) -> None:
    with pytest.raises(UnusablePhoto) as raised:
        prepare(photo, SHAPE)
    assert raised.value.code == "corrupt"
    assert isinstance(raised.value.__cause__, ValueError | struct.error)
