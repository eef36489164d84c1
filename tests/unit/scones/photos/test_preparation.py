import random
from io import BytesIO
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from scones.photos import ImageShape, UnusablePhoto, encode, prepare
from tests.unit.scones.photos.samples import (
    BLUE,
    FOUR,
    GREY,
    RED,
    corners_of,
    extrema,
    quadrants,
    written,
)

small = st.integers(1, 60)


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))


@settings(deadline=None)
@given(small, small, st.sampled_from(["PNG", "BMP", "TIFF"]))
def test_a_picture_of_the_exact_size_passes_unchanged(
    width: int, height: int, format_name: str
) -> None:
    picture = noise(width, height)

    prepared = prepare(written(picture, format_name), ImageShape(height=height, width=width))

    assert prepared.mode == "RGB"
    assert prepared.tobytes() == picture.tobytes()


@settings(deadline=None)
@given(small, small)
def test_what_was_prepared_and_encoded_is_prepared_to_itself(width: int, height: int) -> None:
    shape = ImageShape(height=height, width=width)
    once = prepare(written(quadrants(50, 40), "PNG"), shape)

    again = prepare(encode(once, 184_000).data, shape)

    assert again.tobytes() == once.tobytes()


@settings(deadline=None)
@given(small, small, small, small, st.integers(1, 8), st.sampled_from(["JPEG", "PNG"]))
def test_the_size_is_exact_and_the_whole_photo_is_in_it(
    width: int, height: int, to_width: int, to_height: int, orientation: int, format_name: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = written(Image.new("RGB", (width, height), RED), format_name, exif=exif)
    shape = ImageShape(height=to_height, width=to_width)
    if orientation >= 5:
        width, height = height, width
    scale = min(to_width / width, to_height / height)

    try:
        picture = prepare(photo, shape)
    except UnusablePhoto as error:
        assert error.code == "too_narrow"
        assert min(width, height) * scale < 0.5
        return

    assert picture.mode == "RGB"
    assert picture.size == shape.size
    photo_box = ImageChops.difference(picture, Image.new("RGB", shape.size, GREY)).getbbox()
    assert photo_box is not None
    left, upper, right, lower = photo_box
    assert abs((right - left) - max(1, width * scale)) <= 0.5
    assert abs((lower - upper) - max(1, height * scale)) <= 0.5
    assert (right - left, lower - upper)[to_width / width > to_height / height] in shape.size


def test_the_photo_is_in_the_middle_of_mid_grey() -> None:
    picture = prepare(written(quadrants(96, 64), "PNG"), ImageShape(height=96, width=96))

    assert corners_of(picture.crop((0, 16, 96, 80))) == FOUR
    assert picture.crop((0, 0, 96, 16)).getcolors() == [(96 * 16, GREY)]
    assert picture.crop((0, 80, 96, 96)).getcolors() == [(96 * 16, GREY)]


def test_a_small_photo_is_enlarged() -> None:
    picture = prepare(written(quadrants(8, 8), "PNG"), ImageShape(height=64, width=64))

    assert all(
        abs(a - b) <= 20  # Lanczos overshoots a little next to an edge
        for colour, want in zip(corners_of(picture), FOUR, strict=True)
        for a, b in zip(colour, want, strict=True)
    )


def test_fine_detail_is_averaged_not_picked() -> None:
    checks = Image.frombytes("1", (1600, 1600), (b"\xaa" * 200 + b"\x55" * 200) * 800)

    picture = prepare(written(checks.convert("RGB"), "PNG"), ImageShape(height=50, width=50))

    assert all(126 <= low <= high <= 129 for low, high in extrema(picture))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("shape", ["3,32,32", "3,64,96", "3,224,224"])
def test_a_jpeg_decoded_at_a_smaller_scale_gives_nearly_the_same_pixels(
    subsampling: str, shape: str
) -> None:
    """Measured on these: at most 10 levels off, at the edges; 0.4 on average."""
    picture = Image.blend(noise(1603, 1197), quadrants(1603, 1197), 0.5)
    jpeg = written(picture, "JPEG", quality=90, subsampling=subsampling)
    with Image.open(BytesIO(jpeg)) as whole:
        undrafted = written(whole, "BMP")

    difference = ImageChops.difference(
        prepare(jpeg, ImageShape.parse(shape)), prepare(undrafted, ImageShape.parse(shape))
    )

    statistics = ImageStat.Stat(difference)
    assert max(high for _, high in statistics.extrema) <= 12
    assert max(statistics.mean) < 0.6


def test_a_large_jpeg_is_decoded_at_a_smaller_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    resize = Image.Image.resize
    sizes = []

    def watched(image: Image.Image, *args: Any) -> Image.Image:
        sizes.append(image.size)
        return resize(image, *args)

    monkeypatch.setattr(Image.Image, "resize", watched)
    prepare(written(quadrants(3200, 2400), "JPEG"), ImageShape(height=64, width=64))

    assert sizes[0] == (400, 300)


def test_the_edge_of_a_scaled_jpeg_is_not_mixed_with_what_is_beyond_it() -> None:
    image = Image.new("RGB", (801, 801), BLUE)

    picture = prepare(written(image, "JPEG", quality=95), ImageShape(height=20, width=20))

    assert all(high - low <= 2 for low, high in extrema(picture))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_jpeg_and_a_png_of_any_size_fill_the_same_part(width: int, height: int) -> None:
    shape = ImageShape(height=24, width=30)
    image = Image.new("RGB", (width, height), BLUE)
    assume(min(width, height) * min(30 / width, 24 / height) >= 0.5)

    jpeg = prepare(written(image, "JPEG", quality=95), shape)
    png = prepare(written(image, "PNG", compress_level=1), shape)

    assert max(high for _, high in extrema(ImageChops.difference(jpeg, png))) <= 3


def test_a_photo_of_which_nothing_would_be_left_is_refused() -> None:
    photo = written(Image.new("RGB", (1, 50_000), RED), "PNG")

    with pytest.raises(UnusablePhoto, match="nothing of it is left at 224 x 224") as raised:
        prepare(photo, ImageShape(height=224, width=224))
    assert raised.value.code == "too_narrow"


def test_a_photo_as_narrow_as_its_shape_is_taken() -> None:
    picture = noise(1, 4096)
    prepared = prepare(written(picture, "PNG"), ImageShape(height=4096, width=1))
    assert prepared.tobytes() == picture.tobytes()
