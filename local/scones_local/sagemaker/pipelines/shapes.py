"""Compare arguments and properties of steps with AWS's service model."""

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from scones_local.sagemaker.pipelines.parsing import parse_error
from scones_local.sagemaker.pipelines.references import NATURAL_KEYS, Key, Path, function_name
from scones_local.sagemaker.validation import service_model


def request_shape(action: str) -> StructureShape:
    """Return the shape of an action's request."""
    shape = service_model().operation_model(action).input_shape
    if shape is None:
        raise KeyError(action)
    return shape


def response_shape(action: str) -> StructureShape:
    """Return the shape of an action's response."""
    shape = service_model().operation_model(action).output_shape
    if shape is None:
        raise KeyError(action)
    return shape


def check_value(value: Any, shape: Shape, path: str) -> None:
    """Check the literal parts of arguments; references are known only during the execution.

    Parameters
    ----------
    value
        Arguments of a step, or a part of them.
    shape
        The shape they have in AWS's model.
    path
        Name of the part, for messages.

    Raises
    ------
    ServiceError
        If the model has no such property, or a literal is not one of the allowed values.
    """
    if function_name(value) is not None:
        return
    if isinstance(shape, StructureShape):
        _check_members(value, shape, path)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for position, item in enumerate(value):
            check_value(item, shape.member, f"{path}[{position}]")
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for name, item in value.items():
            check_value(item, shape.value, f"{path}['{name}']")
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        allowed = ", ".join(shape.enum)
        raise parse_error(
            f"Model Validation failed: Value '{value}' for '{path}' failed to satisfy enum value "
            f"set: [{allowed}]"
        )


def _check_members(value: Any, shape: StructureShape, path: str) -> None:
    if not isinstance(value, dict):
        raise parse_error(f"{path} must be an object, not {value!r}.")
    for name, item in value.items():
        if name not in shape.members:
            raise parse_error(f"Cannot parse object, unknown property '{name}' in {path}.")
        if item is not None:
            check_value(item, shape.members[name], f"{path}.{name}")


def is_valid_path(path: Path, shape: Shape | None) -> bool:
    """Return whether a path leads to a member of a response.

    Parameters
    ----------
    path
        Names, indexes, and natural keys of list entries.
    shape
        Shape of the response.
    """
    for part in path:
        if isinstance(shape, StructureShape):
            shape = shape.members.get(str(part))
        elif isinstance(shape, MapShape):
            shape = shape.value
        elif isinstance(shape, ListShape):
            keyed = isinstance(part, Key) and _is_keyed(shape.member)
            shape = shape.member if isinstance(part, int) or keyed else None
        else:
            return False
        if shape is None:
            return False
    return True


def _is_keyed(shape: Shape) -> bool:
    return isinstance(shape, StructureShape) and any(key in shape.members for key in NATURAL_KEYS)


def coerce_value(value: Any, shape: Shape) -> Any:
    """Return resolved arguments with numbers and booleans as text where the model has text.

    A parameter of type Integer may be the value of a hyperparameter, which is text. Members that
    are null are removed.
    """
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = {name: item for name, item in value.items() if item is not None}
        return {name: coerce_value(item, shape.members[name]) for name, item in members.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [coerce_value(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: coerce_value(item, shape.value) for name, item in value.items()}
    if isinstance(shape, StringShape) and isinstance(value, bool):
        return str(value).lower()
    if isinstance(shape, StringShape) and isinstance(value, (int, float)):
        return repr(value)
    return value
