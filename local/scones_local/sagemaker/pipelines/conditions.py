"""Conditions of condition steps: their syntax, and whether they hold."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from scones_local.sagemaker.pipelines.parsing import bad, fields, typed
from scones_local.sagemaker.pipelines.references import Scope, Unresolved, evaluate

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_COMPARED = ("Equals", *_ORDERS)


def check(condition: Any) -> Iterator[Any]:
    """Check the syntax of a condition, and yield the values it compares.

    Raises
    ------
    ServiceError
        If its type or one of its properties is unknown.
    """
    kind = typed(condition, "object", "A condition").get("Type")
    what = f"a condition of type {kind}"
    if kind in _COMPARED:
        given = fields(condition, what, ["Type", "LeftValue", "RightValue"])
        yield from (given["LeftValue"], given["RightValue"])
    elif kind == "In":
        given = fields(condition, what, ["Type", "QueryValue", "Values"])
        yield from (given["QueryValue"], *typed(given["Values"], "list", "'Values' of In"))
    elif kind == "Not":
        yield from check(fields(condition, what, ["Type", "Condition"])["Condition"])
    elif kind == "Or":
        given = fields(condition, what, ["Type", "Conditions"])
        for part in typed(given["Conditions"], "list", "'Conditions' of Or"):
            yield from check(part)
    else:
        known = ", ".join([*_COMPARED, "In", "Not", "Or"])
        raise bad(f"Unknown condition type '{kind}': use {known}.")


def holds(condition: dict[str, Any], scope: Scope) -> bool:
    """Return whether a condition holds.

    Raises
    ------
    Unresolved
        If one of its values is unknown, or values of different types are ordered.
    """
    match condition:
        case {"Type": "In", "QueryValue": query, "Values": listed}:
            wanted = evaluate(query, scope)
            return any(_equal(wanted, evaluate(item, scope)) for item in listed)
        case {"Type": "Not", "Condition": negated}:
            return not holds(negated, scope)
        case {"Type": "Or", "Conditions": parts}:
            return any(holds(part, scope) for part in parts)
    left = evaluate(condition["LeftValue"], scope)
    right = evaluate(condition["RightValue"], scope)
    if condition["Type"] == "Equals":
        return _equal(left, right)
    if not _comparable(left, right):
        raise Unresolved(
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
