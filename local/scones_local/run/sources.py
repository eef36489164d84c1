"""The sources of what the template deploys: functions, layers built by make, state machines."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scones_local.run.deploy import read_template

_TIME = (2000, 1, 1, 0, 0, 0)
_COMPILED_SUFFIXES = "__pycache__"


@dataclass(frozen=True)
class Source:
    """A file or folder that a resource of the template is made of.

    Attributes
    ----------
    resource
        Logical id of the resource.
    path
        The function's or layer's folder, or the state machine's definition.
    """

    resource: str
    path: Path

    @property
    def name(self) -> str:
        """The name that people know it by, such as ``serialize``."""
        return self.path.name.split(".")[0]

    def has(self, path: Path) -> bool:
        """Return True if `path` is the source or in it."""
        return path.is_relative_to(self.path)


@dataclass(frozen=True)
class Sources:
    """All sources of a template whose changes can be made live without a deployment.

    Attributes
    ----------
    template
        The SAM template.
    functions, layers, machines
        Folders of functions, folders of layers that make builds, and definitions.
    """

    template: Path
    functions: tuple[Source, ...]
    layers: tuple[Source, ...]
    machines: tuple[Source, ...]

    def every(self) -> tuple[Source, ...]:
        """Return all sources, layers before the functions that use them."""
        return (*self.layers, *self.functions, *self.machines)

    def folders(self) -> list[Path]:
        """Return the folders that hold them all."""
        machines = {machine.path.parent for machine in self.machines}
        functions = {function.path.parent for function in self.functions}
        return sorted(functions | machines | {layer.path for layer in self.layers})


def read_sources(template: Path) -> Sources:
    """Read where a template's sources are.

    Raises
    ------
    DeployError
        If the template is not YAML.
    """
    resources = list(read_template(template)["Resources"].items())
    return Sources(
        template,
        tuple(_sources(template, resources, "AWS::Serverless::Function", "CodeUri")),
        tuple(
            _sources(
                template, _built_by_make(resources), "AWS::Serverless::LayerVersion", "ContentUri"
            )
        ),
        tuple(_sources(template, resources, "AWS::Serverless::StateMachine", "DefinitionUri")),
    )


def _built_by_make(resources: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the resources that make builds; pip builds the others, which takes too long."""
    return [
        (name, resource)
        for name, resource in resources
        if resource.get("Metadata", {}).get("BuildMethod") == "makefile"
    ]


def _sources(
    template: Path, resources: list[tuple[str, Any]], kind: str, member: str
) -> Iterator[Source]:
    for name, resource in resources:
        if resource["Type"] == kind:
            yield Source(name, template.parent / resource["Properties"][member])


def archive(folder: Path) -> bytes:
    """Return a zip archive of a folder: the same bytes for the same content."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as contents:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and _COMPILED_SUFFIXES not in path.parts:
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (path.stat().st_mode & 0o777 | 0o444) << 16
                contents.writestr(entry, path.read_bytes())
    return packed.getvalue()
