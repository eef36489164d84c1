from typing import Any

import pytest

from scones_local.ministack.alarms import alarm_state


def alarm(**settings: Any) -> dict[str, Any]:
    return {
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 2.0,
        "TreatMissingData": "notBreaching",
        **settings,
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0], "ALARM"),
        ([1.9], "OK"),
        ([None], "OK"),
        ([2.0, 3.0], "ALARM"),
        ([2.0, 1.0], "OK"),
        ([2.0, None], "OK"),
    ],
)
def test_all_periods_have_to_breach(values: list[float | None], expected: str) -> None:
    assert alarm_state(alarm(), values) == expected


def test_so_many_periods_as_it_names_are_enough() -> None:
    assert alarm_state(alarm(DatapointsToAlarm=2), [5.0, None, 5.0]) == "ALARM"
    assert alarm_state(alarm(DatapointsToAlarm=3), [5.0, None, 5.0]) == "OK"


@pytest.mark.parametrize(
    ("treatment", "expected"),
    [
        ("breaching", "ALARM"),
        ("notBreaching", "OK"),
        ("missing", "INSUFFICIENT_DATA"),
        ("ignore", None),
    ],
)
def test_missing_data_counts_as_the_alarm_says(treatment: str, expected: str | None) -> None:
    assert alarm_state(alarm(TreatMissingData=treatment), [None, None]) == expected


@pytest.mark.parametrize(
    ("comparison", "at", "expected"),
    [
        ("GreaterThanThreshold", 2.0, "OK"),
        ("LessThanThreshold", 2.0, "OK"),
        ("LessThanOrEqualToThreshold", 2.0, "ALARM"),
        ("LessThanThreshold", 1.0, "ALARM"),
    ],
)
def test_each_comparison_is_followed(comparison: str, at: float, expected: str) -> None:
    assert alarm_state(alarm(ComparisonOperator=comparison), [at]) == expected
