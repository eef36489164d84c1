"""The files of a new project: those of the application, and those that are the project's own."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from scones_operator.errors import OperationError
from scones_operator.presets import Preset
from scones_operator.project import rewrite
from scones_operator.project.choices import Choices, preset_values, write_toml

MANUAL = "docs/scones.md"
"""Path of the application's own README in a project."""

MAX_LINE_LENGTH = 100
"""Characters in a line of Python, as in pyproject.toml."""

EVENTS = "events/"
"""Folder of the example events."""

Files = Mapping[str, Path | str]
"""File to copy, or text to write, by its path in the project."""


def project_files(
    checkout: Path, tracked: list[str], photos: str, choices: Choices, preset: Preset
) -> Files:
    """Return the files of a new project.

    Parameters
    ----------
    checkout
        The application that is copied.
    tracked
        Paths of its files.
    photos
        Folder of the photos, as the project refers to it.
    choices, preset
        Choices and preset of the project.

    Raises
    ------
    OperationError
        If a file that must be rewritten is missing or has an unexpected form.
    """
    copied: dict[str, Path | str] = {path: checkout / path for path in tracked}
    return {
        **copied,
        **_rewritten_files(checkout, tracked, preset),
        **_generated_files(photos, choices, preset),
    }


def defaults(preset: Preset) -> dict[str, str]:
    """Return the parameters whose defaults in the template are the project's, with their values."""
    return {**preset.parameters(), "EndpointName": preset.name}


def _rewritten_files(checkout: Path, tracked: list[str], preset: Preset) -> dict[str, str]:
    def read(path: str) -> str:
        if path not in tracked:
            raise OperationError(f"{checkout} has no {path} that Git tracks: restore it")
        return (checkout / path).read_text(encoding="utf-8")

    name, values = preset.name, defaults(preset)
    stack = read("operator/scones_operator/aws/stack.py")
    files = {
        "template.yaml": rewrite.rewrite_template(read("template.yaml"), values),
        "samconfig.toml": rewrite.rewrite_samconfig(
            read("samconfig.toml"), rewrite.stack_name(stack), name, values
        ),
        "operator/scones_operator/aws/stack.py": rewrite.rewrite_stack(stack, name),
    }
    for path in tracked:
        if path.startswith(EVENTS) and path.endswith(".json"):
            files[path] = rewrite.rewrite_event(read(path), preset.class_names, preset.loading_bays)
    if MANUAL not in tracked:
        files[MANUAL] = rewrite.move_links(read("README.md"), "docs")
    return files


def _generated_files(photos: str, choices: Choices, preset: Preset) -> dict[str, str]:
    facts = {
        "name": preset.name,
        "photos": photos,
        "class_names": preset.class_names,
        "loading_bays": preset.loading_bays,
        "augmentation": preset.hyperparameters["augmentation_type"],
        "manual": MANUAL,
    }
    values = preset_values(choices, preset.class_names)
    return {
        f"presets/{preset.name}.toml": write_toml(values),
        "project.mk": _render("project.mk.j2", facts),
        "README.md": _render("README.md.j2", facts),
        "tests/unit/test_project.py": _render("test_project.py.j2", facts),
    }


def _render(template: str, facts: Mapping[str, Any]) -> str:
    # No HTML: what is written is Markdown, Make and Python.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"make": _make, "cell": _cell, "python": _python, "noqa": _noqa}
    source = resources.files("scones_operator.project").joinpath("templates", template)
    return environment.from_string(source.read_text(encoding="utf-8")).render(facts)


def _make(text: str) -> str:
    """Return a text as the value of a variable of Make."""
    return text.replace("\\#", "\\\\#").replace("#", "\\#").replace("$", "$$")


def _cell(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return text.replace("|", "\\|")


def _noqa(line: str) -> str:
    """Return a line of Python that ruff accepts even if it is too long."""
    return line if len(line) <= MAX_LINE_LENGTH else f"{line}  # noqa: E501"


def _python(text: str) -> str:
    """Return a text as a string literal of Python, in double quotes."""
    return json.dumps(text, ensure_ascii=False)
