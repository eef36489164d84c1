import json
import math
from dataclasses import asdict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scones.decisions import (
    DECIMALS,
    AlwaysReviewed,
    ConfidenceBelowThreshold,
    UnfamiliarPhoto,
    apply_threshold,
    parse_familiarity_limit,
    parse_threshold,
    parse_thresholds_by_class,
    unknown_classes,
)

unit = st.floats(0, 1)
CLASSES = ("bicycle", "motorcycle", "van")


def test_likely_enough() -> None:
    decision = apply_threshold([0.01, 0.95, 0.04], CLASSES, {"motorcycle": "B"}, 0.93)

    assert decision.label == "motorcycle"
    assert decision.confidence == 0.95
    assert decision.loading_bay == "B"
    assert decision.probabilities == {"bicycle": 0.01, "motorcycle": 0.95, "van": 0.04}


def test_threshold_itself_is_enough() -> None:
    assert apply_threshold([0.93, 0.04, 0.03], CLASSES, {}, 0.93).label == "bicycle"


def test_the_threshold_decides_whether_there_is_a_bay() -> None:
    assert apply_threshold([0.93, 0.04, 0.03], CLASSES, {"bicycle": "A"}, 0.93).loading_bay == "A"
    with pytest.raises(ConfidenceBelowThreshold) as caught:
        apply_threshold([0.93, 0.04, 0.03], CLASSES, {"bicycle": "A"}, 0.94)
    assert caught.value.decision.loading_bay is None


def test_class_without_a_bay() -> None:
    assert apply_threshold([1, 0, 0], CLASSES, {"van": "C"}, 0.5).loading_bay is None


def test_first_of_equals() -> None:
    assert apply_threshold([0.4, 0.4, 0.2], CLASSES, {}, 0).label == "bicycle"


def test_below_the_threshold_the_error_carries_the_decision() -> None:
    with pytest.raises(ConfidenceBelowThreshold) as caught:
        apply_threshold([0.5, 0.2, 0.3], CLASSES, {"bicycle": "A"}, 0.93)

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
        apply_threshold([0.98, 0.01, 0.01], CLASSES, {"bicycle": "A"}, 0.93, 0.0123456789, 0.05)

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
            apply_threshold(probabilities, CLASSES, {}, bar, familiarity, limit)
        assert json.loads(str(unfamiliar.value)) == asdict(unfamiliar.value.decision)
        return
    try:
        decision = apply_threshold(probabilities, CLASSES, {}, bar, familiarity, limit)
    except ConfidenceBelowThreshold as below:
        decision = below.decision
        assert decision.confidence < bar
    assert (decision.familiarity, decision.familiarity_limit) == (shown, limit)
    assert decision.reason is None


@given(unit)
def test_limit_of_zero_switches_the_rule_off(familiarity: float) -> None:
    assert apply_threshold([1, 0, 0], CLASSES, {}, 0.5, familiarity, 0.0).label == "bicycle"


@pytest.mark.parametrize("limit", [None, 1.0])
def test_rule_does_not_apply_without_familiarity(limit: float | None) -> None:
    decision = apply_threshold([1, 0, 0], CLASSES, {}, 0.5, None, limit)

    assert (decision.familiarity, decision.reason) == (None, None)


@given(st.lists(unit, min_size=3, max_size=3), unit)
def test_decided_exactly_from_the_threshold_on(probabilities: list[float], bar: float) -> None:
    try:
        decision = apply_threshold(probabilities, CLASSES, {}, bar)
    except ConfidenceBelowThreshold as below:
        assert round(max(probabilities), DECIMALS) < bar
        assert json.loads(str(below)) == asdict(below.decision)
    else:
        assert round(max(probabilities), DECIMALS) >= bar
        assert decision.confidence == round(max(probabilities), DECIMALS)
        assert decision.probabilities[decision.label] == decision.confidence


@given(
    st.lists(unit, min_size=3, max_size=3),
    unit,
    st.dictionaries(st.sampled_from(CLASSES), st.one_of(unit, st.just(math.inf))),
)
def test_each_class_has_its_own_threshold_or_the_general_one(
    probabilities: list[float], bar: float, by_class: dict[str, float]
) -> None:
    try:
        decision = apply_threshold(probabilities, CLASSES, {}, bar, thresholds_by_class=by_class)
    except AlwaysReviewed as reviewed:
        decision = reviewed.decision
        assert by_class[decision.label] == math.inf
        assert decision.threshold == bar
        assert decision.reason == {
            "code": "always_reviewed",
            "message": f"photos of the class {decision.label} always need review",
        }
        assert json.loads(str(reviewed)) == asdict(decision)
        return
    except ConfidenceBelowThreshold as below:
        decision = below.decision
        assert decision.confidence < decision.threshold
    else:
        assert decision.confidence >= decision.threshold
    assert decision.threshold == by_class.get(decision.label, bar) <= 1
    assert decision.reason is None


def test_a_certain_photo_of_a_class_that_always_needs_review() -> None:
    with pytest.raises(AlwaysReviewed) as reviewed:
        apply_threshold(
            [1, 0, 0], CLASSES, {"bicycle": "A"}, 0.5, thresholds_by_class={"bicycle": math.inf}
        )
    assert reviewed.value.decision.loading_bay is None
    assert apply_threshold([0, 1, 0], CLASSES, {}, 0.5, thresholds_by_class={"bicycle": math.inf})


def test_unfamiliarity_is_named_before_the_class() -> None:
    with pytest.raises(UnfamiliarPhoto):
        apply_threshold(
            [1, 0, 0], CLASSES, {}, 0.5, 0.01, 0.05, thresholds_by_class={"bicycle": math.inf}
        )


@given(st.lists(unit, max_size=6))
def test_number_of_probabilities_must_fit(probabilities: list[float]) -> None:
    assume(len(probabilities) != len(CLASSES))

    with pytest.raises(ValueError, match="zip"):
        apply_threshold(probabilities, CLASSES, {}, 0.5)


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


NAMES = st.text(st.characters(exclude_characters=",=", exclude_categories=["Z", "C"]), min_size=1)


@given(st.dictionaries(NAMES, st.one_of(unit, st.just(math.inf))))
def test_thresholds_by_class_are_read_back(by_class: dict[str, float]) -> None:
    text = ",".join(
        f"{name}={'review' if value > 1 else value}" for name, value in by_class.items()
    )

    assert parse_thresholds_by_class(text) == by_class


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("van", "'van' is not of the form class=threshold"),
        ("=0.9", "'=0.9' is not of the form class=threshold"),
        ("van=", "a number from 0 to 1, or review"),
        ("van=2", "a number from 0 to 1, or review"),
        ("van=nan", "a number from 0 to 1, or review"),
        ("van=always", "a number from 0 to 1, or review"),
        ("van=0.9,van=review", "name van more than once"),
    ],
)
def test_thresholds_by_class_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_thresholds_by_class(text)


def test_thresholds_of_what_is_not_a_class() -> None:
    assert unknown_classes({"van": 0.9}, CLASSES) == ""
    assert unknown_classes({"vam": 0.9, "van": 1.0, "bus": 1.0}, CLASSES) == (
        "thresholds are set for vam, bus, not among the classes: bicycle, motorcycle, van"
    )
