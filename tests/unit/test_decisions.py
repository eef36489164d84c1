import json
from dataclasses import asdict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scones.decisions import (
    DECIMALS,
    ConfidenceBelowThreshold,
    UnfamiliarPhoto,
    decide,
    parse_familiarity_limit,
    parse_threshold,
)

unit = st.floats(0, 1)
CLASSES = ("bicycle", "motorcycle", "van")


def test_likely_enough() -> None:
    decision = decide([0.01, 0.95, 0.04], CLASSES, {"motorcycle": "B"}, 0.93)

    assert decision.label == "motorcycle"
    assert decision.confidence == 0.95
    assert decision.loading_bay == "B"
    assert decision.probabilities == {"bicycle": 0.01, "motorcycle": 0.95, "van": 0.04}


def test_threshold_itself_is_enough() -> None:
    assert decide([0.93, 0.04, 0.03], CLASSES, {}, 0.93).label == "bicycle"


def test_the_threshold_decides_whether_there_is_a_bay() -> None:
    assert decide([0.93, 0.04, 0.03], CLASSES, {"bicycle": "A"}, 0.93).loading_bay == "A"
    with pytest.raises(ConfidenceBelowThreshold) as caught:
        decide([0.93, 0.04, 0.03], CLASSES, {"bicycle": "A"}, 0.94)
    assert caught.value.decision.loading_bay is None


def test_class_without_a_bay() -> None:
    assert decide([1, 0, 0], CLASSES, {"van": "C"}, 0.5).loading_bay is None


def test_first_of_equals() -> None:
    assert decide([0.4, 0.4, 0.2], CLASSES, {}, 0).label == "bicycle"


def test_below_the_threshold_the_error_carries_the_decision() -> None:
    with pytest.raises(ConfidenceBelowThreshold) as caught:
        decide([0.5, 0.2, 0.3], CLASSES, {"bicycle": "A"}, 0.93)

    assert json.loads(str(caught.value)) == {
        "label": "bicycle",
        "confidence": 0.5,
        "probabilities": {"bicycle": 0.5, "motorcycle": 0.2, "van": 0.3},
        "threshold": 0.93,
        "loading_bay": None,
        "familiarity": None,
        "familiarity_limit": None,
        "reason": None,
    }


def test_unfamiliar_photo_carries_the_decision_and_the_reason() -> None:
    with pytest.raises(UnfamiliarPhoto) as caught:
        decide([0.98, 0.01, 0.01], CLASSES, {"bicycle": "A"}, 0.93, 0.0123456789, 0.05)

    assert json.loads(str(caught.value)) == {
        "label": "bicycle",
        "confidence": 0.98,
        "probabilities": {"bicycle": 0.98, "motorcycle": 0.01, "van": 0.01},
        "threshold": 0.93,
        "loading_bay": None,
        "familiarity": 0.012346,
        "familiarity_limit": 0.05,
        "reason": {
            "code": "unfamiliar",
            "message": "the photo does not resemble the training photos: its familiarity is "
            "0.012346, below the limit 0.05",
        },
    }


@given(st.lists(unit, min_size=3, max_size=3), unit, unit, unit)
def test_familiarity_counts_before_confidence(
    probabilities: list[float], bar: float, familiarity: float, limit: float
) -> None:
    shown = round(familiarity, DECIMALS)
    if shown < limit:
        with pytest.raises(UnfamiliarPhoto) as unfamiliar:
            decide(probabilities, CLASSES, {}, bar, familiarity, limit)
        assert json.loads(str(unfamiliar.value)) == asdict(unfamiliar.value.decision)
        return
    try:
        decision = decide(probabilities, CLASSES, {}, bar, familiarity, limit)
    except ConfidenceBelowThreshold as below:
        decision = below.decision
        assert decision.confidence < bar
    assert (decision.familiarity, decision.familiarity_limit) == (shown, limit)
    assert decision.reason is None


@given(unit)
def test_limit_of_zero_switches_the_rule_off(familiarity: float) -> None:
    assert decide([1, 0, 0], CLASSES, {}, 0.5, familiarity, 0.0).label == "bicycle"


@pytest.mark.parametrize("limit", [None, 1.0])
def test_rule_does_not_apply_without_familiarity(limit: float | None) -> None:
    decision = decide([1, 0, 0], CLASSES, {}, 0.5, None, limit)

    assert (decision.familiarity, decision.reason) == (None, None)


@given(st.lists(unit, min_size=3, max_size=3), unit)
def test_decided_exactly_from_the_threshold_on(probabilities: list[float], bar: float) -> None:
    try:
        decision = decide(probabilities, CLASSES, {}, bar)
    except ConfidenceBelowThreshold as below:
        assert round(max(probabilities), DECIMALS) < bar
        assert json.loads(str(below)) == asdict(below.decision)
    else:
        assert round(max(probabilities), DECIMALS) >= bar
        assert decision.confidence == round(max(probabilities), DECIMALS)
        assert decision.probabilities[decision.label] == decision.confidence


@given(st.lists(unit, max_size=6))
def test_number_of_probabilities_must_fit(probabilities: list[float]) -> None:
    assume(len(probabilities) != len(CLASSES))

    with pytest.raises(ValueError, match="zip"):
        decide(probabilities, CLASSES, {}, 0.5)


@given(unit)
def test_threshold_is_read_back(threshold: float) -> None:
    assert parse_threshold(str(threshold)) == threshold
    assert parse_familiarity_limit(str(threshold)) == threshold


@pytest.mark.parametrize("text", ["", "high", "1.01", "-0.1", "nan", "inf", "0,93"])
def test_threshold_that_makes_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number from 0 to 1"):
        parse_threshold(text)
    with pytest.raises(ValueError, match=r"familiarity limit .* is not a number from 0 to 1"):
        parse_familiarity_limit(text)
