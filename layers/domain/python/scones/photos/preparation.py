"""From a photo's file to the picture a model takes."""

from contextlib import suppress
from io import BytesIO
from typing import cast

from PIL import Image, ImageCms

from scones.photos.decoding import Decoded, decode
from scones.photos.formats import UnusablePhoto
from scones.photos.shape import ImageShape

MID_GRAY = (128, 128, 128)
"""What is not photo: the padding, and what shows through transparent pixels. One value for both,
so that a model learns "nothing here" once; the middle one, as the least bright and least dark."""

REDUCING_GAP = 4
"""Quick, coarse scaling stops at this multiple of the final size; Lanczos does the rest. Against
Lanczos alone this was measured to change a pixel by less than 0.5 on average, and by at most 14
next to an edge of full contrast (at 3: 0.7 and 18)."""

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a photo of each EXIF orientation upright (EXIF 2.32, tag 0x0112); 1 is upright."""


def prepare(data: bytes, shape: ImageShape) -> Image.Image:
    """Bring a photo to the shape a model takes.

    The first frame is turned upright, scaled to fit without cutting or stretching it, converted
    to sRGB and put in the middle of a mid-grey canvas.

    Parameters
    ----------
    data
        The photo's file, whole.
    shape
        The shape wanted.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, size exactly ``shape.size``, without metadata. A photo that is already so is
        returned pixel for pixel.

    Raises
    ------
    UnusablePhoto
        If it is no photo, can't be read, has too many pixels or is too narrow.
    """
    photo = decode(data, min_size=REDUCING_GAP * max(shape.size))
    image = _apply_orientation(_scaled(photo, shape), photo)
    canvas = Image.new("RGB", shape.size, MID_GRAY)
    canvas.paste(image, ((shape.width - image.width) // 2, (shape.height - image.height) // 2))
    return canvas


def resize_to_fit(data: bytes, max_side: int) -> Image.Image:
    """Bring a photo upright, in its own shape, and scale it down where it is larger than that.

    Parameters
    ----------
    data
        The photo's file, whole.
    max_side
        The most pixels that a side may have.

    Returns
    -------
    PIL.Image.Image
        The first frame: mode RGB, in sRGB, mid-grey where it was transparent, without metadata.

    Raises
    ------
    UnusablePhoto
        If it is no photo, can't be read or has too many pixels.
    """
    photo = decode(data, min_size=max_side)
    left, upper, right, lower = photo.box
    width, height = right - left, lower - upper
    scale = min(1.0, max_side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    scaled = photo.image.resize(size, Image.Resampling.LANCZOS, photo.box, REDUCING_GAP)
    image = _apply_orientation(scaled, photo)
    image.info = {}
    return image


def _apply_orientation(scaled: Image.Image, photo: Decoded) -> Image.Image:
    """Turn a photo, scaled already, upright and to opaque sRGB."""
    turn = _TRANSPOSITIONS.get(photo.orientation)
    return _opaque_srgb(scaled if turn is None else scaled.transpose(turn), photo.profile)


def _scaled(photo: Decoded, shape: ImageShape) -> Image.Image:
    """Scale a photo to the largest size for which the shape, once it is upright, has room."""
    lying = photo.orientation >= 5
    room_width, room_height = shape.size[::-1] if lying else shape.size
    left, upper, right, lower = photo.box
    width, height = right - left, lower - upper
    scale = min(room_width / width, room_height / height)
    if min(width, height) * scale < 0.5:
        raise UnusablePhoto(
            "too_narrow",
            f"the photo is so narrow that nothing of it is left at {shape.width} x {shape.height} "
            "pixels: upload only the part that shows what it is about",
        )
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return photo.image.resize(size, Image.Resampling.LANCZOS, photo.box, REDUCING_GAP)


def _opaque_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode != "RGBA":
        return _srgb(image, profile)
    colors = _srgb(image.convert("RGB"), profile)
    backdrop = Image.new("RGB", image.size, MID_GRAY)
    return Image.composite(colors, backdrop, image.getchannel("A"))


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert colours by the photo's ICC profile; plainly without one, or with a broken one."""
    if profile:
        with suppress(ImageCms.PyCMSError):
            converted = ImageCms.profileToProfile(
                image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return cast(Image.Image, converted)  # None only if it were done in place
    return image.convert("RGB")
