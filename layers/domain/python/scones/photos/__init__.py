"""The one preparation of a photo, shared by training, evaluation and serving.

A photo is any JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC that somebody uploads; a picture is what
the model takes: 8-bit sRGB of one exact size. What a photo carries beside its pixels (where it
was taken, with what, by whom) never reaches the picture.
"""

from scones.photos.encoding import EncodedImage, encode
from scones.photos.formats import UnusablePhoto
from scones.photos.preparation import fit, prepare
from scones.photos.shape import ImageShape

__all__ = ["EncodedImage", "ImageShape", "UnusablePhoto", "encode", "fit", "prepare"]
