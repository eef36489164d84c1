"""Round shares and rates for display, but never across a limit."""

MAX_DIGITS = 9
"""Digits after the point of the longest number that is shown."""


def format_share(value: float, limit: float | None, digits: int = 2) -> str:
    """Format a share with as many digits as show on which side of a limit it is.

    Parameters
    ----------
    value
        Confidence or familiarity, 0 to 1.
    limit
        Threshold or familiarity limit that it was compared with, 0 to 1, or None.
    digits
        Minimum number of digits after the point.

    Examples
    --------
    >>> format_share(0.9299, 0.93), format_share(0.9312, 0.93), format_share(0.9299, None)
    ('0.9299', '0.93', '0.93')
    """
    for more in range(digits, MAX_DIGITS):
        text = f"{value:.{more}f}"
        if limit is None or (float(text) < limit) == (value < limit):
            return text
    return f"{value:.{MAX_DIGITS}f}"


def format_rate(part: int, whole: int) -> str:
    """Format the share of a count in percent: only all is 100, and only none is 0.

    Parameters
    ----------
    part, whole
        Counts, 0 or higher; `whole` is at least `part`.

    Returns
    -------
    str
        Such as ``92.3``, with one digit after the point, or more near 0 and 100; ``-`` if `whole`
        is 0.

    Examples
    --------
    >>> format_rate(12, 13), format_rate(13, 13), format_rate(9999, 10000), format_rate(0, 0)
    ('92.3', '100', '99.99', '-')
    """
    if whole == 0:
        return "-"
    if part in (0, whole):
        return "100" if part else "0"
    for digits in range(1, MAX_DIGITS):
        text = f"{100 * part / whole:.{digits}f}"
        if 0 < float(text) < 100:
            return text.rstrip("0").rstrip(".")
    return f"{100 * part / whole}"
