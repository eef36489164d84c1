"""The figures that a model is judged by, from its answers to labelled photos.

``docs/evaluation.md`` has the formulas and where they are from.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import fsum
from typing import NamedTuple

from scones.calibration import Graded
from scones.decisions import DECIMALS

Matrix = list[list[int]]
"""Photos by actual class (rows) and predicted class (columns)."""


class LabeledPrediction(NamedTuple):
    """What a model said of a labelled photo.

    Attributes
    ----------
    actual
        Index of the class that the photo is labelled with.
    predicted
        Index of the class that the model takes it for.
    confidence
        How likely that is, says the model: 0 to 1, with `scones.decisions.DECIMALS` decimals.
    familiarity
        Share of held-out photos of the learned classes that are at least as unlike the training
        photos as this one, 0 to 1, rounded alike; None if the model gives none.
    """

    actual: int
    predicted: int
    confidence: float
    familiarity: float | None = None

    @property
    def is_correct(self) -> bool:
        """Whether the model is right."""
        return self.actual == self.predicted

    @property
    def graded(self) -> Graded:
        """The confidence and whether the model is right, for `scones.calibration`."""
        return self.confidence, self.is_correct


@dataclass(frozen=True)
class RiskCoveragePoint:
    """What a threshold does.

    Attributes
    ----------
    threshold
        The lowest confidence that is accepted.
    coverage
        Which share of the photos is accepted, above 0 and up to 1.
    risk
        Which share of those is wrong, 0 to 1.
    """

    threshold: float
    coverage: float
    risk: float


def accuracy(predictions: Sequence[LabeledPrediction]) -> float:
    """Return which share of the answers is right; there must be one."""
    return sum(prediction.is_correct for prediction in predictions) / len(predictions)


def confusion_matrix(predictions: Sequence[LabeledPrediction], class_count: int) -> Matrix:
    """Count the answers by actual class (rows) and predicted class (columns)."""
    matrix = [[0] * class_count for _ in range(class_count)]
    for prediction in predictions:
        matrix[prediction.actual][prediction.predicted] += 1
    return matrix


def recall(matrix: Matrix) -> list[float | None]:
    """Return, by class, which share of its photos is recognised; None where it has no photo."""
    return [_share(row[index], sum(row)) for index, row in enumerate(matrix)]


def precision(matrix: Matrix) -> list[float | None]:
    """Return, by class, which share of what is taken for it is it; None where nothing is."""
    return [_share(row[index], sum(row)) for index, row in enumerate(zip(*matrix, strict=True))]


def _share(part: int, total: int) -> float | None:
    return part / total if total else None


def risk_coverage(predictions: Sequence[LabeledPrediction]) -> list[RiskCoveragePoint]:
    """Return the risk-coverage curve: for each threshold how much it accepts, and how wrongly.

    El-Yaniv and Wiener (2010), https://www.jmlr.org/papers/v11/el-yaniv10a.html. Answers of one
    confidence are accepted together, as a threshold can't tell them apart; so the order of the
    answers does not matter.

    Returns
    -------
    list of RiskCoveragePoint
        One for each confidence that occurs, from the highest threshold to the lowest, which
        accepts everything.
    """
    points = []
    accepted = wrong = 0
    by_confidence = sorted(predictions, key=_confidence, reverse=True)
    for confidence, group in groupby(by_confidence, key=_confidence):
        for prediction in group:
            accepted += 1
            wrong += not prediction.is_correct
        points.append(RiskCoveragePoint(confidence, accepted / len(predictions), wrong / accepted))
    return points


def _confidence(prediction: LabeledPrediction) -> float:
    return prediction.confidence


def area_under_curve(curve: Sequence[RiskCoveragePoint]) -> float:
    """Return the area under a whole risk-coverage curve.

    Each point's risk counts for as much coverage as it adds. Where all confidences differ this is
    the AURC of Geifman et al. (2019), https://arxiv.org/abs/1805.08206: the mean of the risks at
    all coverages.

    Returns
    -------
    float
        0 (never wrong) to 1 (always).
    """
    covered = [0.0, *(point.coverage for point in curve)]
    return fsum(
        point.risk * (point.coverage - before)
        for point, before in zip(curve, covered, strict=False)
    )


def lowest_threshold(
    curve: Sequence[RiskCoveragePoint], wanted_precision: float
) -> RiskCoveragePoint | None:
    """Return the point of the lowest threshold at which enough of what is accepted is right.

    Parameters
    ----------
    curve
        A whole risk-coverage curve.
    wanted_precision
        Which share of what is accepted must be right, 0 to 1.

    Returns
    -------
    Point or None
        None where no threshold reaches it.
    """
    # Rounded: 1 - 0.99 is no longer 0.01.
    allowed = round(1.0 - wanted_precision, 2 * DECIMALS)
    eligible = [point for point in curve if point.risk <= allowed]
    return min(eligible, key=lambda point: point.threshold, default=None)


def auroc(photos: Sequence[float], negatives: Sequence[float]) -> float:
    """Return how well a score separates photos of the classes from photos of none of them.

    The area under the ROC curve: the probability that a photo of a class, chosen at random, has
    the higher score, with a tie counted half. That is the Mann-Whitney statistic divided by the
    number of pairs (Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747).

    Parameters
    ----------
    photos, negatives
        Scores of either kind, at least one each.

    Returns
    -------
    float
        0 to 1; 0.5 if the score does not tell them apart.
    """
    ordered = sorted(negatives)
    # Counted in halves, which keeps the numbers whole.
    halves = sum(bisect_left(ordered, score) + bisect_right(ordered, score) for score in photos)
    return halves / (2 * len(photos) * len(negatives))


def downsample(curve: Sequence[RiskCoveragePoint], max_points: int) -> list[RiskCoveragePoint]:
    """Return at most so many points (two or more) of a curve, its ends among them."""
    if len(curve) <= max_points:
        return list(curve)
    last = len(curve) - 1
    return [curve[round(step * last / (max_points - 1))] for step in range(max_points)]
