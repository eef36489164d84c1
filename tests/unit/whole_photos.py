"""Photos that can be decoded, each with another content, and files that cannot."""

from io import BytesIO
from pathlib import Path

from PIL import Image

HTML = b"<!DOCTYPE html><title>404 Not Found</title>"


def jpeg(text: str) -> bytes:
    """Return a small JPEG photo whose comment is a text, so that every text has another photo."""
    file = BytesIO()
    Image.new("RGB", (24, 16), (200, 90, 30)).save(file, "JPEG", comment=text.encode())
    return file.getvalue()


def cut(photo: bytes) -> bytes:
    """Return the first half of a photo, as an interrupted download leaves it."""
    return photo[: len(photo) // 2]


def fill(folder: Path, *names: str) -> Path:
    """Write a whole photo under each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(name))
    return folder
