"""From a photo's file to its pixels, without trusting the file."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple, cast

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from scones.photos.formats import UnusablePhoto, display_name, format_of, unsupported
from scones.photos.gif import first_frame
from scones.photos.heif import hide_unneeded_items
from scones.photos.jpeg import decode_jpeg, read_frame
from scones.photos.png import MAX_PROFILE_BYTES, bit_depth, keep_needed_chunks, transparent_sample
from scones.photos.tiff import UNSIGNED, Samples, hide_unneeded_tags

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

MAX_PIXELS = {
    "JPEG": 120_000_000,
    "PNG": 120_000_000,
    "GIF": 120_000_000,
    "BMP": 120_000_000,
    "TIFF": 65_000_000,
    "WEBP": 65_000_000,
    "HEIF": 65_000_000,
}
"""The most pixels of a photo, by Pillow's name for its format.

As many as phones make (64 million in HEIC), and no more than decode in 1.5 GiB:
``tests/unit/photos/README.md`` has the measurements.
"""

MAX_STREAMED_PIXELS = 500_000_000
"""The most pixels of a JPEG that is decoded row by row, as all are but progressive ones: at an
eighth of its scale it takes little memory, and a second at most."""

Image.MAX_IMAGE_PIXELS = MAX_STREAMED_PIXELS  # Pillow guards what only its decoders see
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES

_WHITE_LEVELS = (1.0, 255.0, 65535.0, 2.0**32)
"""What white is in floating point, and in 8, 16 and 32 bits stored in 32."""

_EIGHT_BITS = 8
_GRAY_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_PNG_SAMPLES = Samples(bits=16, form=1, white_is_zero=False)


class Decoded(NamedTuple):
    """A photo as its decoder gives it, not yet upright.

    Attributes
    ----------
    image
        In mode L, RGB, RGBA or CMYK; perhaps at a smaller scale than the photo.
    box
        The part of the image that is photo (left, upper, right, lower): at a smaller scale the
        last row and column may be so only in part.
    orientation
        As in EXIF, 1 to 8; 1 also where the decoder has turned the photo already.
    profile
        The embedded ICC profile, valid or not.
    """

    image: Image.Image
    box: tuple[float, float, float, float]
    orientation: int
    profile: bytes | None


def decode(data: bytes, min_size: int) -> Decoded:
    """Decode the first frame of a photo.

    Parameters
    ----------
    data
        The file, whole.
    min_size
        Pixels on the longer side that will do: a JPEG with more is decoded at a half, a quarter
        or an eighth of its scale, which takes little memory and time.

    Raises
    ------
    UnusablePhoto
        If it is no photo, can't be read or has too many pixels.
    """
    name = format_of(data)
    with _unreadable_is_corrupt(name):
        if name == "JPEG":
            return _decode_jpeg(data, min_size)
        return _DECODERS[name](data)


def require_decodable(data: bytes) -> None:
    """Raise an error unless a photo can be decoded.

    Parameters
    ----------
    data
        The file, whole. A JPEG is decoded at an eighth of its scale, which reads all of it.

    Raises
    ------
    UnusablePhoto
        As for `decode`.
    """
    decode(data, min_size=1)


def _decode_jpeg(data: bytes, min_size: int) -> Decoded:
    frame = read_frame(data)
    photo = Image.open(BytesIO(frame.data), formats=["JPEG"])
    limit = MAX_PIXELS["JPEG"] if frame.buffered else MAX_STREAMED_PIXELS
    _reject_bomb(photo, "JPEG", limit)
    orientation, profile = _orientation(photo), photo.info.get("icc_profile")
    image, box = decode_jpeg(photo, frame.data, min_size)
    return Decoded(image, box, orientation, profile)


def _decode_png(data: bytes) -> Decoded:
    png = keep_needed_chunks(data)
    photo = _opened(png, "PNG")
    sample = transparent_sample(png)
    if sample is None or photo.info.pop("transparency", None) is None:
        return _decoded(_eight_bits(photo), photo)
    visible = _differs(photo, sample, bit_depth(png))
    image = _eight_bits(photo).convert("RGBA")
    image.putalpha(Image.fromarray(visible.astype(np.uint8) * 255))
    return _decoded(image, photo)


def _differs(photo: Image.Image, sample: Sequence[int], depth: int) -> NDArray[np.bool_]:
    """Tell which pixels are not of a color, given as stored: Pillow has brought most to 8 bits."""
    if photo.mode == "I;16":
        pixels, color = np.asarray(photo), [sample[0]]
    else:
        pixels = np.asarray(photo.convert("L") if photo.mode == "1" else photo)
        most = 2**depth - 1
        color = [value >> 8 if depth == 16 else value * 255 // most for value in sample]
    differs: NDArray[np.bool_] = pixels.reshape(*pixels.shape[:2], -1) != color
    return cast(NDArray[np.bool_], differs.any(axis=2))


def _decode_tiff(data: bytes) -> Decoded:
    tiff, samples = hide_unneeded_tags(data)
    try:
        photo = _opened(tiff, "TIFF")
    except UnidentifiedImageError as error:
        # Its tags could be read, and Pillow knows no mode for them.
        raise unsupported("a TIFF file with pixels of an unusual kind") from error
    deep = samples.bits > _EIGHT_BITS and photo.mode in _GRAY_MODES
    return _decoded(_eight_bit_gray(photo, samples) if deep else _eight_bits(photo), photo)


def _decode_bmp(data: bytes) -> Decoded:
    try:
        photo = _opened(data, "BMP")
    except OSError as error:
        if str(error).startswith("Unsupported BMP"):
            raise unsupported("a BMP file with pixels of an unusual kind") from error
        raise
    image = _eight_bits(photo)
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        # A mask for alpha that nobody has written to: other programs show such a photo.
        image = image.convert("RGB")
    return _decoded(image, photo)


def _decode_gif(data: bytes) -> Decoded:
    photo = _opened(first_frame(data), "GIF")
    return _decoded(_eight_bits(photo), photo)


def _decode_heif(data: bytes) -> Decoded:
    photo = _opened(hide_unneeded_items(data), "HEIF")
    return _decoded(_eight_bits(photo), photo)


def _decode_webp(data: bytes) -> Decoded:
    photo = _opened(data, "WEBP")
    return _decoded(_eight_bits(photo), photo)


_DECODERS = {
    "BMP": _decode_bmp,
    "GIF": _decode_gif,
    "HEIF": _decode_heif,
    "PNG": _decode_png,
    "TIFF": _decode_tiff,
    "WEBP": _decode_webp,
}


def _decoded(image: Image.Image, photo: Image.Image) -> Decoded:
    """Give an image with what the photo that it was made of says about it."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        raise UnusablePhoto(
            "transparent", "nothing of the photo is visible: save it without transparency"
        )
    profile = photo.info.get("icc_profile")
    return Decoded(image, (0, 0, *image.size), _orientation(photo), profile)


def _opened(data: bytes, name: str) -> Image.Image:
    """Read a photo's header, refuse what is not safe to decode, and decode the first frame."""
    photo = Image.open(BytesIO(data), formats=[name])
    _reject_bomb(photo, name, MAX_PIXELS[name])
    photo.load()
    return photo


@contextmanager
def _unreadable_is_corrupt(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into UnusablePhoto.

    Decoders raise nearly anything for damaged data: OSError, SyntaxError, struct.error, KeyError,
    a MemoryError where a few bytes ask for terabytes.
    """
    try:
        yield
    except UnusablePhoto:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(name, MAX_PIXELS[name]) from error
    except Exception as error:
        raise UnusablePhoto(
            "corrupt",
            f"the {display_name(name)} photo is damaged or incomplete: "
            "upload the whole file again, or take the photo again",
        ) from error


def _reject_bomb(photo: Image.Image, name: str, limit: int) -> None:
    """Refuse, from its header alone, what takes too much memory to decode."""
    tags = getattr(photo, "tag_v2", {})  # a TIFF's tiles are decoded whole, however large
    tile = tags.get(ExifTags.Base.TileWidth, 1) * tags.get(ExifTags.Base.TileLength, 1)
    if max(photo.width * photo.height, tile) > limit:
        raise _too_many_pixels(name, limit)


def _too_many_pixels(name: str, limit: int) -> UnusablePhoto:
    return UnusablePhoto(
        "too_many_pixels",
        f"the photo has more than {limit // 10**6} million pixels, the most that a "
        f"{display_name(name)} photo may have: scale it down and upload it again",
    )


def _orientation(photo: Image.Image) -> int:
    """Read the EXIF orientation; a photo whose EXIF is broken is shown as it is stored."""
    try:
        orientation = photo.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, struct.error):
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _eight_bits(photo: Image.Image) -> Image.Image:
    """Bring a photo to 8 bits a channel and to a mode that can be scaled smoothly."""
    if photo.mode in _GRAY_MODES:
        return _eight_bit_gray(photo, _PNG_SAMPLES)
    if photo.mode == "CMYK":
        return photo
    if photo.has_transparency_data:
        return _in_mode("RGBA", photo)
    return _in_mode("L" if photo.mode in {"1", "L"} else "RGB", photo)


def _in_mode(mode: str, photo: Image.Image) -> Image.Image:
    """Convert a photo, without the copy that Pillow makes where there is nothing to convert."""
    return photo if photo.mode == mode else photo.convert(mode)


def _eight_bit_gray(photo: Image.Image, samples: Samples) -> Image.Image:
    """Scale grey of 12, 16 or 32 bits, or of floating point, to 8 bits.

    12 and 16 bits use their whole range. The others have no agreed white: it is the first of the
    usual ones that no pixel passes.
    """
    if photo.mode.startswith("I;16"):
        deep = photo if photo.mode == "I;16" else photo.convert("F")
        white = float(2**samples.bits - 1)
    else:
        deep = (
            _unsigned(photo)
            if samples.form == UNSIGNED and photo.mode == "I"
            else photo.convert("F")
        )
        white = _white(deep)
    scale, black = (-255 / white, 255) if samples.white_is_zero else (255 / white, 0)
    return deep.point(lambda value: value * scale + (black + 0.5)).convert("L")


def _unsigned(photo: Image.Image) -> Image.Image:
    """Read pixels of 32 bits as unsigned: Pillow takes them for signed."""
    return Image.fromarray(np.asarray(photo).view(np.uint32).astype(np.float32))


def _white(photo: Image.Image) -> float:
    _, brightest = cast(tuple[float, float], photo.getextrema())
    if not brightest <= _WHITE_LEVELS[-1]:
        raise ValueError(f"no usual white for pixels as bright as {brightest}")
    return next(white for white in _WHITE_LEVELS if brightest <= white)
