"""From a photo's file to its pixels, without trusting the file."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import ceil
from typing import NamedTuple, cast

import pillow_heif
from PIL import ExifTags, Image

from scones.photos.formats import UnusablePhoto, format_of, spoken, unsupported
from scones.photos.heif import hide_unneeded_items

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

As many as phones make (108 million in JPEG, 64 in HEIC), and no more than decode in 1.5 GiB:
``tests/unit/photos/README.md`` has the measurements.
"""

Image.MAX_IMAGE_PIXELS = max(MAX_PIXELS.values())  # Pillow guards what only its decoders see

MAX_SCANS = 50
"""The most scans of a JPEG. A progressive one has about ten; each costs time in proportion to the
pixels however few bytes it has, and thousands fit in a small file."""

_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""Markers other than those within compressed data (ITU-T T.81, B.1.1.3)."""

_USUAL_WHITES = (1.0, 255.0, 65535.0, 2.0**32)
"""What white is in floating point, and in 8, 16 and 32 bits stored in 32."""


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


def decode(data: bytes, enough: int) -> Decoded:
    """Decode the first frame of a photo.

    Parameters
    ----------
    data
        The file, whole.
    enough
        Pixels on the longer side that will do: a JPEG with more is decoded at a half, a quarter
        or an eighth of its scale, which takes little memory and time.

    Raises
    ------
    UnusablePhoto
        If it is no photo, can't be read or has too many pixels.
    """
    name = format_of(data)
    with _unreadable_is_corrupt(name), _opened(data, name) as photo:
        scale = enough / max(photo.size)
        drafted = photo.draft(None, (ceil(photo.width * scale), ceil(photo.height * scale)))
        photo.load()
        box = drafted[1] if drafted else (0, 0, *photo.size)
        return Decoded(_eight_bits(photo), box, _orientation(photo), photo.info.get("icc_profile"))


def _opened(data: bytes, name: str) -> Image.Image:
    """Read a photo's header, and refuse what is not safe to decode."""
    if name == "JPEG":
        _refuse_scans(data)
    if name == "HEIF":
        data = hide_unneeded_items(data)
    photo = Image.open(BytesIO(data), formats=[name])
    _refuse_raw(photo)
    _refuse_bomb(photo, name)
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
        raise _too_many_pixels(name) from error
    except Exception as error:
        raise UnusablePhoto(
            "corrupt",
            f"the {spoken(name)} photo is damaged or incomplete: "
            "upload the whole file again, or take the photo again",
        ) from error


def _refuse_raw(photo: Image.Image) -> None:
    """Refuse a camera's raw file posing as TIFF: its first frame is a preview of a few pixels.

    NewSubfileType (TIFF 6.0, tag 254) says of such a frame that it is a reduced version.
    """
    tags = getattr(photo, "tag_v2", {})
    if ExifTags.Base.DNGVersion in tags or tags.get(ExifTags.Base.NewSubfileType, 0) & 1:
        raise unsupported("camera raw")


def _refuse_bomb(photo: Image.Image, name: str) -> None:
    """Refuse, from its header alone, what takes too much memory to decode."""
    tags = getattr(photo, "tag_v2", {})  # a TIFF's tiles are decoded whole, however large
    tile = tags.get(ExifTags.Base.TileWidth, 1) * tags.get(ExifTags.Base.TileLength, 1)
    if max(photo.width * photo.height, tile) > MAX_PIXELS[name]:
        raise _too_many_pixels(name)


def _too_many_pixels(name: str) -> UnusablePhoto:
    return UnusablePhoto(
        "too_many_pixels",
        f"the photo has more than {MAX_PIXELS[name] // 10**6} million pixels, the most that a "
        f"{spoken(name)} photo may have: scale it down and upload it again",
    )


def _refuse_scans(jpeg: bytes) -> None:
    scans = 0
    at = 2
    while (marker := _JPEG_MARKER.search(jpeg, at)) and marker[1] != b"\xd9":
        scans += marker[1] == b"\xda"
        if scans > MAX_SCANS:
            raise ValueError(f"more than {MAX_SCANS} scans")
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2])


def _orientation(photo: Image.Image) -> int:
    """Read the EXIF orientation; a photo whose EXIF is broken is shown as it is stored."""
    try:
        orientation = photo.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, struct.error):
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _eight_bits(photo: Image.Image) -> Image.Image:
    """Bring a photo to 8 bits a channel and to a mode that can be scaled smoothly."""
    if photo.mode.startswith(("I", "F")):
        return _eight_bit_grey(photo)
    if photo.mode == "CMYK":
        return photo
    if photo.has_transparency_data:
        return _in_mode("RGBA", photo)
    return _in_mode("L" if photo.mode in {"1", "L"} else "RGB", photo)


def _in_mode(mode: str, photo: Image.Image) -> Image.Image:
    """Convert a photo, without the copy that Pillow makes where there is nothing to convert."""
    return photo if photo.mode == mode else photo.convert(mode)


def _eight_bit_grey(photo: Image.Image) -> Image.Image:
    """Scale grey of 16 or 32 bits, or of floating point, to 8 bits.

    16 bits use their whole range. The others have no agreed white: it is the first of the usual
    ones that no pixel passes.
    """
    sixteen_bits = photo.mode.startswith("I;16")
    deep = photo if photo.mode == "I;16" else photo.convert("F")
    white = 65535.0 if sixteen_bits else _white(deep)
    return deep.point(lambda value: value * (255 / white) + 0.5).convert("L")


def _white(photo: Image.Image) -> float:
    _, brightest = cast(tuple[float, float], photo.getextrema())
    if not brightest <= _USUAL_WHITES[-1]:
        raise ValueError(f"no usual white for pixels as bright as {brightest}")
    return next(white for white in _USUAL_WHITES if brightest <= white)
