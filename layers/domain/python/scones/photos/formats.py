"""Which formats of photo are taken, and what is said of the others."""

import re


def _patterns(beginnings: dict[str, bytes]) -> dict[str, re.Pattern[bytes]]:
    return {name: re.compile(pattern, re.DOTALL) for name, pattern in beginnings.items()}


SUPPORTED = _patterns(
    {
        "JPEG": rb"\xff\xd8\xff",
        "PNG": rb"\x89PNG\r\n\x1a\n",
        "GIF": rb"GIF8[79]a",
        "BMP": rb"BM",
        "WEBP": rb"RIFF....WEBP",
        "TIFF": rb"(?:II[*+]\0|MM\0[*+])(?!....CR)",
        "HEIF": rb"....ftyp(?!.{4,60}avi[fs])(?:hei[cxms]|hev[cxms]|mif1|msf1)",
    }
)
"""How a photo of each format begins, by Pillow's names for the formats.

AVIF is not among them: not every build of Pillow and none of libheif's here decodes it.
"""

UNSUPPORTED = _patterns(
    {
        "AVIF": rb"....ftyp(?:avi[fs]|mi[af]1|msf1)",
        "JPEG XL": rb"\xff\n|\0\0\0\x0cJXL ",
        "JPEG 2000": rb"\xffO\xffQ|\0\0\0\x0cjP  ",
        "camera raw": rb"II\*\0....CR|....ftypcrx|FUJIFILMCCD-RAW|II(?:RO|RS|U\0)|MMOR",
        "Photoshop": rb"8BPS",
        "icon": rb"\0\0[\x01\x02]\0",
        "SVG": rb"(?i:(?:\xef\xbb\xbf)?\s*(?:<[?!][^>]*>\s*)*<svg)",
        "PDF": rb"%PDF-",
        "HTML": rb"(?i:\s*<(?:!doctype )?html)",
        "video": rb"....(?:ftyp|moov)|RIFF....AVI |\x1aE\xdf\xa3|\0\0\x01[\xb3\xba]",
        "ZIP": rb"PK\x03\x04",
    }
)
"""How files begin that get uploaded for photos; the first that matches counts."""

_ARTICLES = dict.fromkeys(("AVIF", "icon", "SVG", "HTML"), "an")

SIGNATURE_BYTES = 1024
"""Bytes in which a format shows."""

_UPLOAD_INSTEAD = "upload a JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC photo"


class UnusablePhoto(Exception):
    """A photo that can't be classified, whoever tries.

    Attributes
    ----------
    code
        Why, for programs: ``empty``, ``not_a_photo`` (of no format we know),
        ``unsupported_format`` (of one that we know and don't take), ``corrupt`` (damaged or
        incomplete), ``too_many_pixels``, ``too_narrow`` (nothing left of it when scaled), or
        ``transparent`` (no pixel is visible).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def problem(self) -> str:
        """What is wrong, without the advice after the colon, which is for drivers."""
        return str(self).partition(": ")[0]


def format_of(data: bytes) -> str:
    """Tell a photo's format from how its data begins, whatever the file is called.

    Returns
    -------
    str
        Pillow's name for it, a key of `SUPPORTED`.

    Raises
    ------
    UnusablePhoto
        If there is no data, or it is of another format.
    """
    if not data:
        raise UnusablePhoto("empty", "the file is empty: upload the photo again")
    if name := _matching(SUPPORTED, data):
        return name
    if name := _matching(UNSUPPORTED, data):
        raise unsupported(f"{_ARTICLES.get(name, 'a')} {name} file")
    raise UnusablePhoto("not_a_photo", f"the file is not a photo: {_UPLOAD_INSTEAD}")


def unsupported(format_name: str) -> UnusablePhoto:
    """Make the error for a file of a kind that is known and not taken.

    Parameters
    ----------
    format_name
        The file, such as "an AVIF file".
    """
    return UnusablePhoto("unsupported_format", f"this is {format_name}: {_UPLOAD_INSTEAD}")


def display_name(name: str) -> str:
    """Return a format's name as people write it, from Pillow's."""
    return {"WEBP": "WebP", "HEIF": "HEIC"}.get(name, name)


def _matching(patterns: dict[str, re.Pattern[bytes]], data: bytes) -> str | None:
    return next(
        (name for name, how in patterns.items() if how.match(data, 0, SIGNATURE_BYTES)), None
    )
