"""Check the variables on make's command line: make itself accepts any name."""

import difflib
import shlex
from collections.abc import Collection

from scones_operator.escaping import quote

MAKE_VARIABLES = frozenset({"PYTHON", "VENV", "BIN", "SHELL"})
"""Variables that the Makefile itself uses."""


def check_variables(makeflags: str, names: Collection[str]) -> str | None:
    """Say what is wrong with the variables on make's command line.

    Parameters
    ----------
    makeflags
        Value of the environment variable ``MAKEFLAGS``, as make sets it for its recipes:
        https://www.gnu.org/software/make/manual/html_node/Options_002fRecursion.html
    names
        Names of the variables that the command reads.

    Returns
    -------
    str or None
        A sentence about the first variable that the command does not read, or that is empty; None
        if all are well.
    """
    for name, value in _command_line_variables(makeflags):
        if name in MAKE_VARIABLES:
            continue
        if name not in names:
            suggestions = difflib.get_close_matches(name.upper(), names, 1)
            suggestion = f"; did you mean {suggestions[0]}?" if suggestions else "."
            known = ", ".join(sorted(names))
            return f"{quote(name)} has no effect here{suggestion} These variables have: {known}"
        if not value:
            return f"{name} is empty: give it a value, or leave it out"
    return None


def _command_line_variables(makeflags: str) -> list[tuple[str, str]]:
    """Return the names and values in ``MAKEFLAGS``, where they follow ``--``."""
    _, _, assigned = f" {makeflags}".partition(" -- ")
    pairs = [word.partition("=") for word in shlex.split(assigned)]
    return [(name, value) for name, separator, value in pairs if separator]
