import struct
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageOps, ImageSequence

from scones.photos import ImageShape, prepare
from tests.unit.scones.photos.samples import (
    BLUE,
    CORNERS,
    FOUR,
    GREEN,
    GREY,
    HEIC,
    RED,
    WHITE,
    Colour,
    colour_at,
    corners_of,
    png,
    quadrants,
    rgb_tiff,
    tiff,
    written,
)

SHAPE = ImageShape(height=64, width=96)
ORIENTATION = 0x0112
EXACT: dict[str, dict[str, Any]] = {
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 95},
    "MPO": {"quality": 95},
}
"""Options with which a format keeps the four colours."""

STORED_FROM = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
"""EXIF 2.32: which side of the scene the stored row 0 and the stored column 0 are."""
OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def near(colours: Iterable[Colour], wanted: Iterable[Colour], tolerance: int = 3) -> bool:
    return all(
        abs(a - b) <= tolerance
        for colour, want in zip(colours, wanted, strict=True)
        for a, b in zip(colour, want, strict=True)
    )


def shown(data: bytes) -> tuple[Colour, ...]:
    return corners_of(prepare(data, SHAPE))


def stored_as(orientation: int) -> Image.Image:
    """The four colours as a camera held so stores them, by the words of the EXIF standard."""
    row, column = STORED_FROM[orientation]
    corners = [
        next(colour for corner, colour in CORNERS.items() if set(corner) == {r, c})
        for r in (row, OPPOSITE[row])
        for c in (column, OPPOSITE[column])
    ]
    size = (96, 64) if orientation < 5 else (64, 96)
    return quadrants(*size, corners=corners)


@pytest.mark.parametrize(
    ("format_name", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 3),
        ("JPEG", {"quality": 95, "progressive": True}, 3),
        ("PNG", {}, 0),
        ("WEBP", {"quality": 95}, 12),
        ("WEBP", {"lossless": True}, 0),
        ("GIF", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("TIFF", {"compression": "packbits"}, 0),
        ("TIFF", {"compression": "jpeg", "quality": 95}, 3),
    ],
)
def test_every_format_is_read(format_name: str, options: dict[str, Any], tolerance: int) -> None:
    assert near(shown(written(quadrants(), format_name, **options)), FOUR, tolerance)


def test_heic_is_read() -> None:
    assert near(shown((HEIC / "upright.heic").read_bytes()), FOUR)


def test_the_transparent_part_of_a_heic_is_grey() -> None:
    assert near(
        shown((HEIC / "transparent.heic").read_bytes()), (RED, GREEN, BLUE, GREY), tolerance=4
    )


@pytest.mark.parametrize("orientation", STORED_FROM)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_photos_are_turned_upright_once(format_name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = EXACT.get(format_name, {})
    photo = written(stored_as(orientation), format_name, exif=exif, **options)

    assert near(shown(photo), FOUR)


def test_a_compressed_tiff_is_turned_upright_once() -> None:
    photo = written(stored_as(6), "TIFF", compression="tiff_lzw", tiffinfo={ORIENTATION: 6})
    assert shown(photo) == FOUR


def test_a_turned_heic_is_turned_once() -> None:
    assert near(shown((HEIC / "turned.heic").read_bytes()), FOUR)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation

    assert prepare(written(quadrants(), "PNG", exif=exif), SHAPE).tobytes() == quadrants().tobytes()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"MM\0*\0\0",
        b"\xff" * 40,
        b"MM\0*\0\0\0\x08\0\x03\x01\x0e\0\x02\0\0\0\x04abc\0\x01\x12",
    ],
)
def test_a_photo_with_broken_exif_is_shown_as_stored(format_name: str, exif: bytes) -> None:
    options = EXACT.get(format_name, {})
    photo = written(quadrants(), format_name, exif=b"Exif\0\0" + exif, dpi=(72, 72), **options)

    assert near(shown(photo), FOUR)


# Colour


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
def test_cmyk_whether_stored_inverted_as_adobe_does_or_not(format_name: str) -> None:
    ink = [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0)]
    image = quadrants(corners=ink, mode="CMYK")
    options = {"quality": 95} if format_name == "JPEG" else {}

    assert near(shown(written(image, format_name, **options)), (RED, (0, 255, 0), BLUE, WHITE), 6)


def test_ycck() -> None:
    inks = quadrants(corners=[(0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0)])
    stored = [ImageOps.invert(band) for band in inks.convert("YCbCr").split()]
    cmyk = written(Image.merge("CMYK", [*stored, Image.new("L", inks.size, 0)]), "JPEG", quality=95)
    adobe = cmyk.index(b"Adobe")
    ycck = cmyk[: adobe + 11] + b"\2" + cmyk[adobe + 12 :]

    assert near(shown(ycck), (RED, (0, 255, 0), BLUE, WHITE), 6)


def test_palette() -> None:
    assert shown(written(quadrants().quantize(8), "PNG")) == FOUR


@pytest.mark.parametrize(
    ("format_name", "transparency"),
    [("PNG", "index"), ("PNG", "alphas"), ("GIF", "index")],
)
def test_transparent_entries_of_a_palette_are_grey(format_name: str, transparency: str) -> None:
    image = quadrants().quantize(8)
    white = image.getpixel((90, 60))
    alphas = bytes(0 if index == white else 255 for index in range(8))
    photo = written(image, format_name, transparency=white if transparency == "index" else alphas)

    assert shown(photo) == (RED, GREEN, BLUE, GREY)


def test_half_transparent_entries_of_a_palette_are_mixed_with_grey() -> None:
    image = quadrants().quantize(8)
    photo = written(image, "PNG", transparency=bytes([128] * 8))

    assert near(shown(photo), ((192, 64, 64), (64, 128, 64), (64, 64, 192), (192, 192, 192)), 1)


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_composited_on_grey(format_name: str) -> None:
    image = quadrants(corners=[(*RED, 255), (*GREEN, 0), (*BLUE, 128), (*WHITE, 128)], mode="RGBA")
    options = {"lossless": True} if format_name == "WEBP" else {}

    wanted = (RED, GREY, (64, 64, 192), (192, 192, 192))
    assert near(shown(written(image, format_name, **options)), wanted, 1)


def test_colours_under_transparent_pixels_do_not_bleed() -> None:
    image = Image.new("RGBA", (960, 640), (0, 0, 255, 255))
    for x in range(0, 960, 2):
        image.paste((255, 0, 0, 0), (x, 0, x + 1, 640))

    red, _, blue = colour_at(prepare(written(image, "PNG"), SHAPE), 48, 32)

    assert red <= 65
    assert blue >= 190


def test_a_transparent_colour_of_an_rgb_png_is_grey() -> None:
    photo = written(quadrants(), "PNG", transparency=WHITE)
    assert shown(photo) == (RED, GREEN, BLUE, GREY)


def test_grey_with_alpha() -> None:
    image = quadrants(corners=[(0, 255), (255, 255), (50, 0), (255, 128)], mode="LA")
    wanted = ((0,) * 3, (255,) * 3, GREY, (192,) * 3)
    assert near(shown(written(image, "PNG")), wanted, 1)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP"])
def test_black_and_white(format_name: str) -> None:
    image = quadrants(corners=(0, 1, 1, 0), mode="1")
    black = (0, 0, 0)
    assert shown(written(image, format_name)) == (black, WHITE, WHITE, black)


def test_black_and_white_is_scaled_smoothly() -> None:
    stripes = Image.new("1", (960, 640))
    for x in range(0, 960, 2):
        stripes.paste(1, (x, 0, x + 1, 640))

    assert near([colour_at(prepare(written(stripes, "PNG"), SHAPE), 48, 32)], [(128,) * 3], 3)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "BMP"])
def test_grey(format_name: str) -> None:
    image = quadrants(corners=(0, 85, 170, 255), mode="L")
    assert near(shown(written(image, format_name)), [(v,) * 3 for v in (0, 85, 170, 255)], 2)


GREYS = [(value,) * 3 for value in (0, 64, 128, 255)]


@pytest.mark.parametrize("order", ["I;16", "I;16B"])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_scaled_not_clipped(format_name: str, order: str) -> None:
    image = quadrants(corners=[value * 257 for value in (0, 64, 128, 255)], mode="I;16")
    if order == "I;16B":
        swapped = b"".join(
            struct.pack(">H", v) for (v,) in struct.iter_unpack("<H", image.tobytes())
        )
        image = Image.frombytes("I;16B", image.size, swapped)

    assert shown(written(image, format_name)) == tuple(GREYS)


def test_grey_of_16_bits_is_rounded() -> None:
    values = [100 * 257 + extra for extra in (-129, -128, 128, 129)]
    image = Image.frombytes("I;16", (4, 1), struct.pack("<4H", *values))

    picture = prepare(written(image, "PNG"), ImageShape(height=1, width=4))

    assert [colour_at(picture, x, 0)[0] for x in range(4)] == [99, 100, 100, 101]


def test_floats_are_rounded() -> None:
    image = quadrants(corners=(99.6, 100.4, 100.6, 255.0), mode="F")

    assert shown(written(image, "TIFF")) == tuple((value,) * 3 for value in (100, 100, 101, 255))


@pytest.mark.parametrize(
    ("mode", "white"),
    [("F", 1.0), ("F", 255.0), ("F", 65535.0), ("I", 255), ("I", 65535)],
)
def test_grey_of_32_bits_is_scaled_by_the_white_it_has(mode: str, white: float) -> None:
    image = quadrants(
        corners=[
            v / 255 * white if mode == "F" else round(v / 255 * white) for v in (0, 64, 128, 255)
        ],
        mode=mode,
    )

    assert near(shown(written(image, "TIFF")), GREYS, 1)


def test_negative_floats_are_black() -> None:
    image = quadrants(corners=(-1e9, -0.1, 0.5, 1.0), mode="F")
    assert near(shown(written(image, "TIFF")), [(v,) * 3 for v in (0, 0, 128, 255)], 1)


@pytest.mark.parametrize("colour_type", [2, 6])
def test_png_of_16_bits_a_channel(colour_type: int) -> None:
    samples = [
        (*colour, 255)[: 3 if colour_type == 2 else 4] for colour in (RED, GREEN, BLUE, WHITE)
    ]
    red, green, blue, white = (
        struct.pack(f">{len(pixel)}H", *(v * 257 for v in pixel)) for pixel in samples
    )
    rows = [red * 48 + green * 48] * 32 + [blue * 48 + white * 48] * 32

    assert shown(png(96, 64, 16, colour_type, rows)) == FOUR


def test_tiff_of_16_bits_a_channel() -> None:
    red, green, blue, white = (struct.pack("<3H", *(v * 257 for v in c)) for c in FOUR)
    pixels = (red * 48 + green * 48) * 32 + (blue * 48 + white * 48) * 32

    assert shown(rgb_tiff(96, 64, pixels, bits=16)) == FOUR


def test_lab() -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    colours = ((180, 60, 60), (60, 120, 60), (60, 60, 160), (240, 240, 240))
    image = ImageCms.profileToProfile(quadrants(corners=colours), srgb, lab, outputMode="LAB")

    assert image is not None
    assert near(shown(written(image, "TIFF")), colours, 4)


# Colour profiles


def swapping_profile() -> bytes:
    """A valid profile whose red is sRGB's blue and whose blue is sRGB's red."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[data.index(b"rXYZ") : data.index(b"rXYZ") + 4] = b"????"
    data[data.index(b"bXYZ") : data.index(b"bXYZ") + 4] = b"rXYZ"
    data[data.index(b"????") : data.index(b"????") + 4] = b"bXYZ"
    return bytes(data)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_colours_are_converted_by_a_valid_profile(format_name: str) -> None:
    options = EXACT.get(format_name, {})
    photo = written(quadrants(), format_name, icc_profile=swapping_profile(), **options)

    assert near(shown(photo), (BLUE, GREEN, RED, WHITE), 4)


def test_colours_with_alpha_are_converted_too() -> None:
    image = quadrants(corners=[(*RED, 255), (*GREEN, 255), (*BLUE, 255), (*WHITE, 0)], mode="RGBA")
    photo = written(image, "PNG", icc_profile=swapping_profile())

    assert near(shown(photo), (BLUE, GREEN, RED, GREY), 2)


@pytest.mark.parametrize(
    "profile", [b"junk", swapping_profile()[:200], swapping_profile()[:128] + bytes(400)]
)
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    assert shown(written(quadrants(), "PNG", icc_profile=profile)) == FOUR


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_for_other_channels_is_ignored(mode: str) -> None:
    image = quadrants(mode="RGB").convert(mode)
    plain = shown(written(image, "TIFF"))

    assert shown(written(image, "TIFF", icc_profile=swapping_profile())) == plain


def test_a_picture_in_srgb_passes_unchanged() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert shown(written(quadrants(), "PNG", icc_profile=profile)) == FOUR


# Frames


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_taken(format_name: str) -> None:
    options = EXACT.get(format_name, {})
    other = Image.new("RGB", (96, 64), BLUE)
    photo = written(quadrants(), format_name, save_all=True, append_images=[other], **options)

    with Image.open(BytesIO(photo)) as image:
        assert sum(1 for _ in ImageSequence.Iterator(image)) == 2
    assert near(shown(photo), FOUR)


def test_a_tiff_of_tiles_is_read() -> None:
    red = bytes(RED) * 256
    photo = tiff(
        {
            256: (4, [16]),
            257: (4, [16]),
            258: (3, [8, 8, 8]),
            259: (3, [1]),
            262: (3, [2]),
            277: (3, [3]),
            322: (4, [16]),
            323: (4, [16]),
            324: (4, [8]),
            325: (4, [len(red)]),
        },
        red,
    )
    assert prepare(photo, ImageShape(height=16, width=16)).tobytes() == red
