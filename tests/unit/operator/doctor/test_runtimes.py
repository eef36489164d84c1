from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from scones_operator.aws.template_parameters import _parameters
from scones_operator.doctor.runtimes import DEPRECATIONS, check_runtime
from tests.unit.operator.doctor.stubbed import subject

ALLOWED = _parameters()["Runtime"]["AllowedValues"]


def on(day: str, runtime: str = "python3.13") -> Any:
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return check_runtime(replace(subject(None, Runtime=runtime), now=now))


def test_each_runtime_of_the_template_has_a_date() -> None:
    assert set(DEPRECATIONS) == set(ALLOWED)


@pytest.mark.parametrize(
    ("day", "status", "found"),
    [
        ("2026-11-28", "ok", "python3.13 is supported until 2029-06-30"),
        ("2029-01-01", "ok", "python3.13 is supported until 2029-06-30"),
        ("2029-01-02", "warning", "python3.13 is deprecated on 2029-06-30"),
        ("2029-06-29", "warning", "python3.13 is deprecated on 2029-06-30"),
        ("2029-06-30", "problem", "python3.13 is deprecated since 2029-06-30"),
    ],
)
def test_the_end_of_a_runtime_comes_nearer(day: str, status: str, found: str) -> None:
    result = on(day)

    assert (result.status, result.message) == (status, found)
    assert status == "ok" or "Runtime=python3.14" in result.advice


def test_a_runtime_that_is_not_known() -> None:
    assert on("2026-11-28", "python3.99").status == "warning"
