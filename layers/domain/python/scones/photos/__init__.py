"""The one preparation of a photo, shared by training, evaluation and serving.

A photo is any JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC that somebody uploads; a picture is what
the model takes: 8-bit sRGB of one exact size. What a photo carries beside its pixels (where it
was taken, with what, by whom) never reaches the picture.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scones.photos.decoding import require_decodable
    from scones.photos.encoding import EncodedImage, encode
    from scones.photos.formats import UnusablePhoto
    from scones.photos.preparation import prepare, resize_to_fit
    from scones.photos.shape import ImageShape

__all__ = [
    "EncodedImage",
    "ImageShape",
    "UnusablePhoto",
    "encode",
    "prepare",
    "require_decodable",
    "resize_to_fit",
]

_HOMES = {
    "EncodedImage": "encoding",
    "ImageShape": "shape",
    "UnusablePhoto": "formats",
    "encode": "encoding",
    "resize_to_fit": "preparation",
    "prepare": "preparation",
    "require_decodable": "decoding",
}


def __getattr__(name: str) -> Any:
    """Import a name's module when it is used first: decoders slow the start of a function down."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
