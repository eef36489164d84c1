"""The population stability index of two counts by bin, and what chance alone makes of it.

``docs/watching.md`` has the formulas and where they are from.
"""

from collections.abc import Sequence
from math import fsum, log, sqrt
from statistics import NormalDist

SIGNIFICANCE = 0.001
"""How often a check may be above `critical_value` though nothing has changed."""

_ADDED = 0.5
"""Photos added to each bin, so that an empty one has a share too."""


def population_stability_index(expected: Sequence[int], observed: Sequence[int]) -> float:
    """Return the population stability index of photos counted in the same bins.

    The sum over the bins of (q - p) ln(q / p), with p and q the bin's share of the expected and
    of the observed photos. Half a photo is added to each bin of both, so that an empty bin makes
    the index large but not infinite.

    Parameters
    ----------
    expected, observed
        Photos by bin, as many bins in both, at least one.

    Returns
    -------
    float
        0 (the same shares) or more.
    """
    pairs = zip(_shares(expected), _shares(observed), strict=True)
    return max(fsum((q - p) * log(q / p) for p, q in pairs), 0.0)


def critical_value(bins: int, expected: int, observed: int) -> float:
    """Return the index that chance alone exceeds in `SIGNIFICANCE` of the checks.

    Where nothing has changed, the index is distributed about as (1/n + 1/m) times chi-square with
    one degree of freedom less than there are bins.

    Parameters
    ----------
    bins
        How many.
    expected, observed
        Photos in all bins, above 0.
    """
    if bins < 2:
        return 0.0
    return (1 / expected + 1 / observed) * _chi_square(bins - 1)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + _ADDED * len(counts)
    return [(count + _ADDED) / total for count in counts]


def _chi_square(degrees: int) -> float:
    """Return the quantile of chi-square at 1 - `SIGNIFICANCE`, by Wilson and Hilferty.

    A few percent too high for one degree of freedom, less than one percent from three on.
    """
    spread = 2 / (9 * degrees)
    return degrees * float(
        (1 - spread + NormalDist().inv_cdf(1 - SIGNIFICANCE) * sqrt(spread)) ** 3
    )
