"""Decide from the probabilities and familiarity of one photo, or leave it to a reviewer."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType

DECIMALS = 6
"""Decimals of a probability: more than a model knows, and few enough that JSONata, which writes
numbers with 15 digits, does not change them."""

UNFAMILIAR = "unfamiliar"
"""Code of the reason for which an unfamiliar photo needs review."""

ALWAYS_REVIEWED = "always_reviewed"
"""Code of the reason for which a photo of a class that always needs review needs it."""

REVIEW = "review"
"""Written instead of a class's threshold if its photos always need review."""

_NONE: Mapping[str, float] = MappingProxyType({})


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
        The confidence from which on a decision is taken without a person, 0 to 1: that of the
        class, or the general one.
    loading_bay
        Loading bay of the class, or None if the photo needs review or the class has no bay.
    familiarity
        Share of held-out photos of the learned classes that are at least as unlike the training
        photos as this one, 0 to 1, or None if the model gives none.
    familiarity_limit
        Familiarity below which a photo needs review, 0 to 1, or None if the model gives none.
    reason
        Code and message of an unfamiliar photo, or of one whose class always needs review; else
        None.
    """

    label: str
    confidence: float
    probabilities: Mapping[str, float]
    threshold: float
    loading_bay: str | None
    familiarity: float | None
    familiarity_limit: float | None
    reason: Mapping[str, str] | None


class NeedsReview(Exception):
    """A photo that needs review.

    The state machine catches the subclasses by their names. The text is the decision as a JSON
    object, which is how it gets past the error to the record and to the reviewer.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(json.dumps(asdict(decision)))
        self.decision = decision


class ConfidenceBelowThreshold(NeedsReview):
    """The model is not sure enough of a photo: a person should look."""


class UnfamiliarPhoto(NeedsReview):
    """The photo does not resemble the training photos, whatever the model's confidence."""


class AlwaysReviewed(NeedsReview):
    """Photos of the most likely class always need review, whatever the model's confidence."""


class InvalidThreshold(ValueError):
    """The configured threshold is no number from 0 to 1."""


class InvalidFamiliarityLimit(ValueError):
    """The configured familiarity limit is not a number from 0 to 1."""


def parse_threshold(text: str) -> float:
    """Read a confidence threshold.

    Raises
    ------
    InvalidThreshold
        If it is no number from 0 to 1.
    """
    threshold = _parse_share(text)
    if threshold is None:
        raise InvalidThreshold(
            f"the confidence threshold {text!r} is not a number from 0 to 1: set the stack's SSM "
            "parameter to one"
        )
    return threshold


def parse_thresholds_by_class(text: str) -> Mapping[str, float]:
    """Read the classes that have a threshold of their own.

    Parameters
    ----------
    text
        Comma-separated ``class=threshold`` pairs, such as ``"bicycle=0.9,van=review"``, or an empty
        string.

    Returns
    -------
    mapping of str to float
        Threshold by class name, 0 to 1, or infinity if photos of the class always need review.

    Raises
    ------
    ValueError
        If a pair has no ``=`` or no class, names a class a second time, or has neither a number
        from 0 to 1 nor `REVIEW`.
    """
    thresholds: dict[str, float] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (part.strip() for part in pair.partition("="))
        threshold = math.inf if value == REVIEW else _parse_share(value)
        if not name or threshold is None:
            raise ValueError(
                f"{pair!r} is not of the form class=threshold: the threshold is a number from 0 "
                f"to 1, or {REVIEW} for a class whose photos always need review"
            )
        if name in thresholds:
            raise ValueError(f"thresholds by class {text!r} name {name} more than once")
        thresholds[name] = threshold
    return MappingProxyType(thresholds)


def unknown_classes(by_class: Mapping[str, float], class_names: Sequence[str]) -> str:
    """Describe the names in thresholds by class that are not classes; empty if all are classes."""
    unknown = [name for name in by_class if name not in class_names]
    if not unknown:
        return ""
    return (
        f"thresholds are set for {', '.join(unknown)}, not among the classes: "
        f"{', '.join(class_names)}"
    )


def parse_familiarity_limit(text: str) -> float:
    """Read a familiarity limit.

    Raises
    ------
    InvalidFamiliarityLimit
        If `text` is not a number from 0 to 1.
    """
    limit = _parse_share(text)
    if limit is None:
        raise InvalidFamiliarityLimit(
            f"the familiarity limit {text!r} is not a number from 0 to 1: set it with `scones "
            "threshold --familiarity-limit 0.05`"
        )
    return limit


def _parse_share(text: str) -> float | None:
    """Return a number from 0 to 1, or None if `text` is anything else."""
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0.0 <= share <= 1.0 else None


def top_class(probabilities: Sequence[float]) -> tuple[int, float]:
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


def apply_threshold(  # noqa: PLR0913  (its limits)
    probabilities: Sequence[float],
    class_names: Sequence[str],
    loading_bays: Mapping[str, str],
    threshold: float,
    familiarity: float | None = None,
    familiarity_limit: float | None = None,
    *,
    thresholds_by_class: Mapping[str, float] = _NONE,
) -> Decision:
    """Take the most likely class, if it is likely enough and the photo is familiar enough.

    Which one that is, `top_class` says. The familiarity is rounded as probabilities are.

    Parameters
    ----------
    probabilities
        One per class, 0 to 1, in the order of `class_names`.
    class_names
        The classes, in the order of their indices.
    loading_bays
        Bay by class name.
    threshold
        The lowest confidence to decide on, 0 to 1, inclusive, of classes without their own.
    familiarity
        Familiarity of the photo, 0 to 1, or None if the model gives none.
    familiarity_limit
        The lowest familiarity to decide on, 0 to 1, inclusive, or None if the model gives none.
    thresholds_by_class
        Threshold by class name, instead of `threshold`; above 1 if the class always needs review.

    Returns
    -------
    Decision

    Raises
    ------
    UnfamiliarPhoto
        If the familiarity is below its limit, whatever the confidence.
    AlwaysReviewed
        If photos of the most likely class always need review.
    ConfidenceBelowThreshold
        If the most likely class is less likely than its threshold.
    ValueError
        If there are not as many probabilities as class names.
    """
    rounded = (round(probability, DECIMALS) for probability in probabilities)
    by_name = dict(zip(class_names, rounded, strict=True))
    index, confidence = top_class(probabilities)
    label = class_names[index]
    if familiarity is not None:
        familiarity = round(familiarity, DECIMALS)
    unfamiliar = _unfamiliar(familiarity, familiarity_limit)
    own_threshold = thresholds_by_class.get(label, threshold)
    always = own_threshold > 1
    needs_review = unfamiliar is not None or confidence < own_threshold
    decision = Decision(
        label=label,
        confidence=confidence,
        probabilities=by_name,
        threshold=threshold if always else own_threshold,
        # Consumers route vehicles by the bay alone: a guess has none.
        loading_bay=None if needs_review else loading_bays.get(label),
        familiarity=familiarity,
        familiarity_limit=familiarity_limit,
        reason=unfamiliar or (_always_reviewed(label) if always else None),
    )
    if unfamiliar:
        raise UnfamiliarPhoto(decision)
    if always:
        raise AlwaysReviewed(decision)
    if needs_review:
        raise ConfidenceBelowThreshold(decision)
    return decision


def _always_reviewed(label: str) -> dict[str, str]:
    return {"code": ALWAYS_REVIEWED, "message": f"photos of the class {label} always need review"}


def _unfamiliar(familiarity: float | None, limit: float | None) -> dict[str, str] | None:
    """Return the reason for which a photo is unfamiliar, or None if it is not."""
    if familiarity is None or limit is None or familiarity >= limit:
        return None
    message = (
        f"the photo does not resemble the training photos: its familiarity is {familiarity}, below "
        f"the limit {limit}"
    )
    return {"code": UNFAMILIAR, "message": message}
