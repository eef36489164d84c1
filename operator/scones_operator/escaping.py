"""Show text of unknown origin, such as a photo's key, without letting it steer the terminal."""

import json
import re
import sys
import traceback

from scones.quoting import MAX_QUOTED_LENGTH, quote

__all__ = [
    "MAX_QUOTED_LENGTH",
    "escape",
    "escape_json",
    "escape_lines",
    "print_traceback",
    "quote",
]

_SPECIAL = re.compile(r"[^ -\[\]-~]")
"""All but printable ASCII, and the backslash."""


def escape(text: str) -> str:
    r"""Write what does not print as an escape of Python, and a backslash as two.

    That are control characters (C0, C1 and DEL), those that change the direction of text or have
    no width, all spaces but the plain one, separators of lines, and halves of surrogate pairs.
    What is returned is one line, and decodes to `text` again.

    Examples
    --------
    >>> escape("gate\x1b]0;title\x07/été\u202egnp.jpg")
    'gate\\x1b]0;title\\x07/été\\u202egnp.jpg'
    """
    return _SPECIAL.sub(lambda found: _escaped(found[0]), text)


def escape_lines(text: str) -> str:
    """Escape each line of a text that has several on purpose; the line breaks stay."""
    return "\n".join(map(escape, text.split("\n")))


def escape_json(text: str) -> str:
    """Write what does not print within JSON as JSON's own escapes; its values stay the same."""
    return _SPECIAL.sub(
        lambda found: (
            found[0]
            if found[0].isprintable() or found[0] == "\n"
            else json.dumps(found[0]).strip('"')
        ),
        text,
    )


def print_traceback() -> None:
    """Print the exception being handled to standard error; its message may hold anything."""
    print(escape_lines(traceback.format_exc()), file=sys.stderr, end="")


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
