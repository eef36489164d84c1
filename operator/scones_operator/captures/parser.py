"""Reads the files of data capture, however they are laid out and wherever they break off.

SageMaker writes one record per line. Files that other programs wrote have records in a JSON array,
spread over several lines, without a line end between two, in UTF-16, compressed, or cut off: what
is whole is read, and the rest is reported. No more of a file is held than one record.
"""

import codecs
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import Any, BinaryIO

from scones_operator.captures.records import CaptureRecord, InvalidCaptureError, parse_record

_GZIP = b"\x1f\x8b"
_CHUNK = 64 * 1024

_MAX_RECORD_LENGTH = 64 * 1024 * 1024
"""Characters. A request and an answer of 6 MiB each, as base64 or escaped, are far below."""

_MAX_TOKEN_LENGTH = 16
"""Characters that a broken-off ``false`` or ``\\u00e9`` may be from the end of what was read."""

_BEGINNING = re.compile(r'\{\s*"(?:captureData|eventMetadata|eventVersion)"\s*:')
"""A record's beginning: the members of no inner object are called so, and quotation marks within
a payload are escaped."""

_MAX_BEGINNING_LENGTH = 1024
"""Characters of a beginning that may wait for their rest; white space may stretch it."""

_SPACE = re.compile("[\\s\ufeff]*")
"""White space, and the byte order marks of files that were joined."""

_ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class CorruptRecord:
    """Something in a file that is no whole record.

    Attributes
    ----------
    file
        Which file.
    line
        In which line it begins, from 1.
    message
        What is wrong.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.message}"


def parse_file(
    file: Path, name: str = "", endpoint: str = "", variant: str = ""
) -> Iterator[CaptureRecord | CorruptRecord]:
    """Read a file of captured data, record by record.

    Parameters
    ----------
    file
        The file; compressed with gzip or not, as its first bytes tell.
    name
        What damage is reported under; the path by default.
    endpoint, variant
        Who answered, where the file's key tells.

    Yields
    ------
    Captured or Damage
        In the order of the file.
    """
    with file.open("rb") as stream:
        reader = _Reader(stream)
        for parsed in _values(reader):
            problem = parsed.error
            if problem is None:
                try:
                    yield parse_record(parsed.value, endpoint, variant)
                except InvalidCaptureError as error:
                    problem = str(error)
            if problem is not None:
                yield CorruptRecord(name or str(file), parsed.line, problem)


@dataclass(frozen=True)
class _ParsedValue:
    """A JSON value, or what is wrong where there should be one."""

    line: int
    value: object = None
    error: str | None = None


class _Reader:
    """What is looked at of a file: its text from `at` on; more is read when it is wanted.

    Attributes
    ----------
    held, at
        Text, and how much of it is done with.
    line
        Number of the line that `at` is in.
    ended
        Whether there is no more.
    broken
        Why it could not be read further, where that is not because it ended.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.text, self.offset, self.line = "", 0, 1
        self.ended = False
        self.error: str | None = None
        compressed = stream.read(len(_GZIP)) == _GZIP
        stream.seek(0)
        self._stream: Any = GzipFile(fileobj=stream) if compressed else stream
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def remaining(self) -> int:
        """How many characters are left of what is held."""
        return len(self.text) - self.offset

    def read_more(self) -> None:
        """Read on, in growing steps: a long record is parsed anew after each."""
        parts = [self.text[self.offset :]]
        wanted = max(_CHUNK, self.remaining)
        while wanted > 0 and not self.ended:
            data = self._read()
            self.ended = not data
            parts.append(self._decoded(data))
            wanted -= len(data)
        self.text, self.offset = "".join(parts), 0

    def go_to(self, at: int) -> None:
        """Be done with all that comes before."""
        self.line += self.text.count("\n", self.offset, at)
        self.offset = at

    def _decoded(self, data: bytes) -> str:
        if self._decoder is None:
            encoding = _ENCODINGS.get(data[:2], "utf-8")
            self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        return self._decoder.decode(data, final=self.ended)

    def _read(self) -> bytes:
        try:
            # One read at a time: of a file that breaks off, all that comes before is wanted.
            return bytes(self._stream.read1(_CHUNK))
        except (EOFError, BadGzipFile, zlib.error) as error:
            self.error = f"the compressed file is corrupt or incomplete: {error}"
            return b""


def _values(reader: _Reader) -> Iterator[_ParsedValue]:
    """Yield the values of a file, those of arrays one by one."""
    arrays, found = 0, None
    while _skip_space(reader):
        mark = reader.text[reader.offset]
        if mark == "[" or (arrays and mark in ",]"):
            arrays += {"[": 1, ",": 0, "]": -1}[mark]
            reader.go_to(reader.offset + 1)
            continue
        found = _next_value(reader)
        yield found
        if found.error is not None:
            _skip_to_next(reader)
    if reader.error:
        yield _ParsedValue(reader.line, error=reader.error)
    elif arrays and not (found and found.error):
        yield _ParsedValue(reader.line, error="the array of records is incomplete")


def _skip_space(reader: _Reader) -> bool:
    """Go to the next character that is no space; tells whether there is one."""
    while True:
        space = _SPACE.match(reader.text, reader.offset)
        reader.go_to(space.end() if space else reader.offset)
        if reader.remaining or reader.ended:
            return bool(reader.remaining)
        reader.read_more()


_DECODER = json.JSONDecoder()


def _next_value(reader: _Reader) -> _ParsedValue:
    """Parse the value that begins here; where it is damaged it stays."""
    line = reader.line
    while True:
        try:
            value, end = _DECODER.raw_decode(reader.text, reader.offset)
        except json.JSONDecodeError as error:
            if not _is_broken_off(error, reader):
                return _ParsedValue(line, error=f"the record is corrupt ({error.msg})")
            if reader.ended or reader.remaining >= _MAX_RECORD_LENGTH:
                return _ParsedValue(line, error="the record is incomplete")
            reader.read_more()
        except (RecursionError, ValueError) as error:
            return _ParsedValue(line, error=f"the record is corrupt ({error})")
        else:
            reader.go_to(end)
            return _ParsedValue(line, value)


def _is_broken_off(error: json.JSONDecodeError, reader: _Reader) -> bool:
    """Tell text that ends too early from text that is wrong where it can be seen."""
    # A line's end within a string is another error, so that such a string has no end yet.
    unterminated = error.msg.startswith("Unterminated string")
    return unterminated or error.pos >= len(reader.text) - _MAX_TOKEN_LENGTH


def _skip_to_next(reader: _Reader) -> None:
    """Go to where the next record begins, or to the end."""
    reader.go_to(reader.offset + 1)
    while True:
        beginning = _BEGINNING.search(reader.text, reader.offset)
        if beginning or reader.ended:
            reader.go_to(beginning.start() if beginning else len(reader.text))
            return
        reader.go_to(max(len(reader.text) - _MAX_BEGINNING_LENGTH, reader.offset))
        reader.read_more()
