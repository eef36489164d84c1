import random
import re
import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scones.photos import ImageShape, UnusablePhoto, prepare, require_decodable
from scones.photos.decoding import MAX_PIXELS
from tests.unit.scones.photos.heif_files import phone_photo
from tests.unit.scones.photos.samples import HEIC, RED, png, quadrants, rgb_tiff, tall_jpeg, written

SHAPE = ImageShape(height=48, width=64)


def noisy() -> Image.Image:
    noise = Image.frombytes("RGB", (64, 48), random.Random(1).randbytes(64 * 48 * 3))
    return Image.blend(noise, quadrants(64, 48), 0.6)


def photos() -> dict[str, bytes]:
    image = noisy()
    exif = Image.Exif()
    exif[0x0112] = 3
    return {
        "JPEG": written(image, "JPEG", exif=exif),
        "progressive JPEG": written(image, "JPEG", progressive=True),
        "CMYK": written(image.convert("CMYK"), "JPEG"),
        "PNG": written(image, "PNG", exif=exif),
        "palette": written(image.quantize(16), "PNG", transparency=3),
        "WebP": written(image, "WEBP", exif=exif),
        "lossless WebP": written(image, "WEBP", lossless=True),
        "GIF": written(image, "GIF"),
        "BMP": written(image, "BMP"),
        "TIFF": written(image, "TIFF"),
        "LZW": written(image, "TIFF", compression="tiff_lzw"),
        "deflate": written(image, "TIFF", compression="tiff_adobe_deflate"),
        "float": written(image.convert("F"), "TIFF"),
        "HEIC": (HEIC / "upright.heic").read_bytes(),
        "turned HEIC": (HEIC / "turned.heic").read_bytes(),
        "transparent HEIC": (HEIC / "transparent.heic").read_bytes(),
        "phone's HEIC": phone_photo(),
    }


PHOTOS = photos()
PILLOW_NAMES = {name: name for name in ("JPEG", "PNG", "GIF", "BMP", "TIFF")} | {
    "WebP": "WEBP",
    "HEIC": "HEIF",
}


def refusal(data: bytes, shape: ImageShape = SHAPE) -> UnusablePhoto:
    with pytest.raises(UnusablePhoto) as raised:
        prepare(data, shape)
    return raised.value


def outcome(check: Callable[[bytes], object], data: bytes) -> tuple[str, str]:
    try:
        check(data)
    except UnusablePhoto as error:
        return error.code, str(error)
    return "usable", ""


@pytest.mark.parametrize("name", PHOTOS)
def test_decoding_alone_finds_what_the_preparation_finds(name: str) -> None:
    whole = PHOTOS[name]
    cuts = [whole[: len(whole) * tenths // 10] for tenths in range(11)]

    found = [outcome(require_decodable, data) for data in cuts]

    assert found == [outcome(lambda data: prepare(data, SHAPE), data) for data in cuts]
    assert found[-1] == ("usable", "")
    assert "usable" not in {code for code, _ in found[:6]}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (b"notes", "the file is not a photo"),
        (b"<html>", "this is an HTML file"),
        (PHOTOS["JPEG"][:400], "the JPEG photo is damaged or incomplete"),
        (PHOTOS["HEIC"][:400], "the HEIC photo is damaged or incomplete"),
    ],
)
def test_the_problem_is_told_without_the_advice(data: bytes, problem: str) -> None:
    assert refusal(data).problem == problem


def test_an_empty_file() -> None:
    error = refusal(b"")
    assert error.code == "empty"
    assert "upload the photo again" in str(error)


@pytest.mark.parametrize("data", [b"\0", b"hello\n" * 100, bytes(5000), b"\x7fELF", b"{}", b"RIFF"])
def test_what_is_not_a_photo(data: bytes) -> None:
    error = refusal(data)
    assert error.code == "not_a_photo"
    assert "upload a JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC photo" in str(error)


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(100)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("PDF", b"%PDF-1.7\n"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("SVG", b"<?xml version='1.0'?>\n<!-- drawn -->\n<!DOCTYPE svg>\n<svg/>"),
        ("SVG", b"\xef\xbb\xbf <SVG/>"),
        ("HTML", b"\n<!DOCTYPE html><html>"),
        ("video", ftyp(b"isom", b"isom", b"mp41")),
        ("video", ftyp(b"qt  ")),
        ("video", b"RIFF\0\0\0\0AVI LIST"),
        ("video", b"\x1aE\xdf\xa3"),
        ("camera raw", ftyp(b"crx ")),
        ("camera raw", b"II*\0\x10\0\0\0CR\2\0"),
        ("camera raw", b"FUJIFILMCCD-RAW 0201"),
        ("camera raw", b"IIRO\x08\0\0\0"),
        ("camera raw", b"IIU\0\x08\0\0\0"),
        ("AVIF", ftyp(b"avif", b"mif1")),
        ("AVIF", ftyp(b"mif1", b"mif1", b"avif")),
        ("JPEG XL", b"\xff\x0a\0"),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("Photoshop", b"8BPS\0\1"),
        ("icon", b"\0\0\1\0\1\0"),
        ("ZIP", b"PK\3\4"),
    ],
)
def test_a_format_that_is_known_but_not_taken_is_named(name: str, data: bytes) -> None:
    error = refusal(data)
    assert error.code == "unsupported_format"
    assert re.search(f"this is an? {name} file", str(error))


def test_formats_that_pillow_knows_and_we_do_not_take_are_never_opened() -> None:
    for format_name in ("PPM", "TGA", "ICO", "JPEG2000", "PCX", "SGI", "DDS"):
        assert refusal(written(noisy(), format_name)).code in {"not_a_photo", "unsupported_format"}


def test_a_photo_is_opened_by_the_decoder_of_its_format_only() -> None:
    """Pillow's PhotoCD decoder looks for its mark only 2,048 bytes into a file."""
    photo_cd = bytes(2048) + b"PCD_" + bytes(96 * 2048 - 2052 + 768 * 512 * 3 // 2)
    with Image.open(BytesIO(photo_cd)) as image:
        assert image.format == "PCD"

    assert refusal(b"GIF89a" + photo_cd[6:]).code == "corrupt"


@pytest.mark.parametrize("tags", [{254: (4, [1])}, {50706: (4, [4])}])
def test_a_raw_file_is_not_taken_for_its_thumbnail(tags: dict[int, tuple[int, list[int]]]) -> None:
    assert refusal(rgb_tiff(8, 8, bytes(192), tags=tags)).code == "unsupported_format"
    assert prepare(rgb_tiff(8, 8, bytes(192)), SHAPE)


# Damage


@pytest.mark.parametrize("name", PHOTOS)
def test_a_truncated_photo_is_refused_wherever_it_ends(name: str) -> None:
    photo = PHOTOS[name]
    whole = prepare(photo, SHAPE).tobytes()

    for end in {*range(1, len(photo), max(1, len(photo) // 60)), len(photo) - 3}:
        try:
            picture = prepare(photo[:end], SHAPE)
        except UnusablePhoto as error:
            assert error.code in {"corrupt", "not_a_photo", "unsupported_format"}
        else:
            assert picture.tobytes() == whole, f"half a picture of {end} bytes"


def test_what_a_damaged_photo_is_told() -> None:
    error = refusal(PHOTOS["WebP"][:-500])
    assert error.code == "corrupt"
    assert str(error).startswith("the WebP photo is damaged or incomplete: upload the whole file")
    assert error.__cause__ is not None


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 8), (8, 0)])
def test_a_photo_without_pixels_is_corrupt(width: int, height: int) -> None:
    assert refusal(png(width, height, 8, 2, [b"\0" * 24] * 8)).code == "corrupt"


def test_floats_that_are_no_numbers_are_corrupt() -> None:
    nan = Image.new("F", (8, 8), float("nan"))

    error = refusal(written(nan, "TIFF"))

    assert error.code == "corrupt"
    assert "no usual white" in str(error.__cause__)


@pytest.mark.parametrize("value", [0xFF, 0x80])
def test_a_heic_item_whose_type_is_not_text_does_not_end_the_process(value: int) -> None:
    photo = bytearray(PHOTOS["turned HEIC"])
    photo[photo.index(b"Exif")] = value

    assert prepare(bytes(photo), SHAPE) == prepare(PHOTOS["turned HEIC"], SHAPE)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF0000WEBP", b"II*\0"]
    )
    | st.sampled_from([b"MM\0*", b"II+\0", b"\0\0\0\x18ftypheic", b"<svg", b"\0\0\0\x18ftyp"]),
    st.binary(max_size=300),
)
def test_random_bytes_raise_nothing_else(beginning: bytes, rest: bytes) -> None:
    try:
        prepare(beginning + rest, SHAPE)
    except UnusablePhoto as error:
        assert error.code


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(PHOTOS)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4),
    st.floats(0.02, 1),
)
def test_damaged_photos_raise_nothing_else(
    name: str, changes: list[tuple[float, bytes]], share: float
) -> None:
    photo = bytearray(PHOTOS[name])
    for where, value in changes:
        at = int(where * share * (len(photo) - len(value)))
        photo[at : at + len(value)] = value

    try:
        picture = prepare(bytes(photo), SHAPE)
    except UnusablePhoto as error:
        assert error.code
    else:
        assert (picture.mode, picture.size) == ("RGB", SHAPE.size)


# Bombs


def jpeg_header(width: int, height: int) -> bytes:
    photo = written(Image.new("RGB", (8, 8), RED), "JPEG")
    return photo.replace(struct.pack(">HH", 8, 8), struct.pack(">HH", height, width), 1)


def gif_header(width: int, height: int) -> bytes:
    photo = written(Image.new("P", (8, 8)), "GIF")
    return photo[:6] + struct.pack("<HH", width, height) + photo[10:]


def bmp_header(width: int, height: int) -> bytes:
    photo = written(Image.new("RGB", (8, 8)), "BMP")
    return photo[:18] + struct.pack("<ii", width, height) + photo[26:]


def webp_header(width: int, height: int) -> bytes:
    photo = written(Image.new("RGB", (8, 8)), "WEBP", lossless=True)
    size = photo.index(b"VP8L") + 9
    packed = width - 1 | height - 1 << 14
    return photo[:size] + struct.pack("<I", packed) + photo[size + 4 :]


def heic_header(width: int, height: int) -> bytes:
    size, new = struct.pack(">II", 96, 64), struct.pack(">II", width, height)
    return PHOTOS["HEIC"].replace(size, new)


BOMBS = {
    "JPEG": jpeg_header(60_000, 50_000),
    "PNG": png(60_000, 50_000, 8, 2, [b""]),
    "GIF": gif_header(60_000, 50_000),
    "BMP": bmp_header(60_000, 50_000),
    "TIFF": rgb_tiff(60_000, 50_000, b""),
    "WebP": webp_header(16_000, 16_000),
    "HEIC": heic_header(30_000, 30_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_too_many_pixels_are_refused_by_the_header(name: str) -> None:
    limit = MAX_PIXELS[PILLOW_NAMES[name]]

    error = refusal(BOMBS[name])

    assert error.code == "too_many_pixels"
    assert f"more than {limit // 10**6} million pixels, the most that a {name} photo" in str(error)
    assert "scale it down" in str(error)


def test_the_limit_is_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, format_name in PILLOW_NAMES.items():
        photo = written(noisy(), "JPEG", progressive=True) if name == "JPEG" else PHOTOS[name]
        pixels = 96 * 64 if name == "HEIC" else 64 * 48
        monkeypatch.setitem(MAX_PIXELS, format_name, pixels)
        prepare(photo, SHAPE)
        monkeypatch.setitem(MAX_PIXELS, format_name, pixels - 1)
        assert refusal(photo).code == "too_many_pixels"


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_pillow_does_not_warn_of_photos_that_are_taken() -> None:
    assert prepare(tall_jpeg(20_000, 10_000), SHAPE).size == SHAPE.size


def test_a_huge_tile_of_a_small_tiff_is_refused() -> None:
    tags = {322: (4, [65_536]), 323: (4, [65_536]), 324: (4, [8]), 325: (4, [192])}
    assert refusal(rgb_tiff(8, 8, bytes(192), tags=tags)).code == "too_many_pixels"


def test_a_bomb_in_the_text_of_a_png_is_not_read() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000))
    photo = png(8, 8, 8, 2, [bytes(24)] * 8, (b"zTXt", text))
    assert prepare(photo, SHAPE).size == SHAPE.size


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    photo = written(noisy(), "JPEG", progressive=True)
    last = photo[photo.rindex(b"\xff\xda") : -2]

    error = refusal(photo[:-2] + last * 100 + photo[-2:])

    assert error.code == "corrupt"
    assert "scans" in str(error.__cause__)


def test_what_follows_a_jpeg_does_not_count() -> None:
    """Phones append a video to a photo, in which any bytes may occur."""
    photo = PHOTOS["JPEG"]
    assert (
        prepare(photo + b"\xff\xda\0\2" * 100_000, SHAPE).tobytes()
        == prepare(photo, SHAPE).tobytes()
    )
