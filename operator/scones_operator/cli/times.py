"""Moments and ranges of time, as people type them and as they are shown to them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

_AGO = re.compile(r"(?P<count>\d+)(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

TIME_FORMAT_HELP = "such as 24h, 7d, 2026-11-20 or 2026-11-20T09:30 (your time; with Z, UTC)"


def parse_time(text: str, now: datetime | None = None) -> datetime:
    """Read a moment: so long ago, or a date, with a time of day or without, in the user's zone.

    Parameters
    ----------
    text
        Such as ``24h`` ago (s, m, h, d, w), ``2026-11-20``, or ``2026-11-20T09:30Z``.
    now
        From which on it is counted back.

    Returns
    -------
    datetime
        Aware.

    Raises
    ------
    typer.BadParameter
        If it is none.

    Examples
    --------
    >>> parse_time("90m", datetime(2026, 11, 20, 9, 0, tzinfo=UTC)).isoformat()
    '2026-11-20T07:30:00+00:00'
    """
    try:
        if ago := _AGO.fullmatch(text.strip()):
            duration = timedelta(**{_UNITS[ago["unit"]]: int(ago["count"])})
            return (now or datetime.now(UTC)) - duration
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is not a valid time: use one {TIME_FORMAT_HELP}"
        ) from None


def validate_time_range(since: datetime, until: datetime) -> None:
    """Make sure that a range has a beginning before its end."""
    if since >= until:
        raise typer.BadParameter(
            f"the time range from {format_time(since)} to {format_time(until)} is empty: --since "
            "must be earlier than --until"
        )


def format_time(time: datetime) -> str:
    """Write a moment for people, in their zone."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


SinceOption = Annotated[
    datetime,
    typer.Option(
        metavar="TIME", parser=parse_time, help=f"Start of the time range, {TIME_FORMAT_HELP}."
    ),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(metavar="TIME", parser=parse_time, help="End of the time range (default: now)."),
]
