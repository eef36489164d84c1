"""The LST format: which photo has which class.

One line a photo, three fields separated by a tab: a unique index, the index of the class
counted from 0, and the path of the photo relative to its channel. It is what SageMaker's
built-in image-classification algorithm reads from its ``train_lst`` and ``validation_lst``
channels (https://docs.aws.amazon.com/sagemaker/latest/dg/image-classification.html).

MXNet's ``tools/im2rec.py`` writes the class index with decimals, as in ``0.000000``; such lists are
read too, and so are those of other programs with empty lines or a byte order mark.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_BYTE_ORDER_MARK = "\ufeff"
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,2})?")
"""Numbers as programs write them; with more digits or another sign it is no index."""

_FORBIDDEN = {"\t": "a tab", "\n": "a newline", "\r": "a carriage return", "\0": "a null"}


class LstError(ValueError):
    """A list, or an entry of one, that breaks the format; the message says where and how."""


@dataclass(frozen=True, slots=True)
class LstEntry:
    """One photo of a list.

    Parameters
    ----------
    index
        Unique in its list, 0 or more.
    class_index
        Index of the photo's class, from 0.
    path
        Where the photo is, relative to the channel, with ``/`` between the parts. Any
        character but tab, newline, carriage return and null.

    Raises
    ------
    LstError
        If a value can't be written to a list.
    """

    index: int
    class_index: int
    path: str

    def __post_init__(self) -> None:
        if self.index < 0:
            raise LstError(f"the index is {self.index}: it must be 0 or more")
        if self.class_index < 0:
            raise LstError(f"the class index is {self.class_index}: it must be 0 or more")
        _check_path(self.path)


def is_valid_path(path: str) -> bool:
    """Tell whether a list can hold a path; see `LstEntry`."""
    try:
        _check_path(path)
    except LstError:
        return False
    return True


def _check_path(path: str) -> None:
    # Nearly every path passes here, in a tenth of the time: lists are a million lines long.
    if path.isprintable() and ".." not in path and path[:1] not in ("", "/", " "):
        return
    for character, name in _FORBIDDEN.items():
        if character in path:
            raise LstError(f"the path {path!r} holds {name}: rename the photo")
    if not path.strip():
        raise LstError("the path is empty")
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise LstError(f"the path {path!r} leaves its channel: it must be relative, without ..")


def read(lines: Iterable[str]) -> Iterator[LstEntry]:
    """Read a list line by line.

    Parameters
    ----------
    lines
        Lines of a list, with or without their line ends, such as an open text file. Lines of white
        space are skipped.

    Yields
    ------
    LstEntry
        The entries, in the order of the lines.

    Raises
    ------
    LstError
        At the first line that breaks the format or repeats an index; names the line.
    """
    first_line_of: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        if text.isspace() or not text:
            continue
        try:
            entry = _entry(text.removesuffix("\n").removesuffix("\r"))
        except LstError as error:
            raise LstError(f"line {number}: {error}") from None
        if entry.index in first_line_of:
            first = first_line_of[entry.index]
            raise LstError(f"line {number}: the index {entry.index} is that of line {first} too")
        first_line_of[entry.index] = number
        yield entry


def _entry(line: str) -> LstEntry:
    fields = line.split("\t")
    if len(fields) != 3:
        raise LstError(
            f"{len(fields)} tab-separated fields where there must be 3 "
            f"(index, class index, path): {line!r}{_hint(fields)}"
        )
    index, class_index, path = fields
    return LstEntry(_whole("index", index), _whole("class index", class_index), path)


def _hint(fields: list[str]) -> str:
    """Return what to do about a line with another number of fields, if that can be told."""
    if len(fields) > 3 and all(map(_NUMBER.fullmatch, map(str.strip, fields[:-1]))):
        return ". A photo has one class here: leave one column of labels"
    if len(fields) == 1 and len(fields[0].split()) > 2:
        return ". Put tabs between the fields, not spaces"
    return ""


def _whole(name: str, text: str) -> int:
    # Nearly every number passes here: lists are a million lines long.
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    stripped = text.strip()
    number = float(stripped) if _NUMBER.fullmatch(stripped) else -1.0
    # From 2**53 on a float leaves whole numbers out.
    if not (number.is_integer() and 0 <= number < 2**53):
        raise LstError(f"the {name} {text!r} is not a whole number of 0 or more")
    return int(number)


def write(entries: Iterable[LstEntry]) -> Iterator[str]:
    r"""Write a list line by line, holding one line at a time.

    Parameters
    ----------
    entries
        What to list; their indices must be unique.

    Yields
    ------
    str
        One line an entry, each with its ``\n``.
    """
    for entry in entries:
        yield f"{entry.index}\t{entry.class_index}\t{entry.path}\n"
