from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.pipelines import cache
from scones_local.sagemaker.pipelines.cache import CachePolicy, cache_key, parse_duration
from scones_local.sagemaker.pipelines.definition import Step
from scones_local.sagemaker.pipelines.executions import Execution, Executions, StepRecord
from scones_local.sagemaker.protocol import ServiceError

PIPELINE = "arn:pipeline"
JOB = {
    "AppSpecification": {"ImageUri": "i", "ContainerArguments": ["a"]},
    "ProcessingInputs": [{"InputName": "x", "S3Input": {"S3Uri": "s3://b/x"}}],
    "Environment": {"A": "b"},
    "ProcessingOutputConfig": {"Outputs": []},
    "RoleArn": "r",
}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"RoleArn": "other"}, True),
        ({"ProcessingOutputConfig": {"Outputs": [1]}}, True),
        ({"Tags": [1]}, True),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 1}}, True),
        ({"Environment": {"A": "c"}}, False),
        ({"AppSpecification": {"ImageUri": "j", "ContainerArguments": ["a"]}}, False),
        ({"ProcessingInputs": []}, False),
    ],
)
def test_what_counts_in_a_key(changes: dict[str, Any], same: bool) -> None:
    assert (cache_key("Processing", JOB) == cache_key("Processing", {**JOB, **changes})) is same


def test_absent_and_empty_are_the_same() -> None:
    without = {name: value for name, value in JOB.items() if name != "Environment"}
    assert cache_key("Processing", without) == cache_key("Processing", {**JOB, "Environment": {}})


@given(st.permutations(list(JOB)))
def test_the_order_does_not_count(names: list[str]) -> None:
    assert cache_key("Processing", {name: JOB[name] for name in names}) == cache_key(
        "Processing", JOB
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P30D", timedelta(days=30)),
        ("PT1H", timedelta(hours=1)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("P2W", timedelta(weeks=2)),
        ("P1Y2M", timedelta(days=425)),
        ("30d", timedelta(days=30)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text, "S") == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "30", "1H", "P30", "-P1D", 30])
def test_refuses_what_is_not_a_duration(text: Any) -> None:
    with pytest.raises(ServiceError, match="'ExpireAfter' of S must be a duration"):
        parse_duration(text, "S")


def test_a_policy_is_for_some_types_only() -> None:
    enabled = {"Enabled": True, "ExpireAfter": "P1D"}
    assert cache.parse_cache_policy(enabled, "S", "Training") == CachePolicy(timedelta(days=1))
    assert cache.parse_cache_policy({"Enabled": False}, "S", "Lambda") is None
    with pytest.raises(ServiceError, match="no caching of Lambda steps"):
        cache.parse_cache_policy(enabled, "S", "Lambda")


def execution(arn: str, days_ago: float, status: str = "Succeeded", **more: Any) -> Execution:
    step = Step("S", "Processing", {})
    ended = datetime.now(UTC) - timedelta(days=days_ago)
    made = Execution(PIPELINE, PIPELINE, arn, "", 1, None, {}, None, "", None)  # type: ignore[arg-type]
    made.records["S"] = StepRecord(step, status, ended=ended, cache_key="k", **more)
    return made


def find(*executions: Execution, after: timedelta | None = None, wanted: str = "k") -> str | None:
    kept = Executions()
    for one in executions:
        kept.add(one)
    step = Step("S", "Processing", {}, cache=CachePolicy(after))
    found = kept.cached(PIPELINE, step, wanted)
    return found and found[0]


def test_the_newest_result_is_used() -> None:
    assert find(execution("a", 3), execution("b", 1), execution("c", 2)) == "b"


def test_only_fitting_results_are_used() -> None:
    assert find(execution("a", 3), after=timedelta(days=2)) is None
    assert find(execution("a", 1), after=timedelta(days=2)) == "a"
    assert find(execution("a", 1), wanted="other") is None
    assert find(execution("a", 1, "Failed")) is None
    # What was itself taken from the cache is as old as its source.
    assert find(execution("a", 1, source="b")) is None
