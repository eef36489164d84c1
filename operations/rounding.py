"""Round shares for display, but never across the limit that they are compared with."""

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
