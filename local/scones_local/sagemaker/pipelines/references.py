"""References and functions in a definition: ``Get``, ``Std:Join`` and ``Std:JsonGet``.

A definition is JSON in which an object with one of these names replaces a value that is known only
during the execution.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from scones_local.sagemaker.pipelines.parsing import parse_error, parse_object, parse_type

GET, JOIN, JSON_GET = "Get", "Std:Join", "Std:JsonGet"

EXECUTION_VARIABLES = (
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "StartDateTime",
    "CurrentDateTime",
)

NATURAL_KEYS = ("OutputName", "InputName", "MetricName")
"""Members by which a text in brackets finds an entry of a list."""

_NAME = re.compile(r"""\.?([^.\[\]'"]+)""")
_KEY = re.compile(r"""\['([^']*)'\]|\["([^"]*)"\]""")
_INDEX = re.compile(r"\[(\d+)\]")


class Key(str):
    """A text in brackets: a name, or the natural key of an entry of a list."""


Path = tuple[str | int, ...]


class UnresolvedReferenceError(Exception):
    """A reference without a value; the message becomes the step's FailureReason."""


class Scope(Protocol):
    """The values that references have in one execution."""

    def parameter(self, name: str) -> Any:
        """Return the value of a parameter."""
        ...

    def variable(self, name: str) -> Any:
        """Return the value of an execution variable."""
        ...

    def step(self, name: str) -> Mapping[str, Any]:
        """Return the properties of a step that has ended."""
        ...

    def property_file(self, step: str, name: str) -> str:
        """Return the S3 URI of a property file."""
        ...

    def read(self, uri: str) -> bytes:
        """Return the content of an S3 object."""
        ...


@dataclass(frozen=True)
class Reference:
    """The target of a ``Get``.

    Attributes
    ----------
    kind
        ``Parameters``, ``Execution`` or ``Steps``.
    name
        Name of the parameter, the variable or the step.
    path
        Names and indexes below a step; empty for the other kinds.
    """

    kind: str
    name: str
    path: Path = ()

    @property
    def property_file(self) -> str | None:
        """Name of the property file that the reference leads to, or None."""
        if len(self.path) == 2 and self.path[0] == "PropertyFiles":
            return str(self.path[1])
        return None


def function_name(value: Any) -> str | None:
    """Return the name of the function that an object of a definition calls, or None."""
    if not isinstance(value, dict):
        return None
    names: list[str] = [name for name in value if name == GET or name.startswith("Std:")]
    if not names:
        return None
    if len(value) > 1:
        raise parse_error(f"An object with '{names[0]}' must have no other property: {value}.")
    if names[0] not in (GET, JOIN, JSON_GET):
        raise parse_error(f"Unknown function '{names[0]}': use {GET}, {JOIN} or {JSON_GET}.")
    return names[0]


def find_references(value: Any) -> Iterator[Reference]:
    """Yield all references in a value, and check the syntax of its functions.

    Raises
    ------
    ServiceError
        If a function is unknown or its arguments are invalid.
    """
    match function_name(value):
        case None:
            for item in _find_in_value(value):
                yield from find_references(item)
        case "Get":
            yield parse_get(value[GET])
        case "Std:Join":
            arguments = parse_object(value[JOIN], JOIN, ["Values"], ["On"])
            parse_type(arguments.get("On", ""), "string", f"'On' of {JOIN}")
            for item in parse_type(arguments["Values"], "list", f"'Values' of {JOIN}"):
                yield from find_references(item)
        case _:
            arguments = parse_object(value[JSON_GET], JSON_GET, ["Path"], ["PropertyFile", "S3Uri"])
            if ("PropertyFile" in arguments) == ("S3Uri" in arguments):
                raise parse_error(f"{JSON_GET} needs either 'PropertyFile' or 'S3Uri'.")
            parse_path(parse_type(arguments["Path"], "string", f"'Path' of {JSON_GET}"))
            yield from _find_in_file(arguments)


def _find_in_file(arguments: dict[str, Any]) -> Iterator[Reference]:
    if "S3Uri" in arguments:
        yield from find_references(arguments["S3Uri"])
        return
    file = arguments["PropertyFile"]
    reference = parse_get(file[GET]) if function_name(file) == GET else None
    if reference is None or reference.property_file is None:
        raise parse_error(
            f"'PropertyFile' of {JSON_GET} must be a Get of Steps.STEP.PropertyFiles.NAME."
        )
    yield reference


def _find_in_value(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def parse_get(text: Any) -> Reference:
    """Return the target of a ``Get``; raise ServiceError if it is not one."""
    given: str = parse_type(text, "string", f"The argument of {GET}")
    kind, _, rest = given.partition(".")
    if kind == "Steps":
        name, *path = parse_path(rest)
        if path:
            return Reference(kind, str(name), tuple(path))
    elif kind in ("Parameters", "Execution") and rest:
        return Reference(kind, rest)
    raise parse_error(
        f"Invalid reference '{given}': use Parameters.NAME, Execution.NAME or Steps.STEP.PROPERTY."
    )


def parse_path(text: str) -> Path:
    """Return the parts of a path such as ``a.b[0].c['d']``.

    Raises
    ------
    ServiceError
        If the text is not a path.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        part, position = _part(text, position)
        parts.append(part)
    if not parts:
        raise parse_error("A path must not be empty.")
    return tuple(parts)


def _part(text: str, position: int) -> tuple[str | int, int]:
    """Return the part of a path at a position, and the position after it."""
    if match := _INDEX.match(text, position):
        return int(match[1]), match.end()
    if match := _KEY.match(text, position):
        return Key(match[1] if match[2] is None else match[2]), match.end()
    if match := _NAME.match(text, position):
        return match[1], match.end()
    raise parse_error(f"Invalid path '{text}' at character {position + 1}.")


def evaluate(value: Any, scope: Scope) -> Any:
    """Return a value with its references and functions replaced.

    Raises
    ------
    Unresolved
        If a reference has no value.
    """
    match function_name(value):
        case "Get":
            return _resolve_reference(parse_get(value[GET]), scope)
        case "Std:Join":
            arguments = value[JOIN]
            texts = [as_text(evaluate(item, scope)) for item in arguments["Values"]]
            return (arguments.get("On") or "").join(texts)
        case "Std:JsonGet":
            return _read_property_file(value[JSON_GET], scope)
    if isinstance(value, dict):
        return {name: evaluate(item, scope) for name, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, scope) for item in value]
    return value


def as_text(value: Any) -> str:
    """Return a value as ``Std:Join`` writes it.

    Raises
    ------
    Unresolved
        If the value is a list, an object or null.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    raise UnresolvedReferenceError(
        f"Std:Join cannot join {json.dumps(value)}: it is not a single value."
    )


def look_up(value: Any, path: Path, title: str) -> Any:
    """Follow a path into a value.

    Parameters
    ----------
    value
        Objects and lists. A text in brackets finds the entry of a list by its natural key, such
        as ``Outputs['train']`` the one whose OutputName is ``train``.
    path
        Names and indexes.
    title
        Name of the value, for the message.

    Raises
    ------
    Unresolved
        If there is nothing at the path.
    """
    for position, part in enumerate(path):
        found = _entry(value, part)
        if found is None:
            trail = "/".join(str(step) for step in path[: position + 1])
            raise UnresolvedReferenceError(f"{title} has no value at {trail}.")
        (value,) = found
    return value


def _entry(value: Any, part: str | int) -> tuple[Any] | None:
    if isinstance(value, Mapping):
        return (value[part],) if part in value else None
    if not isinstance(value, list):
        return None
    if isinstance(part, int):
        return (value[part],) if part < len(value) else None
    if not isinstance(part, Key):
        return None
    keyed = (entry for entry in value if isinstance(entry, Mapping))
    found = [e for e in keyed if any(e.get(key) == part for key in NATURAL_KEYS)]
    return (found[0],) if found else None


def _resolve_reference(reference: Reference, scope: Scope) -> Any:
    if reference.kind == "Parameters":
        return scope.parameter(reference.name)
    if reference.kind == "Execution":
        return scope.variable(reference.name)
    properties = scope.step(reference.name)
    return look_up(properties, reference.path, f"The step {reference.name}")


def _read_property_file(arguments: dict[str, Any], scope: Scope) -> Any:
    if "PropertyFile" in arguments:
        reference = parse_get(arguments["PropertyFile"][GET])
        uri = scope.property_file(reference.name, str(reference.property_file))
    else:
        uri = as_text(evaluate(arguments["S3Uri"], scope))
    try:
        content = json.loads(scope.read(uri))
    except ValueError as error:
        raise UnresolvedReferenceError(f"{uri} is not valid JSON: {error}.") from None
    return look_up(content, parse_path(arguments["Path"]), uri)
