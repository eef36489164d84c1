from bisect import bisect_right
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from scones.drift.distributions import (
    MAX_BINS,
    MIN_PHOTOS_PER_BIN,
    MIN_PHOTOS_PER_CLASS,
    confidence_bins,
    familiarity_bins,
    label_bins,
)
from scones.evaluation.stored_evaluation import StoredEvaluation
from tests.unit.scones.drift.evaluations import evaluation


def drawn(seed: int, photos: int, decimals: int) -> list[float]:
    """Confidences of some sort of model, many of them equal where there are few decimals."""
    random = Random(seed)
    return [
        round(random.betavariate(random.choice([1, 3, 12]), 1), decimals) for _ in range(photos)
    ]


confidences = st.builds(drawn, st.integers(), st.integers(1, 400), st.sampled_from([0, 1, 2, 6]))


@given(confidences)
def test_the_evaluations_own_photos_fall_into_the_bins_as_they_were_counted(
    own: list[float],
) -> None:
    bins = confidence_bins(evaluation(own).candidate, own)

    assert bins.observed == bins.expected
    assert sum(bins.expected) == len(own)


@given(confidences)
def test_bins_are_few_and_hold_enough_photos(own: list[float]) -> None:
    bins = confidence_bins(evaluation(own).candidate, [])

    assert 1 <= len(bins.names) <= MAX_BINS
    assert len(set(bins.names)) == len(bins.names) == len(bins.expected) == len(bins.observed)
    assert len(bins.expected) == 1 or min(bins.expected) >= MIN_PHOTOS_PER_BIN


def test_bins_hold_a_tenth_each_where_there_are_photos_enough() -> None:
    random = Random(1)
    own = [round(random.betavariate(8, 1), 6) for _ in range(5000)]

    bins = confidence_bins(evaluation(own).candidate, own[:700])

    assert len(bins.expected) >= MAX_BINS - 1
    assert max(bins.expected[:-1]) < 1.1 * 5000 / MAX_BINS
    edges = [float(name.split()[0]) for name in bins.names[1:]]
    by_hand = [0] * len(bins.names)
    for confidence in own[:700]:
        by_hand[bisect_right(edges, confidence)] += 1
    assert bins.observed == tuple(by_hand)


def test_a_model_that_is_always_as_sure_has_one_bin() -> None:
    bins = confidence_bins(evaluation([1.0] * 500).candidate, [1.0, 0.2])

    assert bins.names == ("all",)
    assert bins.observed == (2,)


def labelled(**predicted: int) -> StoredEvaluation:
    """An evaluation in which the model took so many photos for each class."""
    return evaluation([0.9] * sum(predicted.values()), predicted)


def test_classes_are_counted_as_the_model_predicted_them() -> None:
    bins = label_bins(labelled(van=30, bicycle=10), ["van", "bicycle", "van"])

    assert bins.names == ("van", "bicycle")
    assert bins.expected == (30, 10)
    assert bins.observed == (2, 1)


def test_rare_classes_share_a_bin_with_what_nobody_knows() -> None:
    bins = label_bins(
        labelled(van=60, bicycle=40, sledge=1, tank=4), ["van", "tank", "sledge", "boat"]
    )

    assert bins.names == ("van", "bicycle", "sledge, tank")
    assert bins.expected == (60, 40, 5)
    assert bins.observed == (1, 0, 3)


@given(
    st.lists(st.integers(0, 40), min_size=2, max_size=12).filter(any),
    st.lists(st.integers(0, 13), max_size=50),
)
def test_all_photos_are_in_a_bin_of_enough(predicted: list[int], found: list[int]) -> None:
    names = [f"class {index}" for index in range(len(predicted))]
    judged = labelled(**dict(zip(names, predicted, strict=True)))

    bins = label_bins(judged, [f"class {index}" for index in found])

    assert sum(bins.expected) == sum(predicted)
    assert sum(bins.observed) == len(found)
    known = all(index < len(predicted) for index in found)
    if known and len(bins.names) > 1:
        assert min(bins.expected) >= MIN_PHOTOS_PER_CLASS


@given(st.integers(1, 100_000), st.lists(st.floats(0, 1), max_size=50))
def test_familiarities_are_expected_in_equal_parts(photos: int, found: list[float]) -> None:
    judgement = evaluation([0.9]).candidate.model_copy(update={"photos": photos})

    bins = familiarity_bins(judgement, found)

    assert len(bins.names) == len(set(bins.names)) == 10
    assert len(set(bins.expected)) == 1
    assert bins.expected[0] >= 1
    assert sum(bins.observed) == len(found)


def test_a_familiarity_at_an_edge_is_in_the_upper_bin() -> None:
    bins = familiarity_bins(evaluation([0.9] * 20).candidate, [0.0, 0.099999, 0.1, 0.3, 0.9, 1.0])

    assert bins.names[0] == "below 0.1"
    assert bins.names[-1] == "0.9 and above"
    assert bins.observed == (2, 1, 0, 1, 0, 0, 0, 0, 0, 2)
    assert bins.expected == (2,) * 10
