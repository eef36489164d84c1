from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.listing import epoch_seconds, filter_by_time, is_descending, paginate
from scones_local.sagemaker.protocol import ServiceError


@given(st.integers(0, 40), st.integers(1, 15))
def test_the_pages_are_the_whole(count: int, size: int) -> None:
    entries = list(range(count))
    seen: list[int] = []
    parameters: dict[str, Any] = {"MaxResults": size}
    while True:
        found, more = paginate(entries, parameters)
        assert len(found) <= size
        seen += found
        if not more:
            break
        parameters |= more
    assert seen == entries


def test_a_page_has_a_default_size() -> None:
    assert len(paginate(list(range(30)), {})[0]) == 10
    assert len(paginate(list(range(30)), {}, 20)[0]) == 20


@pytest.mark.parametrize("token", ["", "x", "-1"])
def test_refuses_other_tokens(token: str) -> None:
    with pytest.raises(ServiceError, match="Invalid pagination token"):
        paginate([1], {"NextToken": token})


def test_orders() -> None:
    assert is_descending({}) is True
    assert is_descending({}, "Ascending") is False
    assert is_descending({"SortOrder": "Ascending"}) is False


def test_ranges_include_their_limits() -> None:
    assert filter_by_time([1.0, 2.0, 3.0], float, 2.0, None) == [2.0, 3.0]
    assert filter_by_time([1.0, 2.0, 3.0], float, None, 2.0) == [1.0, 2.0]


def test_a_time_without_a_zone_is_utc() -> None:
    assert epoch_seconds(datetime(1970, 1, 1, 0, 1)) == 60
    assert epoch_seconds(datetime(1970, 1, 1, 0, 1, tzinfo=UTC)) == 60
