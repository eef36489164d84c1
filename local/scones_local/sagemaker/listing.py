"""Filter, sort, and page the answers of List actions."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.protocol import validation_error

_PAGE_SIZE = 10
"""Entries per page by default."""


def paginate(
    entries: list[Any], parameters: dict[str, Any], size: int = _PAGE_SIZE
) -> tuple[list[Any], Any]:
    """Return one page of sorted entries, and the members that lead to the next one.

    Parameters
    ----------
    entries
        All entries, sorted.
    parameters
        Of the request, with ``MaxResults`` and ``NextToken``.
    size
        Entries per page if the request has no ``MaxResults``.

    Raises
    ------
    ServiceError
        If the token is not one that an earlier page had.
    """
    token = parameters.get("NextToken", "0")
    if not token.isdecimal():
        raise validation_error(f"Invalid pagination token: {token}.")
    start = int(token)
    end = start + int(parameters.get("MaxResults", size))
    return entries[start:end], {"NextToken": str(end)} if end < len(entries) else {}


def is_descending(parameters: dict[str, Any], default: str = "Descending") -> bool:
    """Return whether a request asks for the last entry first."""
    return bool(parameters.get("SortOrder", default) == "Descending")


def filter_by_time(
    entries: Iterable[Any], time: Callable[[Any], float], after: float | None, before: float | None
) -> list[Any]:
    """Return the entries whose time lies in a range.

    Parameters
    ----------
    entries
        The entries.
    time
        Returns the time of an entry in seconds since 1970.
    after, before
        Limits in seconds since 1970; None if there is no limit.
    """
    earliest = -math.inf if after is None else after
    latest = math.inf if before is None else before
    return [entry for entry in entries if earliest <= time(entry) <= latest]


def epoch_seconds(time: datetime) -> float:
    """Return a time as AWS JSON has it: seconds since 1970."""
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()
