"""Bins for confidences, predicted classes and familiarities, by a model's own evaluation."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from scones.decisions import DECIMALS
from scones.evaluation.stored_evaluation import Evaluation, Judgement

MOST_BINS = 10
"""Of confidences: each holds a tenth of the evaluation's photos, as is usual for this index."""

LEAST_IN_BIN = 20
"""Photos of the evaluation in each bin of confidences."""

LEAST_OF_CLASS = 5
"""Photos of the evaluation that a class needs for a bin of its own."""

FAMILIARITY_BINS = 10
"""Bins of familiarities, of the same width: each is expected to hold a tenth of the photos."""

_ROUNDED = 10.0**-DECIMALS
"""What a share in evaluation.json may be off by."""

OTHERS = "others"
MOST_NAMES = 5
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
class _Confidences:
    """Bins of confidences, from the lowest on: bin i begins with edge i - 1."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, judgement: Judgement) -> Self:
        """Cut off enough photos again and again, from below; the last bin keeps what is over."""
        wanted = 1 / max(1, min(MOST_BINS, judgement.photos // LEAST_IN_BIN))
        below = [(point.threshold, 1 - point.coverage) for point in judgement.risk_coverage]
        edges, shares = [], [0.0]
        # From the lowest confidence on: there is what tells a model that has become unsure.
        for edge, share in reversed(below):
            if min(share - shares[-1], 1 - share) >= wanted - _ROUNDED:
                edges.append(edge)
                shares.append(share)
        upper = [round(share * judgement.photos) for share in [*shares[1:], 1.0]]
        counts = [end - start for start, end in zip([0, *upper], upper, strict=False)]
        return cls(tuple(edges), tuple(counts))

    def names(self) -> tuple[str, ...]:
        return _range_names(self.edges) if self.edges else ("all",)


def confidence_bins(judgement: Judgement, confidences: Iterable[float]) -> Bins:
    """Count confidences in bins that hold about as many photos of the evaluation each.

    The bins are cut from the risk-coverage curve, which tells the share of the evaluation's photos
    above each confidence. There are up to `MOST_BINS`, fewer where the evaluation has less than
    `LEAST_IN_BIN` photos for each, or many photos of the same confidence.

    Parameters
    ----------
    judgement
        Of the model, by its own evaluation.
    confidences
        Of production, 0 to 1.
    """
    bins = _Confidences.of(judgement)
    found = Counter(bisect_right(bins.edges, confidence) for confidence in confidences)
    observed = tuple(found[index] for index in range(len(bins.counts)))
    return Bins(bins.names(), bins.counts, observed)


def label_bins(evaluation: Evaluation, labels: Iterable[str]) -> Bins:
    """Count predicted classes, each in a bin of its own.

    Classes that the model hardly took a photo of the evaluation for, fewer than `LEAST_OF_CLASS`,
    are counted together, with as many of the next rare ones as they need to be so many.

    Parameters
    ----------
    evaluation
        The model's own.
    labels
        What production took photos for.
    """
    columns = zip(*evaluation.candidate.confusion_matrix, strict=True)
    predicted = dict(zip(evaluation.class_names, map(sum, columns), strict=True))
    rare = _rare(predicted)
    names = [name for name in evaluation.class_names if name not in rare]
    found = Counter(label if label in names else OTHERS for label in labels)
    expected, observed = [predicted[name] for name in names], [found[name] for name in names]
    if rare or found[OTHERS]:
        names.append(", ".join(rare) if 0 < len(rare) <= MOST_NAMES else OTHERS)
        expected.append(sum(predicted[name] for name in rare))
        observed.append(found[OTHERS])
    return Bins(tuple(names), tuple(expected), tuple(observed))


def familiarity_bins(judgement: Judgement, familiarities: Iterable[float]) -> Bins:
    """Count familiarities in tenths of the range from 0 to 1.

    The familiarity of photos of the learned classes is uniformly distributed by construction, so
    that a tenth is expected in each bin. It was calibrated on held-out photos; how many is not in
    the evaluation, whose own number of photos stands for it.

    Parameters
    ----------
    judgement
        Of the model, by its own evaluation.
    familiarities
        Of production, 0 to 1.
    """
    edges = [number / FAMILIARITY_BINS for number in range(1, FAMILIARITY_BINS)]
    found = Counter(bisect_right(edges, familiarity) for familiarity in familiarities)
    expected = max(1, judgement.photos // FAMILIARITY_BINS)
    return Bins(
        _range_names(edges),
        (expected,) * FAMILIARITY_BINS,
        tuple(found[index] for index in range(FAMILIARITY_BINS)),
    )


def _range_names(edges: Sequence[float]) -> tuple[str, ...]:
    """Name the bins between edges, of which there is at least one."""
    inner = [f"{lower:g} to {upper:g}" for lower, upper in pairwise(edges)]
    return (f"below {edges[0]:g}", *inner, f"{edges[-1]:g} and above")


def _rare(predicted: dict[str, int]) -> Sequence[str]:
    """Return the classes that share a bin; none, or together at least `LEAST_OF_CLASS` photos."""
    together: list[str] = []
    for name in sorted(predicted, key=lambda name: predicted[name]):
        enough = sum(predicted[member] for member in together) >= LEAST_OF_CLASS
        if predicted[name] >= LEAST_OF_CLASS and (enough or not together):
            break
        together.append(name)
    return [name for name in predicted if name in together]
