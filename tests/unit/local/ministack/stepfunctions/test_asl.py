from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.ministack.stepfunctions.asl import retry_delay

SECONDS = st.floats(0.01, 1000)


@given(interval=SECONDS, rate=st.floats(1, 10), attempts=st.integers(0, 20), largest=SECONDS)
def test_a_delay_grows_up_to_its_maximum(
    interval: float, rate: float, attempts: int, largest: float
) -> None:
    retrier = {"IntervalSeconds": interval, "BackoffRate": rate, "MaxDelaySeconds": largest}
    delay = retry_delay(retrier, attempts)
    assert delay == pytest.approx(min(interval * rate**attempts, largest))
    jittered = retry_delay({**retrier, "JitterStrategy": "FULL"}, attempts)
    assert 0 <= jittered <= delay


def test_full_jitter_takes_any_part_of_the_delay() -> None:
    retrier = {"IntervalSeconds": 1, "JitterStrategy": "FULL"}
    delays = [retry_delay(retrier, 0) for _ in range(200)]
    assert min(delays) < 0.25
    assert max(delays) > 0.75
    assert len(set(delays)) > 100


@pytest.mark.parametrize(
    ("retrier", "attempts", "delay"), [({}, 0, 1), ({}, 3, 8), ({"JitterStrategy": "NONE"}, 1, 2)]
)
def test_defaults_are_those_of_the_language(
    retrier: dict[str, Any], attempts: int, delay: float
) -> None:
    assert retry_delay(retrier, attempts) == delay
