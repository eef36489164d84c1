"""Names, classes and loading bays of a new project, checked by the template's own rules."""

import json
import re
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count, islice, product
from typing import Any

from pydantic import ValidationError

from scones_operator import presets
from scones_operator.application import CHECKOUT
from scones_operator.aws import template_parameters
from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.errors import PreconditionError
from scones_operator.presets import Preset

IMAGE_SHAPE = "3,96,96"
"""Default image shape: channels, height, width. Small enough to train on a laptop's processor."""

MINIMUM_ACCURACY = 0.6
"""Default minimum accuracy, 0 to 1, as in the template."""

_DIRECTION = re.compile(r"(?i)(?<![a-z])(left|right)(?![a-z])")


@dataclass(frozen=True)
class Choices:
    """Name, bays and training settings of a new project.

    Attributes
    ----------
    name
        Name of the project, its stack, its endpoint and its preset.
    loading_bays
        Bay by class, or None for a letter for each class: A, B, C and so on.
    image_shape
        Channels, height and width, such as ``"3,96,96"``.
    minimum_accuracy
        Accuracy on the validation photos below which a model is not registered, 0 to 1.
    """

    name: str
    loading_bays: Mapping[str, str] | None = None
    image_shape: str = IMAGE_SHAPE
    minimum_accuracy: float = MINIMUM_ACCURACY


def name_problems(name: str) -> list[str]:
    """Return why a name cannot be used for a project; empty if it can.

    It names the CloudFormation stack, which begins with a letter, and the SageMaker endpoint. Those
    of an environment have its name appended, and have to be allowed too.
    """
    ending, longest = _longest_ending(), _longest_name()
    if (
        not template_parameters.is_allowed("EndpointName", name)
        or not name[:1].isalpha()
        or len(name) > longest
    ):
        suggestion = _suggest_name(name)
        advice = f", such as --name {suggestion}" if suggestion else ""
        return [
            f"{name!r} cannot be the project's name: begin with a letter, and use up to {longest} "
            f"lower-case letters, digits and hyphens{advice}; its stack NAME{ending} may have "
            f"{template_parameters.max_length('EndpointName')}"
        ]
    if name in presets.list_presets():
        return [
            f"the project cannot be named {name}: that is a preset that comes with the "
            "application; choose another --name"
        ]
    return []


def parse_bays(pairs: Sequence[str]) -> dict[str, str]:
    """Read loading bays from ``class=bay`` pairs.

    Raises
    ------
    ValueError
        If a pair has no ``=``, or a class is named twice.
    """
    bays: dict[str, str] = {}
    for pair in pairs:
        label, separator, bay = pair.partition("=")
        if not separator:
            raise ValueError(f"{pair!r} is not a loading bay: use for example --bay van=A")
        if label in bays:
            raise ValueError(f"class {label} has two loading bays: {bays[label]} and {bay}")
        bays[label] = bay
    return bays


def letter_bays(class_names: Sequence[str]) -> dict[str, str]:
    """Return a bay for each class: A to Z, then AA, AB and so on.

    A class with ``=`` in its name gets none: the template's list of bays could not hold it.

    Examples
    --------
    >>> letter_bays(["bicycle", "van"])
    {'bicycle': 'A', 'van': 'B'}
    """
    named = [name for name in class_names if "=" not in name]
    lengths = (product(string.ascii_uppercase, repeat=length) for length in count(1))
    letters = ("".join(letter) for of_length in lengths for letter in of_length)
    return dict(zip(named, islice(letters, len(named)), strict=True))


def augmentation_type(class_names: Sequence[str]) -> str:
    """Return the hyperparameter ``augmentation_type`` for classes.

    All values but ``none`` mirror photos, which is incorrect if left and right are two classes.

    Examples
    --------
    >>> augmentation_type(["bicycle", "van"]), augmentation_type(["door-left", "door-right"])
    ('crop', 'none')
    """
    return "none" if any(map(_DIRECTION.search, class_names)) else "crop"


def preset_values(choices: Choices, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a project's preset, as its file has them."""
    bays = choices.loading_bays
    values = {
        "description": f"Photos of {choices.name}: {', '.join(class_names)}",
        "class_names": list(class_names),
        "image_shape": choices.image_shape,
        "minimum_accuracy": choices.minimum_accuracy,
        "hyperparameters": {"augmentation_type": augmentation_type(class_names)},
        "loading_bays": letter_bays(class_names) if bays is None else dict(bays),
    }
    return {key: value for key, value in values.items() if value != {}}


def make_preset(choices: Choices, class_names: Sequence[str]) -> Preset:
    """Return the preset of a project.

    Raises
    ------
    PreconditionError
        If the template does not accept it; the message names all reasons.
    """
    try:
        return Preset.model_validate({**preset_values(choices, class_names), "name": choices.name})
    except ValidationError as error:
        problems = "; ".join(map(presets.describe_problem, error.errors()))
        raise PreconditionError(problems) from None


def write_toml(values: Mapping[str, Any]) -> str:
    r"""Return a preset's fields as TOML: tables of text last.

    A JSON string is a TOML basic string, except that TOML requires DEL to be escaped
    (https://toml.io/en/v1.0.0#string).

    Examples
    --------
    >>> print(write_toml({"a": ["b", "é"], "c": {"cargo bike": "A"}}), end="")
    a = ["b", "é"]
    <BLANKLINE>
    [c]
    "cargo bike" = "A"
    """
    lines = [
        f"{key} = {toml_value(value)}"
        for key, value in values.items()
        if not isinstance(value, Mapping)
    ]
    for key, table in values.items():
        if isinstance(table, Mapping):
            pairs = [f"{_key(name)} = {toml_value(text)}" for name, text in table.items()]
            lines += ["", f"[{key}]", *pairs]
    text = "\n".join(lines) + "\n"
    if tomllib.loads(text) != values:
        raise AssertionError("the written TOML reads differently")
    return text


def toml_value(value: str | float | Sequence[str]) -> str:
    """Return a text, a number or a list of texts as TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def _suggest_name(name: str) -> str:
    """Return the allowed name that is nearest to one that is not, or nothing."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")
    slug = slug[: _longest_name()].rstrip("-")
    return slug if slug and slug not in presets.list_presets() else ""


def _longest_name() -> int:
    """Return the maximum length of a name whose longest environment is allowed too."""
    return template_parameters.max_length("EndpointName") - len(_longest_ending())


@cache
def _longest_ending() -> str:
    """Return what samconfig.toml appends to the stack's name at most, such as ``-production``."""
    config = tomllib.loads((CHECKOUT / "samconfig.toml").read_text(encoding="utf-8"))
    environments = (table for table in config.values() if isinstance(table, Mapping))
    stacks = (table.get("global", {}).get("parameters", {}) for table in environments)
    names = (str(endings_found.get("stack_name", "")) for endings_found in stacks)
    endings = (
        name.removeprefix(DEFAULT_STACK_NAME)
        for name in names
        if name.startswith(f"{DEFAULT_STACK_NAME}-")
    )
    return max(endings, key=len, default="")
