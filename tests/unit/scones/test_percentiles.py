from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from scones.percentiles import percentile


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=50), st.integers(1, 100))
def test_percentiles_are_by_nearest_rank(values: list[float], percent: int) -> None:
    found = percentile(values, percent)

    share = Fraction(percent, 100) * len(values)
    assert sum(value <= found for value in values) >= share
    assert sum(value < found for value in values) < share
