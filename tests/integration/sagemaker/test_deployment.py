from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.deployment import Step, plan_steps
from scones_local.sagemaker.protocol import ServiceError


def policy(kind: str, **routing: Any) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": 30, **routing},
            "TerminationWaitInSeconds": 120,
        }
    }


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def taken(steps: list[Step]) -> list[tuple[float, float]]:
    return [(pytest.approx(step.share), step.bake_seconds) for step in steps]


def test_nothing_asked_is_all_at_once_unwatched() -> None:
    assert taken(plan_steps(None, 3)) == [(1, 0)]


def test_all_at_once_bakes_before_the_old_fleet_ends() -> None:
    assert taken(plan_steps(policy("ALL_AT_ONCE"), 3)) == [(1, 120)]


def test_a_canary_bakes_twice() -> None:
    assert taken(plan_steps(policy("CANARY", CanarySize=percent(20)), 3)) == [(0.2, 30), (1, 120)]
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    assert taken(plan_steps(policy("CANARY", CanarySize=size), 4)) == [(0.25, 30), (1, 120)]


def test_linear_steps() -> None:
    steps = plan_steps(policy("LINEAR", LinearStepSize=percent(33)), 3)
    assert taken(steps) == [(0.33, 30), (0.66, 30), (0.99, 30), (1, 120)]


@given(st.integers(10, 50))
def test_linear_steps_rise_to_the_whole(size: int) -> None:
    shares = [step.share for step in plan_steps(policy("LINEAR", LinearStepSize=percent(size)), 1)]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1
    assert all(b - a <= size / 100 + 1e-9 for a, b in zip([0, *shares], shares, strict=False))


@pytest.mark.parametrize(
    "config",
    [
        policy("CANARY", CanarySize=percent(51)),
        policy("CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}),
        policy("CANARY"),
        policy("LINEAR", LinearStepSize=percent(9)),
        policy("LINEAR", LinearStepSize=percent(51)),
        {"RollingUpdatePolicy": {}},
    ],
)
def test_refuses_what_cannot_be_followed(config: dict[str, Any]) -> None:
    with pytest.raises(ServiceError):
        plan_steps(config, 1)
