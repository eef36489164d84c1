"""Which files of a folder are photos, told by their names."""

import re

PHOTO_SUFFIXES = (
    ".bmp",
    ".gif",
    ".heic",
    ".heif",
    ".hif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".mpo",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
)
"""How the names of photos end, in whatever case."""

_SYSTEM_FOLDERS = r"@eaDir|\$RECYCLE\.BIN|System Volume Information|lost\+found"
_HIDDEN_PART = re.compile(rf"(?:\A|/)(?:\.|__MACOSX|(?:{_SYSTEM_FOLDERS})(?:/|\Z))")
"""Names that begin with a dot, and folders that systems leave on disks: macOS in archives, Synology
for thumbnails, Windows and Linux."""

_FOLDER_SETTINGS = re.compile(r"(?:\A|/)(?:thumbs\.db|desktop\.ini)\Z", re.IGNORECASE)


def has_photo_suffix(path: str) -> bool:
    """Tell whether a name ends as a photo's does."""
    return path.lower().endswith(PHOTO_SUFFIXES)


def is_hidden(path: str) -> bool:
    """Tell whether a file, or a folder that it is in, is hidden.

    Parameters
    ----------
    path
        Path of the file below the folder that somebody chose, with ``/`` between the parts.

    Examples
    --------
    >>> is_hidden(".thumbnails/1.jpg")
    True
    >>> is_hidden("no.thumbnails/1.jpg")
    False
    """
    return _HIDDEN_PART.search(path) is not None


def is_system_file(path: str) -> bool:
    """Tell a person's file from a hidden one and from those that file managers write.

    Parameters
    ----------
    path
        As for `is_hidden`.
    """
    return is_hidden(path) or _FOLDER_SETTINGS.search(path) is not None
