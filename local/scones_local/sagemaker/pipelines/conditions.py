"""Conditions of condition steps: their syntax, and whether they hold."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from scones_local.sagemaker.pipelines.parsing import parse_error, parse_object, parse_type
from scones_local.sagemaker.pipelines.references import Scope, UnresolvedReferenceError, evaluate

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_COMPARED = ("Equals", *_ORDERS)


def check_condition(condition: Any) -> Iterator[Any]:
    """Check the syntax of a condition, and yield the values it compares.

    Raises
    ------
    ServiceError
        If its type or one of its properties is unknown.
    """
    kind = parse_type(condition, "object", "A condition").get("Type")
    title = f"a condition of type {kind}"
    if kind in _COMPARED:
        members = parse_object(condition, title, ["Type", "LeftValue", "RightValue"])
        yield from (members["LeftValue"], members["RightValue"])
    elif kind == "In":
        members = parse_object(condition, title, ["Type", "QueryValue", "Values"])
        yield from (members["QueryValue"], *parse_type(members["Values"], "list", "'Values' of In"))
    elif kind == "Not":
        yield from check_condition(
            parse_object(condition, title, ["Type", "Condition"])["Condition"]
        )
    elif kind == "Or":
        members = parse_object(condition, title, ["Type", "Conditions"])
        for part in parse_type(members["Conditions"], "list", "'Conditions' of Or"):
            yield from check_condition(part)
    else:
        known = ", ".join([*_COMPARED, "In", "Not", "Or"])
        raise parse_error(f"Unknown condition type '{kind}': use {known}.")


def evaluate_condition(condition: dict[str, Any], scope: Scope) -> bool:
    """Return whether a condition holds.

    Raises
    ------
    Unresolved
        If one of its values is unknown, or values of different types are ordered.
    """
    match condition:
        case {"Type": "In", "QueryValue": query, "Values": listed}:
            expected = evaluate(query, scope)
            return any(_equal(expected, evaluate(item, scope)) for item in listed)
        case {"Type": "Not", "Condition": negated}:
            return not evaluate_condition(negated, scope)
        case {"Type": "Or", "Conditions": parts}:
            return any(evaluate_condition(part, scope) for part in parts)
    left = evaluate(condition["LeftValue"], scope)
    right = evaluate(condition["RightValue"], scope)
    if condition["Type"] == "Equals":
        return _equal(left, right)
    if not _comparable(left, right):
        raise UnresolvedReferenceError(
            f"The condition {condition['Type']} cannot compare {left!r} with {right!r}: both must "
            "be numbers, or both texts."
        )
    return _ORDERS[condition["Type"]](left, right)


def _equal(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _comparable(left: Any, right: Any) -> bool:
    return (_is_number(left) and _is_number(right)) or (
        isinstance(left, str) and isinstance(right, str)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
