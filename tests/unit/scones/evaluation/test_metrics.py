"""The metrics against their definitions, in exact arithmetic and without regard to speed."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scones.calibration import Graded, expected_calibration_error, reliability_bins
from scones.evaluation.metrics import (
    LabeledPrediction,
    RiskCoveragePoint,
    accuracy,
    area_under_curve,
    auroc,
    confusion_matrix,
    downsample,
    lowest_threshold,
    precision,
    recall,
    risk_coverage,
)

CLASSES = 4
EDGES = [round(edge / 15, 6) for edge in range(16)]
confidences = st.one_of(
    st.integers(0, 10**6).map(lambda millionths: millionths / 10**6),
    st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, *EDGES]),
)
labels = st.integers(0, CLASSES - 1)
answer_lists = st.lists(
    st.builds(LabeledPrediction, labels, labels, confidences), min_size=1, max_size=60
)
precisions = st.sampled_from(["0", "0.5", "0.9", "0.95", "0.99", "0.999", "1"])


def exact(confidence: float) -> Fraction:
    return Fraction(round(confidence * 10**6), 10**6)


def right(answers: list[LabeledPrediction]) -> Fraction:
    return Fraction(sum(a.actual == a.predicted for a in answers), len(answers))


def graded(answers: list[LabeledPrediction]) -> list[Graded]:
    return [answer.graded for answer in answers]


@given(answer_lists)
def test_accuracy_is_the_share_of_right_answers(answers: list[LabeledPrediction]) -> None:
    assert accuracy(answers) == float(right(answers))


@given(answer_lists)
def test_the_matrix_counts_each_answer_once(answers: list[LabeledPrediction]) -> None:
    matrix = confusion_matrix(answers, CLASSES)

    for actual in range(CLASSES):
        for predicted in range(CLASSES):
            expected = sum(a.actual == actual and a.predicted == predicted for a in answers)
            assert matrix[actual][predicted] == expected


@given(answer_lists)
def test_recall_and_precision_of_each_class(answers: list[LabeledPrediction]) -> None:
    matrix = confusion_matrix(answers, CLASSES)

    for label in range(CLASSES):
        of_it = [a for a in answers if a.actual == label]
        taken_for_it = [a for a in answers if a.predicted == label]
        assert recall(matrix)[label] == (float(right(of_it)) if of_it else None)
        assert precision(matrix)[label] == (float(right(taken_for_it)) if taken_for_it else None)


def test_recall_is_by_row_and_precision_by_column() -> None:
    matrix = [[8, 2, 0], [1, 3, 0], [0, 0, 0]]

    assert recall(matrix) == [0.8, 0.75, None]
    assert precision(matrix) == [8 / 9, 0.6, None]


@given(answer_lists, st.sampled_from([10, 15, 100]))
@example([LabeledPrediction(0, 0, 0.07)], 100)
def test_bins_are_of_equal_width_and_hold_their_upper_edge(
    answers: list[LabeledPrediction], count: int
) -> None:
    bins = reliability_bins(graded(answers), count)

    assert len(bins) == count
    for index, held in enumerate(bins):
        lower, upper = Fraction(index, count), Fraction(index + 1, count)
        expected = [
            a
            for a in answers
            if lower < exact(a.confidence) <= upper or (index == 0 and a.confidence == 0)
        ]
        assert held.photos == len(expected)
        if expected:
            mean = sum(exact(a.confidence) for a in expected) / len(expected)
            assert held.confidence == pytest.approx(float(mean))
            assert held.accuracy == float(right(expected))
        else:
            assert (held.confidence, held.accuracy) == (None, None)


def test_guo_et_al_use_15_bins() -> None:
    assert len(reliability_bins(graded([LabeledPrediction(0, 0, 0.5)]))) == 15


@given(answer_lists)
def test_calibration_error_is_the_weighted_mean_of_the_bins_gaps(
    answers: list[LabeledPrediction],
) -> None:
    expected = Fraction(0)
    for index in range(15):
        held = [
            a
            for a in answers
            if index == max(0, -(-exact(a.confidence) * 15 // 1) - 1)  # the ceiling, less one
        ]
        if held:
            gap = right(held) - sum(exact(a.confidence) for a in held) / len(held)
            expected += Fraction(len(held), len(answers)) * abs(gap)

    assert expected_calibration_error(reliability_bins(graded(answers))) == pytest.approx(
        float(expected), abs=1e-12
    )


def test_calibration_error_of_known_cases() -> None:
    as_sure_as_right = [LabeledPrediction(0, 0, 0.75)] * 3 + [LabeledPrediction(0, 1, 0.75)]
    too_sure = [LabeledPrediction(0, 0, 1.0), LabeledPrediction(0, 1, 1.0)]

    assert expected_calibration_error(reliability_bins(graded(as_sure_as_right))) == 0
    assert expected_calibration_error(reliability_bins(graded(too_sure))) == 0.5


@given(answer_lists)
def test_each_point_is_what_its_threshold_accepts(answers: list[LabeledPrediction]) -> None:
    curve = risk_coverage(answers)

    assert [point.threshold for point in curve] == sorted(
        {a.confidence for a in answers}, reverse=True
    )
    for point in curve:
        accepted = [a for a in answers if a.confidence >= point.threshold]
        assert point.coverage == len(accepted) / len(answers)
        assert point.risk == float(1 - right(accepted))


@given(answer_lists, st.randoms())
def test_the_order_of_the_answers_does_not_matter(
    answers: list[LabeledPrediction], random: Random
) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)

    assert risk_coverage(shuffled) == risk_coverage(answers)
    assert reliability_bins(graded(shuffled)) == pytest.approx(reliability_bins(graded(answers)))


@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=40))
def test_area_is_the_mean_risk_where_all_confidences_differ(pairs: list[tuple[int, int]]) -> None:
    answers = [
        LabeledPrediction(actual, predicted, 1 - place / 100)
        for place, (actual, predicted) in enumerate(pairs)
    ]
    risks = [1 - right(answers[: count + 1]) for count in range(len(answers))]

    assert area_under_curve(risk_coverage(answers)) == pytest.approx(float(sum(risks) / len(risks)))


@given(answer_lists, precisions)
def test_no_lower_threshold_reaches_the_wanted_precision(
    answers: list[LabeledPrediction], wanted: str
) -> None:
    curve = risk_coverage(answers)

    chosen = lowest_threshold(curve, float(wanted))

    reaching = [
        threshold
        for threshold in {a.confidence for a in answers}
        if right([a for a in answers if a.confidence >= threshold]) >= Fraction(wanted)
    ]
    assert (chosen.threshold if chosen else None) == min(reaching, default=None)


@pytest.mark.parametrize(("photos", "wanted"), [(10, 0.9), (20, 0.95), (100, 0.99), (1000, 0.999)])
def test_exactly_the_wanted_precision_is_enough(photos: int, wanted: float) -> None:
    answers = [LabeledPrediction(0, 0, 0.8)] * (photos - 1) + [LabeledPrediction(0, 1, 0.8)]

    assert lowest_threshold(risk_coverage(answers), wanted) == RiskCoveragePoint(
        0.8, 1.0, 1 / photos
    )


def test_no_threshold_where_even_the_surest_answers_are_wrong() -> None:
    answers = [LabeledPrediction(0, 1, 0.99), LabeledPrediction(0, 0, 0.98)]

    assert lowest_threshold(risk_coverage(answers), 0.6) is None


@given(st.integers(2, 1000), st.integers(2, 50))
def test_a_thinned_curve_keeps_its_ends_and_its_order(length: int, most: int) -> None:
    curve = [
        RiskCoveragePoint(1 - place / length, (place + 1) / length, 0.0) for place in range(length)
    ]

    kept = downsample(curve, most)

    assert len(kept) == min(length, most)
    assert (kept[0], kept[-1]) == (curve[0], curve[-1])
    assert kept == sorted(set(kept), key=curve.index)


scores = st.lists(st.integers(0, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=30)


@given(scores, scores)
def test_auroc_is_the_share_of_pairs_in_order(photos: list[float], negatives: list[float]) -> None:
    pairs = [(photo, negative) for photo in photos for negative in negatives]
    wins = sum(photo > negative for photo, negative in pairs)
    ties = sum(photo == negative for photo, negative in pairs)

    assert auroc(photos, negatives) == float(Fraction(2 * wins + ties, 2 * len(pairs)))


@given(scores, scores)
def test_auroc_of_the_two_kinds_exchanged_is_the_rest(
    photos: list[float], negatives: list[float]
) -> None:
    assert auroc(photos, negatives) == pytest.approx(1 - auroc(negatives, photos))


@pytest.mark.parametrize(
    ("photos", "negatives", "area"),
    [
        ([0.4, 0.9], [0.1, 0.2], 1.0),
        ([0.1], [0.9], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([0.3, 0.6, 0.9], [0.1, 0.6], 4.5 / 6),
    ],
)
def test_auroc_in_numbers(photos: list[float], negatives: list[float], area: float) -> None:
    assert auroc(photos, negatives) == area
