"""Bins for confidences, predicted classes and familiarities, by a model's own evaluation."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from scones.decisions import DECIMALS
from scones.evaluation.stored_evaluation import StoredEvaluation, StoredMetrics

MAX_BINS = 10
"""Of confidences: each holds a tenth of the evaluation's photos, as is usual for this index."""

MIN_PHOTOS_PER_BIN = 20
"""Photos of the evaluation in each bin of confidences."""

MIN_PHOTOS_PER_CLASS = 5
"""Photos of the evaluation that a class needs for a bin of its own."""

FAMILIARITY_BINS = 10
"""Bins of familiarities, of the same width: each is expected to hold a tenth of the photos."""

_ROUNDING_ERROR = 10.0**-DECIMALS
"""What a share in evaluation.json may be off by."""

OTHERS = "others"
MAX_NAMES = 5
"""Classes that a bin names."""


@dataclass(frozen=True)
class Bins:
    """Photos in the same bins, of the evaluation and of production.

    Attributes
    ----------
    names
        What is in each bin.
    expected, observed
        Photos by bin.
    """

    names: tuple[str, ...]
    expected: tuple[int, ...]
    observed: tuple[int, ...]


@dataclass(frozen=True)
class _ConfidenceBins:
    """Bins of confidences, from the lowest on: bin i begins with edge i - 1."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, metrics: StoredMetrics) -> Self:
        """Cut off enough photos again and again, from below; the last bin keeps what is over."""
        min_share = 1 / max(1, min(MAX_BINS, metrics.photos // MIN_PHOTOS_PER_BIN))
        below = [(point.threshold, 1 - point.coverage) for point in metrics.risk_coverage]
        edges, shares = [], [0.0]
        # From the lowest confidence on: there is what tells a model that has become unsure.
        for edge, share in reversed(below):
            if min(share - shares[-1], 1 - share) >= min_share - _ROUNDING_ERROR:
                edges.append(edge)
                shares.append(share)
        upper = [round(share * metrics.photos) for share in [*shares[1:], 1.0]]
        counts = [end - start for start, end in zip([0, *upper], upper, strict=False)]
        return cls(tuple(edges), tuple(counts))

    def names(self) -> tuple[str, ...]:
        return _range_names(self.edges) if self.edges else ("all",)


def confidence_bins(metrics: StoredMetrics, confidences: Iterable[float]) -> Bins:
    """Count confidences in bins that hold about as many photos of the evaluation each.

    The bins are cut from the risk-coverage curve, which tells the share of the evaluation's photos
    above each confidence. There are up to `MAX_BINS`, fewer where the evaluation has less than
    `MIN_PHOTOS_PER_BIN` photos for each, or many photos of the same confidence.

    Parameters
    ----------
    metrics
        Of the model, by its own evaluation.
    confidences
        Of production, 0 to 1.
    """
    bins = _ConfidenceBins.of(metrics)
    counts = Counter(bisect_right(bins.edges, confidence) for confidence in confidences)
    observed = tuple(counts[index] for index in range(len(bins.counts)))
    return Bins(bins.names(), bins.counts, observed)


def label_bins(baseline: StoredEvaluation, labels: Iterable[str]) -> Bins:
    """Count predicted classes, each in a bin of its own.

    Classes that the model hardly took a photo of the evaluation for, fewer than
    `MIN_PHOTOS_PER_CLASS`, are counted together, with as many of the next rare
    ones as they need to be so many.

    Parameters
    ----------
    baseline
        The model's own.
    labels
        What production took photos for.
    """
    columns = zip(*baseline.candidate.confusion_matrix, strict=True)
    predicted = dict(zip(baseline.class_names, map(sum, columns), strict=True))
    rare = _rare_classes(predicted)
    names = [name for name in baseline.class_names if name not in rare]
    counts = Counter(label if label in names else OTHERS for label in labels)
    expected, observed = [predicted[name] for name in names], [counts[name] for name in names]
    if rare or counts[OTHERS]:
        names.append(", ".join(rare) if 0 < len(rare) <= MAX_NAMES else OTHERS)
        expected.append(sum(predicted[name] for name in rare))
        observed.append(counts[OTHERS])
    return Bins(tuple(names), tuple(expected), tuple(observed))


def familiarity_bins(metrics: StoredMetrics, familiarities: Iterable[float]) -> Bins:
    """Count familiarities in tenths of the range from 0 to 1.

    The familiarity of photos of the learned classes is uniformly distributed by construction, so
    that a tenth is expected in each bin. It was calibrated on held-out photos; how many is not in
    the evaluation, whose own number of photos stands for it.

    Parameters
    ----------
    metrics
        Of the model, by its own evaluation.
    familiarities
        Of production, 0 to 1.
    """
    edges = [number / FAMILIARITY_BINS for number in range(1, FAMILIARITY_BINS)]
    counts = Counter(bisect_right(edges, familiarity) for familiarity in familiarities)
    expected = max(1, metrics.photos // FAMILIARITY_BINS)
    return Bins(
        _range_names(edges),
        (expected,) * FAMILIARITY_BINS,
        tuple(counts[index] for index in range(FAMILIARITY_BINS)),
    )


def _range_names(edges: Sequence[float]) -> tuple[str, ...]:
    """Name the bins between edges, of which there is at least one."""
    inner = [f"{lower:g} to {upper:g}" for lower, upper in pairwise(edges)]
    return (f"below {edges[0]:g}", *inner, f"{edges[-1]:g} and above")


def _rare_classes(predicted: dict[str, int]) -> Sequence[str]:
    """Return the classes that share a bin; none, or at least `MIN_PHOTOS_PER_CLASS` photos."""
    together: list[str] = []
    for name in sorted(predicted, key=lambda name: predicted[name]):
        enough = sum(predicted[member] for member in together) >= MIN_PHOTOS_PER_CLASS
        if predicted[name] >= MIN_PHOTOS_PER_CLASS and (enough or not together):
            break
        together.append(name)
    return [name for name in predicted if name in together]
