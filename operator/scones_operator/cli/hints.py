"""Commands named within texts, written so that they can be copied and run as they are."""

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

COMMANDS = (
    *("upload", "results", "show", "redrive", "review", "label", "console", "retrain", "models"),
    *("approve", "reject", "promote", "rollback", "host", "threshold", "executions", "captures"),
    *(
        "simulate",
        "report",
        "drift",
        "presets",
        "profiles",
        "data",
        "forget",
        "init",
        "copy",
        "doctor",
    ),
    "delete",
)

_COMMAND = re.compile(rf"(?<![\w./-])scones (?=(?:{'|'.join(COMMANDS)})\b)")


def copyable(options: Mapping[str, str | bool | None]) -> Callable[[str], str]:
    """Make a function that writes the commands within a text as this one was called.

    Parameters
    ----------
    options
        Values of the options that are the same for all commands, such as ``local`` and ``stack``.

    Examples
    --------
    >>> copyable({"stack": "my stack", "local": True})("what now: scones results --follow")
    "what now: scones --stack 'my stack' --local results --follow"
    """
    given: list[str] = [_program()]
    for name, value in options.items():
        if isinstance(value, bool):
            given.append(f"--{name}" if value else f"--no-{name}")
        elif value:
            given += [f"--{name}", str(value)]
    called = shlex.join(given)
    return lambda text: _COMMAND.sub(lambda _: f"{called} ", text)


def _program() -> str:
    """Return how this command was called, where its name alone would not find it."""
    called, found = sys.argv[0], shutil.which("scones")
    if Path(called).name != "scones" or (found and Path(found).resolve() == Path(called).resolve()):
        return "scones"
    return called
