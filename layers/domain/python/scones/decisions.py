"""From the probabilities of one photo to a decision, or to a person."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

DECIMALS = 6
"""Decimals of a probability: more than a model knows, and few enough that JSONata, which writes
numbers with 15 digits, does not change them."""


@dataclass(frozen=True)
class Decision:
    """What the model says of one photo.

    Attributes
    ----------
    label
        The most likely class.
    confidence
        Its probability, 0 to 1.
    probabilities
        Probability by class name, all classes, in the order of their indices.
    threshold
        The confidence from which on a decision is taken without a person, 0 to 1.
    loading_bay
        Where vehicles of this class go, or None where the deployment names none.
    """

    label: str
    confidence: float
    probabilities: Mapping[str, float]
    threshold: float
    loading_bay: str | None


class ConfidenceBelowThreshold(Exception):
    """The model is not sure enough of a photo: a person should look.

    The state machine catches it by this name. Its text is the decision as a JSON object, which
    is how it gets past the error to the record and to the reviewer.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(json.dumps(asdict(decision)))
        self.decision = decision


class InvalidThreshold(ValueError):
    """The configured threshold is no number from 0 to 1."""


def parse_threshold(text: str) -> float:
    """Read a confidence threshold.

    Raises
    ------
    InvalidThreshold
        If it is no number from 0 to 1.
    """
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not 0.0 <= threshold <= 1.0:
        raise InvalidThreshold(
            f"the confidence threshold {text!r} is not a number from 0 to 1: set the stack's SSM "
            "parameter to one"
        )
    return threshold


def most_likely(probabilities: Sequence[float]) -> tuple[int, float]:
    """Return the most likely class and how likely it is.

    Of equally likely classes the one with the lowest index is taken. Probabilities are rounded to
    `DECIMALS` first, so that what is compared is what is shown.

    Parameters
    ----------
    probabilities
        One per class, 0 to 1, at least one, in the order of the class indices.

    Returns
    -------
    int, float
        The class index and its rounded probability.
    """
    rounded = [round(probability, DECIMALS) for probability in probabilities]
    index = max(range(len(rounded)), key=rounded.__getitem__)
    return index, rounded[index]


def decide(
    probabilities: Sequence[float],
    class_names: Sequence[str],
    loading_bays: Mapping[str, str],
    threshold: float,
) -> Decision:
    """Take the most likely class, if it is likely enough.

    Which one that is, `most_likely` says.

    Parameters
    ----------
    probabilities
        One per class, 0 to 1, in the order of `class_names`.
    class_names
        The classes, in the order of their indices.
    loading_bays
        Bay by class name.
    threshold
        The lowest confidence to decide on, 0 to 1, inclusive.

    Returns
    -------
    Decision

    Raises
    ------
    ConfidenceBelowThreshold
        If the most likely class is less likely than `threshold`.
    ValueError
        If there are not as many probabilities as class names.
    """
    rounded = (round(probability, DECIMALS) for probability in probabilities)
    by_name = dict(zip(class_names, rounded, strict=True))
    index, confidence = most_likely(probabilities)
    label = class_names[index]
    decision = Decision(label, confidence, by_name, threshold, loading_bays.get(label))
    if decision.confidence < threshold:
        raise ConfidenceBelowThreshold(decision)
    return decision
