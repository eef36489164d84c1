"""Read objects of a pipeline definition, and reject what they must not contain."""

from collections.abc import Collection
from typing import Any

from scones_local.sagemaker.protocol import ServiceError, validation_error

_TYPES = {"object": dict, "list": list, "string": str, "boolean": bool}

_ARTICLES = {"object": "an", "list": "a", "string": "a", "boolean": "a"}


def parse_error(message: str) -> ServiceError:
    """Return the error for a definition that cannot be parsed, worded as AWS does."""
    return validation_error(f"Unable to parse pipeline definition. {message}")


def parse_object(
    value: Any, title: str, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return an object of a definition, without members that are null.

    Parameters
    ----------
    value
        Part of the definition.
    title
        Name of the part, for messages.
    required, optional
        Names of its properties.

    Raises
    ------
    ServiceError
        If the part is not an object, or has an unknown or a missing property.
    """
    members: dict[str, Any] = parse_type(value, "object", title)
    for name in members:
        if name not in required and name not in optional:
            raise parse_error(f"Cannot parse object, unknown property '{name}' in {title}.")
    present = {name: member for name, member in members.items() if member is not None}
    for name in required:
        if name not in present:
            raise parse_error(f"The property '{name}' is required in {title}.")
    return present


def parse_type(value: Any, kind: str, title: str) -> Any:
    """Return a value; raise ServiceError unless it is an object, list, string or boolean."""
    if not isinstance(value, _TYPES[kind]):
        raise parse_error(f"{title} must be {_ARTICLES[kind]} {kind}, not {value!r}.")
    return value


def parse_integer(value: Any, minimum: int, maximum: int, title: str) -> int:
    """Return a whole number; raise ServiceError unless it lies in the range."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise parse_error(
            f"{title} must be a whole number from {minimum} to {maximum}, not {value!r}."
        )
    return value
