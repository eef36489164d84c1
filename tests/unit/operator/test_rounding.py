from hypothesis import given
from hypothesis import strategies as st

from scones_operator.rounding import format_rate, format_share

SHARES = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)


@given(SHARES, SHARES, st.sampled_from([2, 3]))
def test_a_share_stays_on_its_side_of_the_limit(value: float, limit: float, digits: int) -> None:
    text = format_share(value, limit, digits)

    assert (float(text) < limit) == (value < limit)
    assert abs(float(text) - value) <= 0.5 * 10**-digits + 1e-9


def test_a_share_has_no_more_digits_than_it_needs() -> None:
    assert format_share(0.98765, 0.93) == "0.99"
    assert format_share(0.92999, 0.93) == "0.92999"
    assert format_share(0.93, 0.93) == "0.93"
    assert format_share(0.0499, 0.05, 3) == "0.0499"


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_only_all_is_a_hundred_percent_and_only_none_is_zero(part: int, more: int) -> None:
    whole = part + more
    text = format_rate(part, whole)

    assert float(text) < 100
    assert (float(text) == 0) == (part == 0)
    assert abs(float(text) - 100 * part / whole) <= 0.05 + 1e-9
    assert format_rate(whole, whole) == "100"
