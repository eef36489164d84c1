"""Percentiles of measurements, by nearest rank."""

import math
from collections.abc import Sequence


def rank(percent: int, count: int) -> int:
    """Return the rank, from 1, of a percentile among sorted values.

    Parameters
    ----------
    percent
        1 to 100.
    count
        Number of values, 1 or more.
    """
    return math.ceil(percent * count / 100)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile: the lowest value that `percent` % do not exceed.

    Parameters
    ----------
    values
        At least one, in any order.
    percent
        1 to 100.

    Examples
    --------
    >>> percentile([40, 10, 30, 20], 50)
    20
    """
    return sorted(values)[rank(percent, len(values)) - 1]
