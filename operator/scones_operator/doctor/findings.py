"""Results of checks."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem", "unknown", "not_checked"]


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes
    ----------
    status
        ``ok``; ``warning`` if it works but is worth a check; ``problem`` if something
        must be done; ``unknown`` if it could not be read; ``not_checked`` if the check does not
        apply.
    message
        What was found, in a sentence without a final period.
    advice
        What to do, or an empty text if there is nothing to do.
    command
        Command that does it or shows more, or an empty text if there is none.
    """

    status: Status
    message: str
    advice: str = ""
    command: str = ""


def ok(message: str) -> Finding:
    """Return the finding that nothing needs to be done."""
    return Finding("ok", message)


def warning(message: str, advice: str, command: str = "") -> Finding:
    """Return the finding that something is worth a check."""
    return Finding("warning", message, advice, command)


def problem(message: str, advice: str, command: str = "") -> Finding:
    """Return the finding that something must be done."""
    return Finding("problem", message, advice, command)


def unknown(message: str, advice: str) -> Finding:
    """Return the finding that something could not be read."""
    return Finding("unknown", message, advice)


def not_checked(message: str) -> Finding:
    """Return the finding that a check does not apply."""
    return Finding("not_checked", message)
