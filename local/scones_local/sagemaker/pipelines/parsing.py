"""Read objects of a pipeline definition, and reject what they must not contain."""

from collections.abc import Collection
from typing import Any

from scones_local.sagemaker.protocol import ServiceError, invalid

_TYPES = {"object": dict, "list": list, "string": str, "boolean": bool}

_ARTICLES = {"object": "an", "list": "a", "string": "a", "boolean": "a"}


def bad(message: str) -> ServiceError:
    """Return the error for a definition that cannot be parsed, worded as AWS does."""
    return invalid(f"Unable to parse pipeline definition. {message}")


def fields(
    value: Any, what: str, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return an object of a definition, without members that are null.

    Parameters
    ----------
    value
        Part of the definition.
    what
        Name of the part, for messages.
    required, optional
        Names of its properties.

    Raises
    ------
    ServiceError
        If the part is not an object, or has an unknown or a missing property.
    """
    given: dict[str, Any] = typed(value, "object", what)
    for name in given:
        if name not in required and name not in optional:
            raise bad(f"Cannot parse object, unknown property '{name}' in {what}.")
    present = {name: member for name, member in given.items() if member is not None}
    for name in required:
        if name not in present:
            raise bad(f"The property '{name}' is required in {what}.")
    return present


def typed(value: Any, kind: str, what: str) -> Any:
    """Return a value; raise ServiceError unless it is an object, list, string or boolean."""
    if not isinstance(value, _TYPES[kind]):
        raise bad(f"{what} must be {_ARTICLES[kind]} {kind}, not {value!r}.")
    return value


def whole(value: Any, low: int, high: int, what: str) -> int:
    """Return a whole number; raise ServiceError unless it lies in the range."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise bad(f"{what} must be a whole number from {low} to {high}, not {value!r}.")
    return value
