"""Rewrite the files of the application that name its project: template, samconfig, stack."""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scones_operator.errors import OperationError

EXAMPLE_CONFIDENCE = 0.9817
"""Confidence in the examples of events/."""

_OVERRIDES = re.compile(r"((?:^#.*\n)*)^parameter_overrides = (\[[^\]]*\])\n", re.MULTILINE)
"""A list of parameter overrides in samconfig.toml, with the comment above it."""

_STACK_NAME = re.compile(r"^(stack_name = )(\".*\")$", re.MULTILINE)
_STACK = re.compile(r"^(DEFAULT_STACK_NAME = )(\".*\")$", re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")
"""A Markdown link to a file, without a scheme."""


def rewrite_template(text: str, defaults: Mapping[str, str]) -> str:
    """Return a template with other parameter defaults and no other change.

    Parameters
    ----------
    text
        The template.
    defaults
        Default by name of the parameter.

    Raises
    ------
    OperationError
        If a parameter has no default on a separate line.
    """
    for name, value in defaults.items():
        # The parameter's name and type, its other lines, and the line of its default.
        found = re.search(
            rf"^  {name}:\n    Type: (\w+)\n(?:(?:    .*)?\n)*?    Default: (.*)$",
            text,
            re.MULTILINE,
        )
        if not found:
            raise OperationError(
                f"template.yaml has no parameter {name} with a default: restore it"
            )
        # A JSON string is a YAML string in double quotes.
        written = value if found[1] == "Number" else json.dumps(value, ensure_ascii=False)
        text = text[: found.start(2)] + written + text[found.end(2) :]
    return text


def rewrite_samconfig(text: str, old: str, new: str, defaults: Mapping[str, str]) -> str:
    """Return samconfig.toml for a project of another name.

    Overrides of the given parameters are removed, because the template has the project's values
    as defaults. Names of stacks and endpoints get the new prefix: ``old-staging`` becomes
    ``new-staging``.

    Parameters
    ----------
    text
        The file.
    old, new
        Name of the project before and after.
    defaults
        Parameters whose defaults in the template are the project's.

    Raises
    ------
    OperationError
        If one of them is still overridden, in a form that is not supported.
    """
    text = _STACK_NAME.sub(
        lambda found: found[1] + json.dumps(_renamed(json.loads(found[2]), old, new)), text
    )

    def rewrite(found: re.Match[str]) -> str:
        before = tomllib.loads(f"value = {found[2]}")["value"]
        after = list(_overrides(before, old, new, defaults))
        if after == before:
            return found[0]
        comment = found[1] if after else ""
        return comment + (f"parameter_overrides = {json.dumps(after)}\n" if after else "")

    text = _OVERRIDES.sub(rewrite, text)
    left = sorted(_overridden(tomllib.loads(text)) & (defaults.keys() - {"EndpointName"}))
    if left:
        raise OperationError(
            f"samconfig.toml overrides {', '.join(left)}: write parameter_overrides as a list of "
            '"Name=value"'
        )
    return text


def stack_name(text: str) -> str:
    """Return the name of the stack that ``operator/scones_operator/aws/stack.py`` defines.

    Raises
    ------
    OperationError
        If it defines none.
    """
    found = _STACK.search(text)
    if not found:
        raise OperationError(
            "operator/scones_operator/aws/stack.py does not define DEFAULT_STACK_NAME: restore it"
        )
    return str(json.loads(found[2]))


def rewrite_stack(text: str, name: str) -> str:
    """Return ``operator/scones_operator/aws/stack.py`` with another name of the stack."""
    return _STACK.sub(lambda found: found[1] + json.dumps(name), text)


def rewrite_event(text: str, class_names: Sequence[str], loading_bays: Mapping[str, str]) -> str:
    """Return an example event for other classes: the most likely class is the first one.

    Parameters
    ----------
    text
        The event as JSON; returned unchanged if it has no ``probabilities``.
    class_names, loading_bays
        The classes in the order of their indices; bay by class.
    """
    event = json.loads(text)
    parts = [part for part in (event, event.get("detail")) if _has_probabilities(part)]
    if not parts:
        return text
    rest = round((1 - EXAMPLE_CONFIDENCE) / (len(class_names) - 1), 6)
    values = [EXAMPLE_CONFIDENCE, *(rest for _ in class_names[1:])]
    for part in parts:
        if isinstance(part["probabilities"], list):
            part["probabilities"] = values
            continue
        part["probabilities"] = dict(zip(class_names, values, strict=True))
        part["label"] = class_names[0]
        part["loading_bay"] = loading_bays.get(class_names[0])
    return json.dumps(event, indent=2, ensure_ascii=False) + "\n"


def move_links(text: str, folder: str) -> str:
    """Return a Markdown text with its relative links adapted to another folder.

    Parameters
    ----------
    text
        Markdown of the top folder.
    folder
        Folder below it that the text moves to.

    Examples
    --------
    >>> move_links("[a](docs/a.md#b), [c](training/), [d](https://d.example)", "docs")
    '[a](a.md#b), [c](../training/), [d](https://d.example)'
    """

    def moved(found: re.Match[str]) -> str:
        end = "/" if found[2].endswith("/") else ""
        return found[1] + os.path.relpath(found[2], folder) + end + found[3]

    return _LINK.sub(moved, text)


def _has_probabilities(part: Any) -> bool:
    return isinstance(part, dict) and "probabilities" in part


def _overrides(before: list[str], old: str, new: str, defaults: Mapping[str, str]) -> Iterator[str]:
    """Yield the overrides that remain."""
    for override in before:
        name, _, value = override.partition("=")
        if name == "EndpointName":
            yield f"{name}={_renamed(value, old, new)}"
        elif name not in defaults:
            yield override


def _renamed(name: str, old: str, new: str) -> str:
    return new + name.removeprefix(old) if name == old or name.startswith(f"{old}-") else name


def _overridden(config: Mapping[str, Any]) -> set[str]:
    """Return the names of all parameters that a samconfig overrides, in any form."""
    found: set[str] = set()
    for key, value in config.items():
        if key == "parameter_overrides":
            # "Name=value" and "ParameterKey=Name,ParameterValue=value".
            found |= {*re.findall(r"(\w+)=", str(value)), *re.findall(r"Key=(\w+)", str(value))}
            if isinstance(value, Mapping):
                found |= value.keys()
        elif isinstance(value, Mapping):
            found |= _overridden(value)
    return found
