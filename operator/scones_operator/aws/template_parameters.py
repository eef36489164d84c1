"""What template.yaml takes as its parameters, for choices that are checked before a deployment."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from scones_operator.application import find_application_file
from scones_operator.errors import PreconditionError


def is_allowed(parameter: str, value: str) -> bool:
    """Tell whether the template takes a value for one of its parameters."""
    rules = _parameters()[parameter]
    longest = int(rules.get("MaxLength", len(value)))
    return len(value) <= longest and re.fullmatch(rules["AllowedPattern"], value) is not None


def max_length(parameter: str) -> int:
    """Return the maximum number of characters of a parameter whose length the template limits."""
    return int(_parameters()[parameter]["MaxLength"])


def constraint(parameter: str) -> str:
    """Return in words what the template takes for a parameter, such as ``"a whole number"``."""
    rules = _parameters()[parameter]
    longest = f", {rules['MaxLength']} characters at most" if "MaxLength" in rules else ""
    return f"{rules['ConstraintDescription']}{longest}"


def parameter_overrides(parameters: Mapping[str, str]) -> list[str]:
    """Return parameters as arguments of SAM CLI.

    It takes the quotes off a value and the backslash from quotes and spaces inside, and knows no
    way to write a backslash that shall stay.

    Raises
    ------
    PreconditionError
        If a value holds a backslash.
    """
    for name, value in parameters.items():
        if "\\" in value:
            raise PreconditionError(
                f"{name} is {value!r}: SAM CLI cannot pass on a backslash: use none"
            )
    quoted = {name: value.replace('"', '\\"') for name, value in parameters.items()}
    return [
        "--parameter-overrides",
        *(f'ParameterKey={name},ParameterValue="{value}"' for name, value in quoted.items()),
    ]


def defaults() -> dict[str, str]:
    """Return the default of each parameter, as CloudFormation passes it on."""
    return {name: str(rules["Default"]) for name, rules in _parameters().items()}


def regions() -> list[str]:
    """Return the regions that the template can be deployed to."""
    return sorted(_template()["Mappings"]["BuiltInAlgorithm"])


def _parameters() -> Any:
    return _template()["Parameters"]


@cache
def _template() -> Any:
    import yaml  # noqa: PLC0415

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Reads the functions of CloudFormation, such as !Ref, as None: no parameter has them."""

    Loader.add_multi_constructor("!", lambda *_: None)
    text = find_application_file("template.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader)  # noqa: S506
