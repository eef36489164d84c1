"""Write a picture as the many kinds of files that people upload."""

import io
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageDraw, ImageFilter

_UPRIGHT_TO_STORED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}

# The Royal Observatory in Greenwich: a position that gives nobody away.
_LATITUDE, _LONGITUDE = (51.0, 28.0, 40.0), (0.0, 0.0, 5.0)


@dataclass(frozen=True)
class Encoding:
    """A kind of picture file.

    Parameters
    ----------
    name : str
        What is special about it.
    suffix : str
        End of its file name.
    encode : callable
        Turns an RGB picture into the file's bytes.
    """

    name: str
    suffix: str
    encode: Callable[[Image.Image, random.Random], bytes]


def plain_jpeg(image: Image.Image, rng: random.Random) -> bytes:
    """Return a JPEG of any quality a phone or a messenger would choose."""
    return _encode(image, "JPEG", quality=rng.randint(40, 94))


def plain_png(image: Image.Image, _: random.Random) -> bytes:
    """Return an 8-bit RGB PNG."""
    return _encode(image, "PNG", compress_level=3)


def _encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _progressive_jpeg(image: Image.Image, rng: random.Random) -> bytes:
    return _encode(image, "JPEG", quality=rng.randint(70, 90), progressive=True)


def _phone_jpeg(orientation: int) -> Callable[[Image.Image, random.Random], bytes]:
    """Return an encoder as a phone's: pixels as the sensor had them, EXIF tells which way is up."""

    def encode(image: Image.Image, rng: random.Random) -> bytes:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        position = exif.get_ifd(ExifTags.IFD.GPSInfo)
        position[ExifTags.GPS.GPSLatitudeRef], position[ExifTags.GPS.GPSLatitude] = "N", _LATITUDE
        position[ExifTags.GPS.GPSLongitudeRef], position[ExifTags.GPS.GPSLongitude] = (
            "W",
            _LONGITUDE,
        )
        stored = image.transpose(_UPRIGHT_TO_STORED[orientation])
        return _encode(stored, "JPEG", quality=rng.randint(75, 95), exif=exif)

    return encode


def _cmyk_jpeg(image: Image.Image, _: random.Random) -> bytes:
    return _encode(image.convert("CMYK"), "JPEG", quality=88)


def _gray_jpeg(image: Image.Image, _: random.Random) -> bytes:
    return _encode(image.convert("L"), "JPEG", quality=85)


def _transparent_png(image: Image.Image, _: random.Random) -> bytes:
    """Return a PNG whose soft, rounded corners are transparent."""
    mask = Image.new("L", image.size)
    radius = min(image.size) // 12
    inside = (radius // 2, radius // 2, image.width - radius // 2, image.height - radius // 2)
    ImageDraw.Draw(mask).rounded_rectangle(inside, radius, fill=255)
    image = image.copy()
    image.putalpha(mask.filter(ImageFilter.GaussianBlur(radius / 4)))
    return _encode(image, "PNG", compress_level=3)


def _palette_png(image: Image.Image, _: random.Random) -> bytes:
    return _encode(image.quantize(64), "PNG")


def _deep_png(image: Image.Image, _: random.Random) -> bytes:
    """Return a PNG of 16 bits of gray, which uses the whole range from 0 to 65,535."""
    gray = image.convert("L").convert("I").point(lambda value: value * 257)
    return _encode(gray.convert("I;16"), "PNG", compress_level=3)


def _webp(image: Image.Image, rng: random.Random) -> bytes:
    return _encode(image, "WEBP", quality=rng.randint(50, 90), method=2)


def _still_gif(image: Image.Image, _: random.Random) -> bytes:
    return _encode(image.quantize(128), "GIF")


def _animated_gif(image: Image.Image, _: random.Random) -> bytes:
    """Return a GIF whose first frame is the picture and whose second is black."""
    black = Image.new("RGB", image.size)
    return _encode(image.quantize(128), "GIF", save_all=True, append_images=[black], duration=400)


def _bmp(image: Image.Image, _: random.Random) -> bytes:
    return _encode(image, "BMP")


def _encode_tiff(image: Image.Image, compression: str) -> bytes:
    # libtiff leaves a gap of one byte after data of odd length. In a file it is zero; in the
    # memory that Pillow would lend it is whatever was there, and no two files are the same.
    with tempfile.TemporaryFile() as file:
        image.save(file, "TIFF", compression=compression)
        file.seek(0)
        return file.read()


def _tiff(image: Image.Image, _: random.Random) -> bytes:
    return _encode_tiff(image, "tiff_lzw")


def _cmyk_tiff(image: Image.Image, _: random.Random) -> bytes:
    return _encode_tiff(image.convert("CMYK"), "tiff_adobe_deflate")


ENCODINGS = (
    Encoding("JPEG", ".jpg", plain_jpeg),
    Encoding("JPEG, EXIF orientation 6, GPS", ".jpg", _phone_jpeg(6)),
    Encoding("PNG with alpha", ".png", _transparent_png),
    Encoding("WebP", ".webp", _webp),
    Encoding("PNG of 16 bits", ".png", _deep_png),
    Encoding("CMYK TIFF", ".tiff", _cmyk_tiff),
    Encoding("PNG with a palette", ".png", _palette_png),
    Encoding("GIF", ".gif", _still_gif),
    Encoding("BMP", ".bmp", _bmp),
    Encoding("CMYK JPEG", ".jpeg", _cmyk_jpeg),
    Encoding("JPEG, EXIF orientation 8, GPS", ".JPG", _phone_jpeg(8)),
    Encoding("TIFF", ".tif", _tiff),
    Encoding("animated GIF", ".gif", _animated_gif),
    Encoding("PNG named .jpg", ".jpg", plain_png),
    Encoding("JPEG, EXIF orientation 3, GPS", ".jpg", _phone_jpeg(3)),
    Encoding("progressive JPEG", ".jpg", _progressive_jpeg),
    Encoding("gray JPEG", ".jpg", _gray_jpeg),
)
