"""Brings a model's answers together into one judgement of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scones.calibration import ReliabilityBin, expected_calibration_error, reliability_bins
from scones.evaluation import metrics
from scones.evaluation.metrics import LabeledPrediction, Matrix, RiskCoveragePoint

MAX_POINTS = 300
"""Points of a risk-coverage curve that are kept: more than a picture can show."""

ByClass = Mapping[str, float | None]


@dataclass(frozen=True)
class Familiarity:
    """How well a model's familiarity tells photos of the classes from others.

    Attributes
    ----------
    photos
        Number of validation photos of the classes.
    limit
        The familiarity limit, 0 to 1.
    below_limit
        Share of these photos with a familiarity below the limit, 0 to 1: they would need review.
    negatives
        Number of held-out photos of none of the classes.
    auroc
        Area under the ROC curve of the familiarity, with photos of the classes as positives, 0 to
        1, or None without negatives.
    negatives_passed
        Share of the negatives with a familiarity of at least the limit, 0 to 1, or None without
        negatives.
    """

    photos: int
    limit: float
    below_limit: float
    negatives: int
    auroc: float | None
    negatives_passed: float | None


@dataclass(frozen=True)
class ModelMetrics:
    """How good a model is.

    Attributes
    ----------
    photos
        How many it was judged on.
    accuracy
        Which share of them it classifies right, 0 to 1.
    recall, precision
        By class name, 0 to 1, None where there is nothing to count.
    confusion_matrix
        Photos by actual class (rows) and predicted class (columns).
    calibration_error
        Expected calibration error, 0 to 1.
    reliability
        The bins it is made of.
    threshold
        The lowest confidence from which on the wanted precision is reached, None where it is
        never.
    at_threshold
        What that threshold does, None where there is none.
    risk_coverage_area
        Area under the risk-coverage curve.
    risk_coverage
        The curve, `MAX_POINTS` of it.
    familiarity
        How well its familiarity tells photos of the classes from others, or None if it gives none.
    """

    photos: int
    accuracy: float
    recall: ByClass
    precision: ByClass
    confusion_matrix: Matrix
    calibration_error: float
    reliability: list[ReliabilityBin]
    threshold: float | None
    at_threshold: RiskCoveragePoint | None
    risk_coverage_area: float
    risk_coverage: list[RiskCoveragePoint]
    familiarity: Familiarity | None = None


@dataclass(frozen=True)
class NotEvaluated:
    """What there is instead of a judgement, with the reason as half a sentence."""

    reason: str


def compute_model_metrics(
    predictions: Sequence[LabeledPrediction],
    class_names: Sequence[str],
    wanted_precision: float,
    familiarity: Familiarity | None = None,
) -> ModelMetrics:
    """Judge a model by its answers.

    Parameters
    ----------
    predictions
        To labelled photos, at least one.
    class_names
        The classes in the order of their indices.
    wanted_precision
        Which share of what a threshold accepts must be right, 0 to 1.
    familiarity
        Result of `compute_familiarity`.
    """
    matrix = metrics.confusion_matrix(predictions, len(class_names))
    bins = reliability_bins(prediction.graded for prediction in predictions)
    curve = metrics.risk_coverage(predictions)
    chosen = metrics.lowest_threshold(curve, wanted_precision)
    return ModelMetrics(
        photos=len(predictions),
        accuracy=metrics.accuracy(predictions),
        recall=dict(zip(class_names, metrics.recall(matrix), strict=True)),
        precision=dict(zip(class_names, metrics.precision(matrix), strict=True)),
        confusion_matrix=matrix,
        calibration_error=expected_calibration_error(bins),
        reliability=bins,
        threshold=chosen.threshold if chosen else None,
        at_threshold=chosen,
        risk_coverage_area=metrics.area_under_curve(curve),
        risk_coverage=metrics.downsample(curve, MAX_POINTS),
        familiarity=familiarity,
    )


def compute_familiarity(
    photos: Sequence[float], negatives: Sequence[float], limit: float
) -> Familiarity | None:
    """Judge a model by the familiarities that it gives to photos of the classes and to others.

    Parameters
    ----------
    photos
        Familiarities of validation photos of the classes; none if the model gives none.
    negatives
        Familiarities of held-out photos of none of the classes.
    limit
        The familiarity limit, 0 to 1. A photo below it needs review.
    """
    if not photos:
        return None
    passed = sum(familiarity >= limit for familiarity in negatives)
    return Familiarity(
        photos=len(photos),
        limit=limit,
        below_limit=sum(familiarity < limit for familiarity in photos) / len(photos),
        negatives=len(negatives),
        auroc=metrics.auroc(photos, negatives) if negatives else None,
        negatives_passed=passed / len(negatives) if negatives else None,
    )
