import random
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image, ImageChops, ImageFile, ImageStat, JpegImagePlugin

from scones.photos import EncodedImage, ImageShape, encode, prepare
from tests.unit.scones.photos.samples import quadrants, written

LIMIT = 184_000


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.frombytes(
        "RGB", (width, height), random.Random(seed).randbytes(width * height * 3)
    )


def black_and_white(width: int, height: int, seed: int = 0) -> Image.Image:
    bits = random.Random(seed).randbytes((width + 7) // 8 * height)
    return Image.frombytes("1", (width, height), bits).convert("RGB")


def saturated(width: int, height: int) -> Image.Image:
    bands = [black_and_white(width, height, seed).convert("L") for seed in range(3)]
    return Image.merge("RGB", bands)


def decoded(encoded: EncodedImage) -> ImageFile.ImageFile:
    image = Image.open(BytesIO(encoded.data))
    assert image.get_format_mimetype() == encoded.content_type
    return image


def error(a: Image.Image, b: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(a, b)).mean)


def test_png_keeps_every_pixel_when_it_fits() -> None:
    picture = noise(200, 300)

    encoded = encode(picture, LIMIT)

    assert encoded.content_type == "image/png"
    assert decoded(encoded).tobytes() == picture.tobytes()


@pytest.mark.parametrize("max_bytes", [120_000, 60_000, 20_000, 5_000])
def test_otherwise_jpeg_fills_what_there_is(max_bytes: int) -> None:
    encoded = encode(noise(256, 256), max_bytes)

    assert encoded.content_type == "image/jpeg"
    assert max_bytes * 0.9 < len(encoded.data) <= max_bytes
    assert decoded(encoded).size == (256, 256)


@pytest.mark.parametrize("max_bytes", [70_000, 100_000])
def test_no_jpeg_that_fits_is_of_higher_quality(max_bytes: int) -> None:
    picture = Image.blend(noise(256, 256), quadrants(256, 256), 0.6)
    encoded = encode(picture, max_bytes)

    fitting = [
        jpeg
        for quality in range(75, 96)
        if len(jpeg := written(picture, "JPEG", quality=quality, subsampling="4:4:4")) <= max_bytes
    ]

    assert encoded.data == fitting[-1]


def test_colours_lose_resolution_before_quality_falls_below_75() -> None:
    picture = noise(256, 256)
    smallest_in_full = len(written(picture, "JPEG", quality=75, subsampling="4:4:4"))

    full = decoded(encode(picture, smallest_in_full))
    half = decoded(encode(picture, smallest_in_full - 1))

    assert JpegImagePlugin.get_sampling(full) == 0  # 4:4:4
    assert JpegImagePlugin.get_sampling(half) == 2  # 4:2:0


def test_more_bytes_give_a_better_picture() -> None:
    picture = Image.blend(noise(256, 256), quadrants(256, 256), 0.6)

    errors = [
        error(picture, decoded(encode(picture, max_bytes)))
        for max_bytes in (5_000, 20_000, 50_000, 200_000)
    ]

    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0


@pytest.mark.parametrize("make", [noise, black_and_white, saturated])
@pytest.mark.parametrize("size", [(512, 512), (4096, 64), (64, 4096), (433, 601)])
def test_the_busiest_pictures_of_262144_pixels_fit_in_the_state(
    make: Callable[[int, int], Image.Image], size: tuple[int, int]
) -> None:
    encoded = encode(make(*size), LIMIT)

    assert len(encoded.data) <= LIMIT
    assert decoded(encoded).size == size


def test_what_cannot_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"64 x 48 pixels takes [\d,]+ bytes .* 100 are allowed"):
        encode(noise(64, 48), 100)


def test_a_picture_that_is_not_rgb_is_refused() -> None:
    with pytest.raises(ValueError, match="mode RGBA"):
        encode(Image.new("RGBA", (8, 8)), LIMIT)


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert encode(noise(300, 300), LIMIT) == encode(noise(300, 300), LIMIT)


@pytest.mark.parametrize("max_bytes", [LIMIT, 3_000])
def test_nothing_but_pixels_is_written(max_bytes: int) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    exif.get_ifd(0x8825)[1] = "SECRET position"
    photo = written(
        noise(64, 64), "JPEG", quality=95, exif=exif, comment="SECRET", xmp=b"<SECRET/>", dpi=(9, 9)
    )
    picture = prepare(photo, ImageShape(height=64, width=64))
    picture.info.update(
        exif=exif.tobytes(), xmp=b"SECRET", comment=b"SECRET", icc_profile=b"SECRET", dpi=(9, 9)
    )

    encoded = encode(picture, max_bytes)

    assert b"SECRET" in photo
    assert b"SECRET" not in encoded.data
    assert b"Exif" not in encoded.data
    assert set(decoded(encoded).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
