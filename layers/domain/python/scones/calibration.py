"""Reliability of confidences and the expected calibration error.

After Guo et al. 2017 (https://arxiv.org/abs/1706.04599). The trainer and the evaluation use this
module, so that both report the same error for the same probabilities.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum

from scones.decisions import DECIMALS

RELIABILITY_BINS = 15
"""As many as Guo et al. (2017) use."""

Graded = tuple[float, bool]
"""Confidence of a prediction, 0 to 1, and whether the prediction is correct."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about the same confidence.

    Attributes
    ----------
    lower, upper
        Range of the confidences; `upper` is in the bin, `lower` is not, except 0.
    photos
        Number of predictions.
    confidence, accuracy
        Mean confidence and share of correct predictions, or None if the bin is empty.
    """

    lower: float
    upper: float
    photos: int
    confidence: float | None
    accuracy: float | None


def reliability_bins(
    predictions: Iterable[Graded], bin_count: int = RELIABILITY_BINS
) -> list[ReliabilityBin]:
    """Sort predictions by confidence into bins of equal width.

    Bin m of M contains the confidences above (m - 1) / M, up to and including m / M (Guo et al.
    2017, section 2); the first one also contains 0.

    Parameters
    ----------
    predictions
        Confidences are rounded to `scones.decisions.DECIMALS` decimals, as in published events.
    bin_count
        Number of bins.
    """
    bins: list[list[Graded]] = [[] for _ in range(bin_count)]
    for confidence, correct in predictions:
        rounded = round(confidence, DECIMALS)
        bins[_bin_index(rounded, bin_count)].append((rounded, correct))
    return [_bin(members, index, bin_count) for index, members in enumerate(bins)]


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy.

    The mean of the bins' gaps, each weighted by its photos (Guo et al. 2017, equation 3).

    Parameters
    ----------
    bins
        Of `reliability_bins`, for at least one prediction.

    Returns
    -------
    float
        0 (calibrated) to 1.
    """
    photos = sum(members.photos for members in bins)
    return fsum(
        members.photos / photos * abs(members.accuracy - members.confidence)
        for members in bins
        if members.accuracy is not None and members.confidence is not None
    )


def _bin_index(confidence: float, bin_count: int) -> int:
    """Return a bin's index, with whole numbers: a product of floats may pass a bin's edge."""
    scale = int(10**DECIMALS)
    return max(0, -(-round(confidence * scale) * bin_count // scale) - 1)


def _bin(members: Sequence[Graded], index: int, bin_count: int) -> ReliabilityBin:
    return ReliabilityBin(
        lower=index / bin_count,
        upper=(index + 1) / bin_count,
        photos=len(members),
        confidence=fsum(confidence for confidence, _ in members) / len(members)
        if members
        else None,
        accuracy=sum(correct for _, correct in members) / len(members) if members else None,
    )
