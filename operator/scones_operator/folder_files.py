"""Files of a folder that somebody chose: none from outside it, and photos by their content."""

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from scones_operator.errors import PreconditionError

MAX_SHOWN = 3
"""How many of many names a message has."""

MAX_NAMED = 10
"""Maximum number of unusable photos that a command names."""


class FolderLayoutError(PreconditionError):
    """A folder is not laid out as it must be; the message says how it should.

    Parameters
    ----------
    *problems
        What is wrong with it, a sentence each; at least one.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def list_files(folder: Path, root: Path) -> list[Path]:
    """Return the files in a folder and below it, in the order of their paths.

    Links that stay in `root` count as files; folders behind links are not entered.

    Parameters
    ----------
    folder
        `root`, or a folder in it that may not exist.
    root
        The folder that the user chose, which may be a link itself.

    Raises
    ------
    FolderError
        If `folder` is a link out of `root` or has one that is not hidden: a link could make any
        file of this computer a photo. Also if a link leads nowhere, or to itself.
    """
    from scones.photos.names import is_hidden  # noqa: PLC0415  (lazy import: Pillow is slow)

    paths = sorted(folder.rglob("*"))
    links = [folder, *(path for path in paths if path.is_symlink())]
    shown = [path for path in links if not is_hidden(path.relative_to(root).as_posix())]
    require_inside(shown, root)
    if broken := [path for path in shown if path.is_symlink() and not path.exists()]:
        raise FolderLayoutError(
            f"{root} has broken links: {abbreviate(map(str, broken))}. Remove them, or restore "
            "their targets"
        )
    return [path for path in paths if path.is_file()]


def require_inside(paths: Iterable[Path], root: Path) -> None:
    """Raise an error unless each path leads to a file or folder in `root`, or to `root` itself.

    Raises
    ------
    FolderError
        If one leads out, which names those.
    """
    # Unlike `Path.resolve`, it takes a link to itself.
    allowed = Path(os.path.realpath(root))
    outside = [path for path in paths if not Path(os.path.realpath(path)).is_relative_to(allowed)]
    if outside:
        raise FolderLayoutError(
            f"{root} has links to files or folders outside it: {abbreviate(map(str, outside))}. "
            "Copy the files into the folder instead, or remove the links"
        )


def require_photos(paths: Iterable[Path]) -> None:
    """Raise an error unless the content of each file begins as a photo's does.

    Raises
    ------
    FolderError
        If it does not, which names the files.
    """
    others = [path for path in paths if not _begins_as_photo(path)]
    if others:
        raise FolderLayoutError(
            f"not photos by their content: {abbreviate(map(str, others))}. Remove these files or "
            "move them out of the folder; photos are JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC"
        )


def abbreviate(names: Iterable[str]) -> str:
    """Name a few of many, such as ``a, b, c and 4 more``."""
    every = list(names)
    more = f" and {len(every) - MAX_SHOWN:,} more" if len(every) > MAX_SHOWN else ""
    return ", ".join(every[:MAX_SHOWN]) + more


def format_unusable(unusable: Mapping[str, str], limit: int = MAX_NAMED) -> list[str]:
    """Return one line per unusable photo, then one with the number of those above the limit.

    Parameters
    ----------
    unusable
        Problem by path.
    limit
        Maximum number of photos to name.

    Examples
    --------
    >>> format_unusable({"bus/1.jpg": "this is an HTML file", "bus/2.jpg": "…"}, limit=1)
    ['bus/1.jpg: this is an HTML file', 'and 1 more']
    """
    lines = [f"{path}: {problem}" for path, problem in islice(unusable.items(), limit)]
    more = len(unusable) - len(lines)
    return [*lines, f"and {more:,} more"] if more else lines


def _begins_as_photo(path: Path) -> bool:
    from scones.photos.formats import SIGNATURE_BYTES, UnusablePhoto, format_of  # noqa: PLC0415

    with path.open("rb") as file:
        beginning = file.read(SIGNATURE_BYTES)
    try:
        format_of(beginning)
    except UnusablePhoto:
        return False
    return True
