"""Photos that programs of the world write and damage: the right picture, or the right reason."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from scones.photos import ImageShape, UnusablePhoto, prepare
from scones.photos.gif import MAX_BLOCKS, first_frame
from scones.photos.jpeg import MAX_SEGMENTS
from scones.photos.png import MAX_CHUNKS
from scones.photos.tiff import MAX_PARTS
from tests.unit.scones.photos.samples import tall_jpeg

SHAPE = ImageShape.parse("3,32,32")
GREYS = ((0, 64), (128, 255))
COLORS = (((255, 0, 0), (0, 255, 0)), ((0, 0, 255), (255, 255, 255)))


def quarters(values: Any, side: int = 32) -> np.ndarray:
    return np.asarray(values).repeat(side, axis=0).repeat(side, axis=1)


def encoded(mode: str, file_format: str, **options: Any) -> bytes:
    values = COLORS if mode in ("RGB", "CMYK") else GREYS
    noise = np.random.default_rng(0).integers(-60, 61, quarters(values, 128).shape)
    pixels = (quarters(values, 128) + noise).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, file_format, **options)
    return file.getvalue()


def outcome(data: bytes) -> Any:
    """Return the middle of each quarter of the picture, or the code that it is refused with."""
    try:
        picture = np.asarray(prepare(data, SHAPE)).astype(int)
    except UnusablePhoto as error:
        return error.code
    return [picture[y, x].tolist() for y in (8, 24) for x in (8, 24)]


def greys(*values: int) -> list[list[int]]:
    return [[value] * 3 for value in values]


def assert_shows(data: bytes, expected: Iterable[Iterable[int]], within: int = 2) -> None:
    found = outcome(data)
    assert not isinstance(found, str), found
    assert np.abs(np.asarray(found) - np.asarray(list(expected))).max() <= within


KINDS = {
    "baseline": encoded("RGB", "JPEG"),
    "progressive": encoded("RGB", "JPEG", progressive=True),
    "grey": encoded("L", "JPEG"),
    "CMYK": encoded("CMYK", "JPEG"),
}


class TestJpeg:
    @pytest.mark.parametrize("kind", KINDS)
    def test_whole_ones_are_taken(self, kind: str) -> None:
        assert not isinstance(outcome(KINDS[kind]), str)

    @pytest.mark.parametrize("size", [(1086, 611), (611, 1086), (255, 257), (33, 31), (2, 3)])
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_a_smaller_scale_shows_the_same(self, mode: str, size: tuple[int, int]) -> None:
        file = io.BytesIO()
        photo = Image.fromarray(quarters(COLORS).astype(np.uint8)).resize(size)
        photo.convert(mode).save(file, "JPEG", quality=95)
        whole = io.BytesIO()
        Image.open(io.BytesIO(file.getvalue())).convert("RGB").save(whole, "PNG")

        found = np.asarray(prepare(file.getvalue(), SHAPE)).astype(int)
        expected = np.asarray(prepare(whole.getvalue(), SHAPE)).astype(int)
        assert np.abs(found - expected).mean() < 2

    @pytest.mark.parametrize("kind", KINDS)
    def test_zeros_in_the_second_half_are_damage(self, kind: str) -> None:
        half = len(KINDS[kind]) // 2
        assert outcome(KINDS[kind][:half] + bytes(half)) == "corrupt"
        assert outcome(KINDS[kind][:half] + bytes(half - 2) + b"\xff\xd9") == "corrupt"

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_part_that_was_lost_is_damage(self, kind: str) -> None:
        half = len(KINDS[kind]) // 2
        assert outcome(KINDS[kind][:half] + KINDS[kind][half + 1000 :]) == "corrupt"

    @pytest.mark.parametrize("kind", KINDS)
    def test_one_that_was_cut_and_closed_is_damage(self, kind: str) -> None:
        half = len(KINDS[kind]) // 2
        assert outcome(KINDS[kind][:half] + b"\xff\xd9") == "corrupt"
        assert outcome(KINDS[kind][:half]) == "corrupt"

    @pytest.mark.parametrize("kind", KINDS)
    def test_one_that_was_sent_as_text_is_damage(self, kind: str) -> None:
        assert outcome(KINDS[kind].replace(b"\n", b"\r\n")) == "corrupt"

    @pytest.mark.parametrize("kind", KINDS)
    def test_one_without_its_last_two_bytes_may_lack_more(self, kind: str) -> None:
        assert outcome(KINDS[kind][:-2]) == "corrupt"

    @pytest.mark.parametrize("kind", KINDS)
    def test_padding_before_the_end_costs_nothing(self, kind: str) -> None:
        padded = KINDS[kind][:-2] + bytes(20) + b"\xff\xd9"
        assert outcome(padded) == outcome(KINDS[kind])
        assert outcome(KINDS[kind] + bytes(20)) == outcome(KINDS[kind])

    def test_parameters_of_a_sequential_scan_mean_nothing(self) -> None:
        at = KINDS["baseline"].rindex(b"\x00\x3f\x00", 0, 2000)
        changed = bytearray(KINDS["baseline"])
        changed[at : at + 3] = b"\x00\x00\x00"
        assert outcome(bytes(changed)) == outcome(KINDS["baseline"])

    @pytest.mark.parametrize(("offset", "value"), [(4, 12), (1, 0xC3), (1, 0xC9)])
    def test_kinds_that_are_not_decoded_are_named(self, offset: int, value: int) -> None:
        changed = bytearray(KINDS["baseline"])
        changed[KINDS["baseline"].index(b"\xff\xc0") + offset] = value
        assert outcome(bytes(changed)) == "unsupported_format"

    def test_too_many_segments_are_refused(self) -> None:
        comments = b"\xff\xfe\x00\x02" * (MAX_SEGMENTS + 1)
        jpeg = KINDS["baseline"]
        assert outcome(jpeg[:2] + comments + jpeg[2:]) == "corrupt"

    def test_photos_of_200_megapixels_are_taken(self) -> None:
        data = tall_jpeg(20_000, 10_000)
        assert Image.open(io.BytesIO(data)).size == (20_000, 10_000)
        assert outcome(data) != "too_many_pixels"
        assert not isinstance(outcome(data), str)

    def test_an_index_of_pictures_that_are_not_there_costs_nothing(self) -> None:
        first, second = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
        file = io.BytesIO()
        first.save(file, "MPO", save_all=True, append_images=[second])
        data = bytearray(file.getvalue())
        count = data.index(b"\x01\xb0\x04\x00") + 8  # tag 0xB001, NumberOfImages
        data[count : count + 4] = (9).to_bytes(4, "little")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_shows(bytes(data), [(254, 0, 0)] * 4)


def chunk(kind: bytes, body: bytes, *, damaged: bool = False) -> bytes:
    crc = zlib.crc32(kind + body) ^ damaged
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(pixels: np.ndarray, depth: int, color: int, *chunks: bytes) -> bytes:
    """Encode samples as they are given, 16 bits big-endian, fewer bits packed."""
    height, width = pixels.shape[:2]
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in pixels]
    else:
        bits = np.unpackbits(pixels.astype(np.uint8).reshape(height, -1, 1), axis=2)[:, :, -depth:]
        rows = [np.packbits(row).tobytes() for row in bits.reshape(height, -1)]
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


RGB_PNG = quarters(COLORS)
ALL_COLORS = [color for row in COLORS for color in row]
COMPRESSED = zlib.compress(bytes(1_500_000))


class TestPng:
    @pytest.mark.parametrize(
        "extra",
        [
            chunk(b"pHYs", bytes(9), damaged=True),
            chunk(b"iCCP", b"p\0\0" + COMPRESSED, damaged=True),
            chunk(b"tEXt", b"a\0b", damaged=True),
            chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000))),
            chunk(b"iCCP", b"p\0\0" + COMPRESSED),
            chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(2**23))),
            chunk(b"iCCP", b"p\0\0no zlib"),
            chunk(b"eXIf", b"no EXIF"),
        ],
        ids=["pHYs", "damaged iCCP", "tEXt", "zTXt", "iCCP", "large iCCP", "bad iCCP", "eXIf"],
    )
    def test_metadata_never_costs_the_picture(self, extra: bytes) -> None:
        assert_shows(png(RGB_PNG, 8, 2, extra), ALL_COLORS)

    def test_damage_of_the_picture_is_damage(self) -> None:
        data = png(RGB_PNG, 8, 2)
        at = data.index(b"IDAT") + 20
        assert outcome(data[:at] + bytes(4) + data[at + 4 :]) == "corrupt"

    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_a_transparent_grey_shows_the_padding(self, depth: int) -> None:
        white = 2**depth - 1
        transparent = chunk(b"tRNS", struct.pack(">H", white))
        data = png(quarters(((0, white), (0, 0))), depth, 0, transparent)
        assert_shows(data, greys(0, 128, 0, 0), 0)

    @pytest.mark.parametrize("depth", [8, 16])
    def test_a_transparent_color_shows_the_padding(self, depth: int) -> None:
        scale = 257 if depth == 16 else 1
        transparent = chunk(b"tRNS", struct.pack(">HHH", 0, 255 * scale, 0))
        data = png(RGB_PNG * scale, depth, 2, transparent)
        expected = list(ALL_COLORS)
        expected[1] = (128, 128, 128)
        assert_shows(data, expected, 0)

    def test_a_photo_without_a_visible_pixel_is_refused(self) -> None:
        transparent = chunk(b"tRNS", struct.pack(">H", 7))
        assert outcome(png(quarters(((7, 7), (7, 7))), 8, 0, transparent)) == "transparent"

    def test_too_many_chunks_are_refused(self) -> None:
        assert outcome(png(RGB_PNG, 8, 2, chunk(b"tEXt", b"") * MAX_CHUNKS)) == "corrupt"


BYTE, ASCII, SHORT, LONG = 1, 2, 3, 4


def tiff(
    samples: np.ndarray,
    bits: int,
    *more: tuple[int, int, list[int]],
    order: Literal["<", ">"] = "<",
    photometric: int = 1,
    planar: int = 1,
    sample_format: int = 1,
    packed: bytes | None = None,
) -> bytes:
    """Write an uncompressed TIFF with one strip a plane, and tags as given."""
    height, width = samples.shape[:2]
    count = samples.shape[2] if samples.ndim == 3 else 1
    planes = [samples[:, :, n] for n in range(count)] if planar == 2 else [samples]
    strips = (
        [packed]
        if packed is not None
        else [p.astype(p.dtype.newbyteorder(order)).tobytes() for p in planes]
    )
    offsets = [8 + sum(map(len, strips[:n])) for n in range(len(strips))]
    tags = [
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [bits] * count),
        (259, SHORT, [1]),
        (262, SHORT, [photometric]),
        (273, LONG, offsets),
        (277, SHORT, [count]),
        (278, LONG, [height]),
        (279, LONG, [len(strip) for strip in strips]),
        (284, SHORT, [planar]),
        (339, SHORT, [sample_format] * count),
        *more,
    ]
    sizes = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I"}
    start = 8 + sum(map(len, strips))
    end = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for number, kind, given in sorted(tags):
        body = struct.pack(f"{order}{len(given)}{sizes[kind]}", *given)
        if len(body) > 4:
            entries += struct.pack(f"{order}HHII", number, kind, len(given), end + len(values))
            values += body
        else:
            entries += struct.pack(f"{order}HHI", number, kind, len(given)) + body.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return (
        head + b"".join(strips) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values
    )


def u(bits: int, values: Any) -> np.ndarray:
    return quarters(values).astype(f"u{bits // 8}")


FULL = ((0, 16384), (32768, 65535))


def assert_shows_or_refuses(data: bytes, expected: list[list[int]], order: str) -> None:
    """Pillow decodes some kinds only where the first byte of a sample is its least."""
    if order == "<":
        assert_shows(data, expected, 1)
    else:
        assert outcome(data) == "unsupported_format"


@pytest.mark.parametrize("order", ["<", ">"])
class TestTiff:
    def test_metadata_of_a_wrong_type_costs_nothing(self, order: Literal["<", ">"]) -> None:
        xmp = (700, ASCII, list(b"<x:xmpmeta>  \0"))
        data = tiff(u(8, COLORS), 8, xmp, photometric=2, order=order)
        assert_shows(data, ALL_COLORS)

    def test_grey_of_16_bits(self, order: Literal["<", ">"]) -> None:
        assert_shows(tiff(u(16, FULL), 16, order=order), greys(0, 64, 128, 255), 1)
        inverted = tiff(u(16, FULL), 16, order=order, photometric=0)
        assert_shows_or_refuses(inverted, greys(255, 191, 127, 0), order)

    def test_colors_of_16_bits(self, order: Literal["<", ">"]) -> None:
        samples = u(16, COLORS) * 257
        assert_shows(tiff(samples, 16, photometric=2, order=order), ALL_COLORS, 1)
        planes = tiff(samples, 16, photometric=2, planar=2, order=order)
        assert outcome(planes) == "unsupported_format"

    def test_grey_of_12_bits(self, order: Literal["<", ">"]) -> None:
        values = quarters(((0, 1024), (2048, 4095)))
        bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(64, -1, 2), axis=2)
        packed = np.packbits(bits[:, :, 4:].reshape(64, -1), axis=1).tobytes()
        data = tiff(values, 12, packed=packed, order=order)
        assert_shows_or_refuses(data, greys(0, 64, 128, 255), order)

    def test_whole_numbers_of_32_bits(self, order: Literal["<", ">"]) -> None:
        values = ((0, 2**30), (2**31, 2**32 - 1))
        data = tiff(u(32, values), 32, order=order)
        assert_shows_or_refuses(data, greys(0, 64, 128, 255), order)

    def test_floating_point(self, order: Literal["<", ">"]) -> None:
        values = quarters(((0.0, 0.25), (0.5, 1.0))).astype("f4")
        assert_shows(tiff(values, 32, sample_format=3, order=order), greys(0, 64, 128, 255), 1)
        double = tiff(values.astype("f8"), 64, sample_format=3, order=order)
        assert outcome(double) == "unsupported_format"

    def test_signed_whole_numbers_are_not_decoded(self, order: Literal["<", ">"]) -> None:
        values = quarters(((-30000, 0), (0, 30000))).astype("i2")
        assert outcome(tiff(values, 16, sample_format=2, order=order)) == "unsupported_format"

    def test_grey_of_16_bits_with_alpha_is_not_decoded(self, order: Literal["<", ">"]) -> None:
        samples = np.stack([u(16, FULL), u(16, FULL)], axis=2)
        data = tiff(samples, 16, (338, SHORT, [2]), order=order)
        assert outcome(data) == "unsupported_format"

    def test_too_many_strips_are_refused(self, order: Literal["<", ">"]) -> None:
        data = tiff(u(8, GREYS), 8, order=order)
        at = data.index(struct.pack(f"{order}HHI", 273, LONG, 1)) + 4
        many = struct.pack(f"{order}I", MAX_PARTS + 1)
        assert outcome(data[:at] + many + data[at + 4 :]) == "corrupt"


def test_bigtiff_is_read() -> None:
    file = io.BytesIO()
    image = Image.fromarray(RGB_PNG.astype(np.uint8))
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = "a description"
    image.save(file, "TIFF", big_tiff=True, tiffinfo=info)
    assert_shows(file.getvalue(), ALL_COLORS)


def bmp(masks: tuple[int, int, int, int], bits: int, compression: int, pixels: bytes) -> bytes:
    """Write a bitmap with the header BITMAPV4HEADER."""
    header = struct.pack(
        "<IiiHHIIiiII", 108, 64, -64, 1, bits, compression, len(pixels), 0, 0, 0, 0
    )
    header += struct.pack("<4I", *masks) + bytes(52)
    return (
        b"BM"
        + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, 14 + len(header))
        + header
        + pixels
    )


class TestBmp:
    BGRA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)

    def test_an_alpha_that_nobody_wrote_is_opaque(self) -> None:
        pixels = np.dstack([quarters(COLORS)[:, :, ::-1], np.zeros((64, 64))]).astype(np.uint8)
        assert_shows(bmp(self.BGRA, 32, 3, pixels.tobytes()), ALL_COLORS, 0)

    def test_an_alpha_is_used(self) -> None:
        alpha = quarters(((255, 0), (255, 255)))
        pixels = np.dstack([quarters(COLORS)[:, :, ::-1], alpha]).astype(np.uint8)
        expected = list(ALL_COLORS)
        expected[1] = (128, 128, 128)
        assert_shows(bmp(self.BGRA, 32, 3, pixels.tobytes()), expected, 0)

    @pytest.mark.parametrize("compression", [3, 6])
    def test_kinds_that_are_not_decoded_are_named(self, compression: int) -> None:
        data = bmp((0xF00, 0xF0, 0xF, 0xF000), 16, compression, bytes(64 * 64 * 2))
        assert outcome(data) == "unsupported_format"


class TestGif:
    COMMENT = b"!\xfe\x01c\x00"

    def test_only_the_first_frame_is_read(self) -> None:
        file = io.BytesIO()
        frames = [Image.new("RGB", (64, 64), name) for name in ("red", "blue")]
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], comment=b"c" * 600)
        data = file.getvalue()

        assert b"ccc" not in first_frame(data)
        assert len(first_frame(data)) < len(data)
        assert_shows(data, [(255, 0, 0)] * 4, 0)

    def with_comments(self, count: int) -> tuple[bytes, bytes]:
        """Return a GIF, and the same with comments before its frame."""
        data = encoded("L", "GIF")
        at = 13 + (3 << (data[10] & 7) + 1)
        return data, data[:at] + self.COMMENT * count + data[at:]

    def test_many_comments_are_left_out(self) -> None:
        data, commented = self.with_comments(1000)
        assert outcome(commented) == outcome(data)
        assert first_frame(commented) == first_frame(data)

    def test_too_many_blocks_are_refused(self) -> None:
        _, commented = self.with_comments(MAX_BLOCKS // 2 + 1)
        assert outcome(commented) == "corrupt"

    @pytest.mark.parametrize("left", [3, 12, 100, 500, 800, 2000])
    def test_one_that_was_cut_is_damage(self, left: int) -> None:
        assert outcome(encoded("L", "GIF")[:left]) in ("corrupt", "not_a_photo")
