"""Whether a new model is good enough to be registered, in a word and in a sentence."""

from dataclasses import dataclass
from typing import Literal

from scones.decisions import DECIMALS
from scones.evaluation.model_metrics import Familiarity, ModelMetrics, NotEvaluated


@dataclass(frozen=True)
class Limits:
    """What a new model is held against.

    Attributes
    ----------
    minimum_accuracy
        The least accuracy, 0 to 1.
    accuracy_margin
        By how much its accuracy may be below that of the model in production, 0 to 1.
    wanted_precision
        Which share of what its threshold accepts must be right, 0 to 1.
    familiarity_limit
        Familiarity below which a photo needs review, 0 to 1. It does not matter for the verdict.
    """

    minimum_accuracy: float
    accuracy_margin: float
    wanted_precision: float
    familiarity_limit: float


@dataclass(frozen=True)
class Verdict:
    """Whether a model is good enough, and a sentence with the numbers, without its full stop."""

    verdict: Literal["good", "too_inaccurate", "worse_than_champion"]
    message: str


def compare(
    candidate: ModelMetrics,
    champion: ModelMetrics | NotEvaluated,
    limits: Limits,
    without_prediction: int,
) -> Verdict:
    """Hold a new model against the limits and against the model in production.

    Numbers are rounded first, so that what is compared is what is said.

    Parameters
    ----------
    candidate
        The new model.
    champion
        The model in production on the same photos.
    limits
        What is asked for.
    without_prediction
        How many photos have no prediction.
    """
    accuracy = round(candidate.accuracy, DECIMALS)
    enough = accuracy >= round(limits.minimum_accuracy, DECIMALS)
    worse = (
        not isinstance(champion, NotEvaluated)
        and _lead(champion, accuracy) > limits.accuracy_margin
    )
    parts = [
        f"its accuracy is {accuracy:.6g} on {_photos(candidate.photos)}, "
        f"{'at least' if enough else 'below'} the {limits.minimum_accuracy:.6g} asked for",
        _comparison(accuracy, champion, limits.accuracy_margin),
    ]
    if candidate.familiarity:
        parts.append(_familiarity(candidate.familiarity))
    if without_prediction:
        parts.append(f"{_photos(without_prediction)} left out, without a prediction")
    message = "; ".join(parts)
    if not enough:
        return Verdict("too_inaccurate", message)
    return Verdict("worse_than_champion" if worse else "good", message)


def _comparison(accuracy: float, champion: ModelMetrics | NotEvaluated, margin: float) -> str:
    if isinstance(champion, NotEvaluated):
        return champion.reason
    lead = _lead(champion, accuracy)
    difference = f"{abs(lead):.6g} {'more' if lead > 0 else 'less'}" if lead else "the same"
    return (
        f"the model in production has {round(champion.accuracy, DECIMALS):.6g} on the same photos, "
        f"{difference}, and up to {margin:.6g} more is allowed"
    )


def _familiarity(familiarity: Familiarity) -> str:
    text = (
        f"{_percent(familiarity.below_limit)} of these photos are below the familiarity limit of "
        f"{familiarity.limit:.6g}"
    )
    if familiarity.negatives_passed is None:
        return text
    passed = _percent(familiarity.negatives_passed)
    return (
        f"{text}, and {passed} of {familiarity.negatives:,} photos of none of the classes are not"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _lead(champion: ModelMetrics, accuracy: float) -> float:
    """Return by how much the model in production is better."""
    return round(round(champion.accuracy, DECIMALS) - accuracy, DECIMALS)


def _photos(count: int) -> str:
    return f"{count:,} validation photo{'' if count == 1 else 's'}"
