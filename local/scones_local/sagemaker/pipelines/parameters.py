"""Parameters of a pipeline: their declarations, and the values of one execution."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scones_local.sagemaker.pipelines.parsing import parse_error, parse_object, parse_type
from scones_local.sagemaker.pipelines.references import as_text
from scones_local.sagemaker.protocol import validation_error

_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
}


@dataclass(frozen=True)
class Parameter:
    """The declaration of a parameter.

    Attributes
    ----------
    name
        Its name.
    kind
        ``String``, ``Integer``, ``Float`` or ``Boolean``.
    default
        Value if the execution gives none, or None if it has to give one.
    allowed
        Allowed values; empty if all are.
    """

    name: str
    kind: str
    default: Any
    allowed: tuple[Any, ...]

    def parse(self, text: str) -> Any:
        """Return the value of a text, as StartPipelineExecution has it.

        Raises
        ------
        ServiceError
            If the text is not a value of the parameter's type, or not an allowed one.
        """
        try:
            value = parse_value(self.kind, text)
        except ValueError:
            raise validation_error(
                f"Invalid value '{text}' for the parameter {self.name}: it must be of type "
                f"{self.kind}."
            ) from None
        if self.allowed and value not in self.allowed:
            allowed = ", ".join(as_text(item) for item in self.allowed)
            raise validation_error(
                f"Invalid value '{text}' for the parameter {self.name}: it must be one of "
                f"{allowed}."
            )
        return value


def parse_value(kind: str, text: str) -> Any:
    """Return the value of a text in one of the types.

    Raises
    ------
    ValueError
        If the text is not a value of that type.
    """
    match kind:
        case "Integer":
            return int(text)
        case "Float":
            return _finite(float(text))
        case "Boolean" if text.lower() not in ("true", "false"):
            raise ValueError(text)
        case "Boolean":
            return text.lower() == "true"
    return text


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(number)
    return number


def parse_declarations(specifications: Any) -> dict[str, Parameter]:
    """Return the parameters of a definition by name.

    Raises
    ------
    ServiceError
        If a declaration is invalid.
    """
    parameters = [
        _parse_declaration(item) for item in parse_type(specifications, "list", "Parameters")
    ]
    found = {parameter.name: parameter for parameter in parameters}
    if len(found) < len(parameters):
        raise parse_error("The parameters of a pipeline must have different names.")
    return found


def _parse_declaration(specification: Any) -> Parameter:
    title = "a parameter"
    members = parse_object(specification, title, ["Name", "Type"], ["DefaultValue", "EnumValues"])
    name, kind = parse_type(members["Name"], "string", "The name of a parameter"), members["Type"]
    if kind not in _TYPES:
        raise parse_error(
            f"Unknown type '{kind}' of the parameter {name}: use {', '.join(_TYPES)}."
        )
    default, allowed = members.get("DefaultValue"), tuple(members.get("EnumValues") or ())
    for value in allowed if default is None else (default, *allowed):
        _require_type(name, kind, value)
    if allowed and default is not None and default not in allowed:
        raise parse_error(
            f"The default {default!r} of the parameter {name} is not among its EnumValues."
        )
    return Parameter(name, kind, default, allowed)


def _require_type(name: str, kind: str, value: Any) -> None:
    matches = isinstance(value, _TYPES[kind]) and (kind == "Boolean" or not isinstance(value, bool))
    if not matches:
        raise parse_error(f"The value {value!r} of the parameter {name} is not of type {kind}.")


def parameter_values(
    parameters: Mapping[str, Parameter], texts_given: Iterable[Mapping[str, str]]
) -> dict[str, Any]:
    """Return the value of each parameter in an execution.

    Parameters
    ----------
    parameters
        Declarations by name.
    texts_given
        ``PipelineParameters`` of StartPipelineExecution.

    Raises
    ------
    ServiceError
        If a parameter is unknown, given twice or missing, or its value is invalid.
    """
    texts: dict[str, str] = {}
    for item in texts_given:
        name = item["Name"]
        if name not in parameters:
            raise validation_error(
                f"The pipeline has no parameter {name}: it has {_names(parameters)}."
            )
        if name in texts:
            raise validation_error(f"The parameter {name} is given twice.")
        texts[name] = item["Value"]
    missing = [n for n, p in parameters.items() if n not in texts and p.default is None]
    if missing:
        raise validation_error(
            f"A value is required for the parameters without a default: {missing}."
        )
    return {
        name: parameter.parse(texts[name]) if name in texts else parameter.default
        for name, parameter in parameters.items()
    }


def _names(parameters: Mapping[str, Parameter]) -> str:
    return ", ".join(sorted(parameters)) or "none"
