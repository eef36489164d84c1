import io
import random

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from scones_local.samples.encodings import ENCODINGS

BY_NAME = {encoding.name: encoding for encoding in ENCODINGS}


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Dark on the left and top, bright on the right, so that a turn is seen."""
    column = np.linspace(20, 230, 96)
    gray = np.tile(column, (64, 1))
    gray[:16] = 10
    return Image.fromarray(np.stack([gray, gray, gray * 0.6], axis=2).astype(np.uint8))


def read(name: str, picture: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(BY_NAME[name].encode(picture, random.Random(1))))


@pytest.mark.parametrize("name", BY_NAME)
def test_every_file_shows_the_picture(name: str, picture: Image.Image) -> None:
    image = ImageOps.exif_transpose(read(name, picture))
    image.load()
    if image.mode == "I;16":
        image = image.convert("I").point(lambda value: value / 257)
    gray = np.asarray(image.convert("RGB").convert("L"), dtype=float)
    expected = np.asarray(picture.convert("L"), dtype=float)
    middle = (slice(8, -8), slice(8, -8))

    assert image.size == picture.size
    assert np.abs(gray[middle] - expected[middle]).mean() < 12


@pytest.mark.parametrize(
    ("name", "file_format", "mode"),
    [
        ("JPEG", "JPEG", "RGB"),
        ("CMYK JPEG", "JPEG", "CMYK"),
        ("gray JPEG", "JPEG", "L"),
        ("PNG with alpha", "PNG", "RGBA"),
        ("PNG with a palette", "PNG", "P"),
        ("PNG of 16 bits", "PNG", "I;16"),
        ("PNG named .jpg", "PNG", "RGB"),
        ("WebP", "WEBP", "RGB"),
        ("GIF", "GIF", "P"),
        ("BMP", "BMP", "RGB"),
        ("TIFF", "TIFF", "RGB"),
        ("CMYK TIFF", "TIFF", "CMYK"),
    ],
)
def test_formats_and_modes_are_as_named(
    name: str, file_format: str, mode: str, picture: Image.Image
) -> None:
    image = read(name, picture)

    assert (image.format, image.mode) == (file_format, mode)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_phone_photos_carry_orientation_and_position(
    orientation: int, picture: Image.Image
) -> None:
    image = read(f"JPEG, EXIF orientation {orientation}, GPS", picture)
    exif = image.getexif()

    assert exif[ExifTags.Base.Orientation] == orientation
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert (image.size == picture.size) == (orientation == 3)


def test_sixteen_bits_use_their_whole_range(picture: Image.Image) -> None:
    low, high = read("PNG of 16 bits", picture).convert("I").getextrema()

    assert low < 4000
    assert high > 50_000


def test_the_transparent_picture_is_clear_in_its_corners_and_solid_inside(
    picture: Image.Image,
) -> None:
    alpha = read("PNG with alpha", picture).getchannel("A")

    assert alpha.getpixel((0, 0)) < 32
    assert alpha.getpixel((48, 32)) == 255


def test_the_second_frame_of_the_animation_is_black(picture: Image.Image) -> None:
    image = read("animated GIF", picture)
    image.seek(1)

    assert image.n_frames == 2
    assert image.convert("RGB").getextrema() == ((0, 0), (0, 0), (0, 0))


def test_the_progressive_jpeg_is_progressive(picture: Image.Image) -> None:
    assert read("progressive JPEG", picture).info["progressive"]


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("side", [120, 123, 128, 131])
def test_the_same_picture_and_seed_give_the_same_bytes(name: str, side: int) -> None:
    noise = np.random.RandomState(side).randint(0, 256, (side, 150, 3))
    picture = Image.fromarray(noise.astype(np.uint8))
    files = set()
    for fill in range(1, 5):
        litter = [bytes([60 * fill]) * size for size in range(1000, 400_000, 20_000)]
        del litter  # Freed memory holds something else each time: none of it may show.
        files.add(BY_NAME[name].encode(picture, random.Random(1)))

    assert len(files) == 1
