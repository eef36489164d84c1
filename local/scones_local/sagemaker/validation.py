"""Checks requests against AWS's own service model, and words the errors as AWS does."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from scones_local.sagemaker.protocol import ServiceError, validation_error

_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "timestamp": (float, int, str),
}


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of the control plane."""
    return botocore.session.get_session().get_service_model("sagemaker")


def check(action: str, parameters: object) -> None:
    """Check one request's parameters.

    Raises
    ------
    ServiceError
        ``UnknownOperationException``, ``SerializationException`` for a value of the wrong type,
        or ``ValidationException`` naming every constraint that is not satisfied.
    """
    if action not in service_model().operation_names:
        raise ServiceError("UnknownOperationException", f"The action {action} is not known.")
    shape = service_model().operation_model(action).input_shape
    if shape is None:
        return
    violations = list(_violations(parameters, shape, ""))
    if violations:
        noun = "error" if len(violations) == 1 else "errors"
        raise validation_error(
            f"{len(violations)} validation {noun} detected: " + "; ".join(violations)
        )


def _violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Yield a sentence for each constraint broken; members the model lacks are ignored."""
    _check_type(value, shape, path)
    if isinstance(shape, StructureShape):
        yield from _in_structure(value, shape, path)
    elif isinstance(shape, ListShape):
        yield from _in_range(value, len(value), shape, path, "length")
        for number, item in enumerate(value, 1):
            yield from _violations(item, shape.member, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _violations(key, shape.key, f"{path}.{key}.key")
            yield from _violations(item, shape.value, f"{path}.{key}.value")
    elif isinstance(shape, StringShape):
        yield from _in_string(value, shape, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _in_range(value, value, shape, path, "value")


def _in_structure(value: dict[str, Any], shape: StructureShape, path: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield _format_violation(None, _member_path(path, name), "Member must not be null")
    for name, member in shape.members.items():
        if name in value:
            yield from _violations(value[name], member, _member_path(path, name))


def _in_string(value: str, shape: StringShape, path: str) -> Iterator[str]:
    yield from _in_range(value, len(value), shape, path, "length")
    if shape.enum and value not in shape.enum:
        values = ", ".join(shape.enum)
        yield _format_violation(value, path, f"Member must satisfy enum value set: [{values}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield _format_violation(
            value, path, f"Member must satisfy regular expression pattern: {pattern}"
        )


def _in_range(value: object, measure: float, shape: Shape, path: str, noun: str) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and measure < minimum:
        yield _format_violation(
            value, path, f"Member must have {noun} greater than or equal to {minimum}"
        )
    if maximum is not None and measure > maximum:
        yield _format_violation(
            value, path, f"Member must have {noun} less than or equal to {maximum}"
        )


def _check_type(value: object, shape: Shape, path: str) -> None:
    allowed = _TYPES[shape.type_name]
    right = isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))
    if not right:
        value_type = type(value).__name__
        message = f"Value at '{path or 'request'}' must be a {shape.type_name}, not {value_type}."
        raise ServiceError("SerializationException", message)


def _format_violation(value: object, path: str, constraint: str) -> str:
    value_text = "null" if value is None else f"'{value}'"
    return f"Value {value_text} at '{path}' failed to satisfy constraint: {constraint}"


def _member_path(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Compile a pattern of AWS's; None for what only Java's engine knows, Unicode classes."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None
