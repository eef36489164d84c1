from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.drift.psi import SIGNIFICANCE, critical_value, population_stability_index

counts = st.lists(st.integers(0, 10_000), min_size=2, max_size=12)


def test_the_index_is_that_of_the_formula() -> None:
    """(0.3 - 0.5) ln(0.3 / 0.5) + (0.7 - 0.5) ln(0.7 / 0.5), but for half a photo."""
    assert population_stability_index([500_000] * 2, [300_000, 700_000]) == pytest.approx(
        0.16946, abs=1e-5
    )


def test_an_empty_bin_is_a_large_shift_and_not_an_infinite_one() -> None:
    assert 2 < population_stability_index([50, 50], [0, 100]) < 3
    assert 4 < population_stability_index([5000, 5000], [0, 10_000]) < 6


@given(counts)
def test_the_same_photos_are_no_shift(same: list[int]) -> None:
    assert population_stability_index(same, same) == 0


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1))
def test_it_is_never_negative_and_the_same_from_both_sides(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)

    there, back = population_stability_index(one, other), population_stability_index(other, one)

    assert there >= 0
    assert there == pytest.approx(back)


@pytest.mark.parametrize(
    ("bins", "quantile"), [(2, 10.828), (3, 13.816), (10, 27.877), (100, 148.23)]
)
def test_noise_is_the_quantile_of_chi_square(bins: int, quantile: float) -> None:
    """Against the table of chi-square at 0.999, by degrees of freedom."""
    assert critical_value(bins, 100, 100) / 0.02 == pytest.approx(quantile, rel=0.035)


def test_one_bin_knows_no_noise() -> None:
    assert critical_value(1, 100, 100) == 0


@pytest.mark.parametrize(("expected", "observed"), [(60, 100), (500, 500)])
def test_chance_alone_is_above_the_noise_as_rarely_as_it_says(expected: int, observed: int) -> None:
    random, bins = Random(7), range(10)

    def drawn(photos: int) -> list[int]:
        found = random.choices(bins, k=photos)
        return [found.count(index) for index in bins]

    baseline, trials = critical_value(len(bins), expected, observed), 400
    above = sum(
        population_stability_index(drawn(expected), drawn(observed)) > baseline
        for _ in range(trials)
    )
    assert above <= 2 + 5 * SIGNIFICANCE * trials
