from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.pipelines.conditions import check_condition, evaluate_condition
from scones_local.sagemaker.pipelines.references import UnresolvedReferenceError
from scones_local.sagemaker.protocol import ServiceError


class Scope:
    def parameter(self, name: str) -> Any:
        return {"Two": 2, "Text": "b", "Yes": True}[name]


SCOPE: Any = Scope()


def compared(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (compared("Equals", {"Get": "Parameters.Two"}, 2.0), True),
        (compared("Equals", "2", {"Get": "Parameters.Two"}), False),
        (compared("Equals", {"Get": "Parameters.Yes"}, True), True),
        (compared("Equals", {"Get": "Parameters.Yes"}, 1), False),
        (compared("GreaterThan", 2, {"Get": "Parameters.Two"}), False),
        (compared("GreaterThanOrEqualTo", 2, {"Get": "Parameters.Two"}), True),
        (compared("LessThan", 1.5, {"Get": "Parameters.Two"}), True),
        (compared("LessThanOrEqualTo", 2.5, {"Get": "Parameters.Two"}), False),
        (compared("LessThan", "a", {"Get": "Parameters.Text"}), True),
        ({"Type": "In", "QueryValue": {"Get": "Parameters.Text"}, "Values": ["a", "b"]}, True),
        ({"Type": "In", "QueryValue": {"Get": "Parameters.Yes"}, "Values": [1]}, False),
        ({"Type": "Not", "Condition": compared("Equals", 1, 1)}, False),
        ({"Type": "Or", "Conditions": [compared("Equals", 1, 2), compared("Equals", 1, 1)]}, True),
        ({"Type": "Or", "Conditions": []}, False),
    ],
)
def test_holds(condition: dict[str, Any], expected: bool) -> None:
    list(check_condition(condition))
    assert evaluate_condition(condition, SCOPE) is expected


@pytest.mark.parametrize("right", ["1", True, None])
def test_only_values_of_one_type_are_ordered(right: Any) -> None:
    with pytest.raises(UnresolvedReferenceError, match="cannot compare 1 with"):
        evaluate_condition(compared("LessThan", 1, right), SCOPE)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"Type": "Almost"}, "Unknown condition type 'Almost'"),
        ({"Type": "Not", "Expression": {}}, "unknown property 'Expression'"),
        ({"Type": "Equals", "LeftValue": 1}, "'RightValue' is required"),
        ({"Type": "Or", "Conditions": {}}, "'Conditions' of Or must be a list"),
        ({"Type": "Not", "Condition": {"Type": "x"}}, "Unknown condition type 'x'"),
    ],
)
def test_refuses_wrong_conditions(condition: Any, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        list(check_condition(condition))


@given(st.integers() | st.floats(allow_nan=False), st.integers() | st.floats(allow_nan=False))
def test_the_comparisons_agree(left: float, right: float) -> None:
    less = evaluate_condition(compared("LessThan", left, right), SCOPE)
    equal = evaluate_condition(compared("Equals", left, right), SCOPE)
    greater = evaluate_condition(compared("GreaterThan", left, right), SCOPE)
    assert [less, equal, greater].count(True) == 1
    assert evaluate_condition(compared("LessThanOrEqualTo", left, right), SCOPE) is (less or equal)
    assert evaluate_condition(compared("GreaterThanOrEqualTo", left, right), SCOPE) is (
        greater or equal
    )
