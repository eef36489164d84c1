"""What template.yaml takes as its parameters, for choices that are checked before a deployment."""

import re
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]


def allows(parameter: str, value: str) -> bool:
    """Tell whether the template takes a value for one of its parameters."""
    rules = _parameters()[parameter]
    longest = int(rules.get("MaxLength", len(value)))
    return len(value) <= longest and re.fullmatch(rules["AllowedPattern"], value) is not None


def rule(parameter: str) -> str:
    """Return in words what the template takes for a parameter, such as ``"a whole number"``."""
    rules = _parameters()[parameter]
    longest = f", {rules['MaxLength']} characters at most" if "MaxLength" in rules else ""
    return f"{rules['ConstraintDescription']}{longest}"


@cache
def _parameters() -> Any:
    # It takes a quarter of a second, which most commands have no need of.
    from samcli.yamlhelper import yaml_parse  # noqa: PLC0415

    return yaml_parse((REPOSITORY / "template.yaml").read_text(encoding="utf-8"))["Parameters"]
