"""Make changed sources live in the local cloud, as `sam sync --code` does on AWS.

A function gets new code, a layer a new version that its functions then use, and a state machine a
new definition, all through AWS's API. Nothing is deployed, so the stack's data stays unchanged.
"""

import base64
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from scones_local.run.sources import Source, Sources, archive
from scones_operator.aws.stack import DEFAULT_STACK_NAME
from tools.lint_asl import find_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3

_MAX_ERRORS = 3

# What would make the `make` that builds a layer a part of the one that runs this.
_OTHER_LAYER_VERSION = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")


class ReloadError(Exception):
    """A change cannot be made live; the message says why, and what to do."""


class Reloader:
    """Makes sources live in a deployed stack.

    Parameters
    ----------
    session
        Session for the local cloud.
    sources
        The template's sources.
    substitutions
        File with the substitutions in the definitions of the deployed state machines.
    """

    def __init__(self, session: "boto3.Session", sources: Sources, substitutions: Path) -> None:
        self.sources = sources
        self._lambda = session.client("lambda")
        self._machines = session.client("stepfunctions")
        self._substitutions = substitutions
        self._resources = physical_ids(session)
        self._compiled: set[bytes] = set()

    def affected(self, paths: Iterable[Path]) -> list[Source]:
        """Return the sources that changed files belong to."""
        changed = list(paths)
        return [source for source in self.sources.every() if any(map(source.has, changed))]

    def changed_since(self, time: float) -> list[Source]:
        """Return the sources with a file or folder that is newer than `time`, seconds."""
        return [source for source in self.sources.every() if _newest_change(source.path) > time]

    def deployed(self) -> list[Source]:
        """Return the sources whose resources the stack has; a condition may exclude others."""
        return [source for source in self.sources.every() if self._is_deployed(source)]

    def reload(self, source: Source) -> bool:
        """Make a source live; return False if it is already.

        Raises
        ------
        ReloadError
            If the source is broken or cannot be made live; the previous version stays live.
        """
        if not source.path.exists():
            raise ReloadError(f"{_format_path(source.path)} does not exist")
        with _with_source_name(source):
            if source in self.sources.layers:
                return self._reload_layer(source)
            if source in self.sources.machines:
                return self._reload_machine(source)
            return self._reload_function(source)

    def _reload_function(self, source: Source) -> bool:
        if (source.path / "requirements.txt").exists():
            raise ReloadError(
                f"{source.name} has its own requirements, which only `make redeploy` installs"
            )
        self._check(source.path, source.path)
        name, code = self._physical_id(source), archive(source.path)
        deployed = self._lambda.get_function_configuration(FunctionName=name)
        if deployed["CodeSha256"] == _digest(code):
            return False
        self._lambda.update_function_code(FunctionName=name, ZipFile=code)
        return True

    def _reload_layer(self, source: Source) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            _build_layer(source, Path(folder))
            self._check(Path(folder), source.path)
            content = archive(Path(folder))
        own = self._layer_arn(source)
        layer = own.rpartition(":")[0]
        users = self._layers_of_users(layer)
        used = {arn for arns in users.values() for arn in arns if arn.rpartition(":")[0] == layer}
        if {self._layer_digest(arn) for arn in used} == {_digest(content)}:
            return False
        layer_name = layer.rpartition(":")[2]
        version = self._lambda.publish_layer_version(
            LayerName=layer_name, Content={"ZipFile": content}
        )["LayerVersionArn"]
        for name, arns in users.items():
            layers = [version if arn in used else arn for arn in arns]
            self._lambda.update_function_configuration(FunctionName=name, Layers=layers)
        for arn in used - {own}:
            self._lambda.delete_layer_version(
                LayerName=layer_name, VersionNumber=int(arn.rpartition(":")[2])
            )
        return True

    def _reload_machine(self, source: Source) -> bool:
        arn = self._physical_id(source)
        text = source.path.read_text(encoding="utf-8")
        substitutions = self._read_substitutions(arn)
        if errors := find_errors(text, substitutions.keys()):
            remaining = len(errors) - _MAX_ERRORS
            listed = "; ".join(errors[:_MAX_ERRORS]) + (
                f"; and {remaining} more" if remaining > 0 else ""
            )
            raise ReloadError(f"{_format_path(source.path)}: {listed}")
        definition = text
        for name, value in substitutions.items():
            definition = definition.replace(f"${{{name}}}", value)
        if self._machines.describe_state_machine(stateMachineArn=arn)["definition"] == definition:
            return False
        self._machines.update_state_machine(stateMachineArn=arn, definition=definition)
        return True

    def _read_substitutions(self, arn: str) -> dict[str, str]:
        every: dict[str, dict[str, str]] = json.loads(self._substitutions.read_text("utf-8"))
        return every[arn]

    def _check(self, folder: Path, source: Path) -> None:
        """Raise `ReloadError` if a Python file of a folder does not compile.

        The message names the file as it is in `source`.
        """
        for path in sorted(folder.rglob("*.py")):
            text = path.read_bytes()
            digest = hashlib.sha256(text).digest()
            if digest not in self._compiled:
                _compile(text, source / path.relative_to(folder))
                self._compiled.add(digest)

    def _physical_id(self, source: Source) -> str:
        if source.resource not in self._resources:
            raise ReloadError(f"{source.resource} is not deployed yet: run `make redeploy`")
        return self._resources[source.resource]

    def _is_deployed(self, source: Source) -> bool:
        if source in self.sources.layers:
            return self._find_layer(source) is not None
        return source.resource in self._resources

    def _layer_arn(self, source: Source) -> str:
        if arn := self._find_layer(source):
            return arn
        raise ReloadError(f"{source.resource} is not deployed yet: run `make redeploy`")

    def _find_layer(self, source: Source) -> str | None:
        # SAM appends a hash to the logical ids of layers.
        for logical_id, physical_id in self._resources.items():
            if logical_id.startswith(source.resource) and ":layer:" in physical_id:
                return physical_id
        return None

    def _layers_of_users(self, layer: str) -> dict[str, list[str]]:
        """Return the layers of each function that has a version of `layer`."""
        layers_by_function = {}
        for function in self.sources.functions:
            if name := self._resources.get(function.resource):
                described = self._lambda.get_function_configuration(FunctionName=name)
                arns = [used["Arn"] for used in described.get("Layers", [])]
                if any(arn.rpartition(":")[0] == layer for arn in arns):
                    layers_by_function[name] = arns
        return layers_by_function

    def _layer_digest(self, arn: str) -> str:
        return str(self._lambda.get_layer_version_by_arn(Arn=arn)["Content"]["CodeSha256"])


def physical_ids(session: "boto3.Session") -> dict[str, str]:
    """Return the names or ARNs of the stack's resources, by logical id."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages.paginate(StackName=DEFAULT_STACK_NAME)
        for resource in page["StackResourceSummaries"]
    }


@contextmanager
def _with_source_name(source: Source) -> "Iterator[None]":
    try:
        yield
    except ClientError as error:
        message: Mapping[str, Any] = error.response["Error"]
        raise ReloadError(
            f"{source.name}: {message['Code']}: {message.get('Message', '')}"
        ) from error
    except (BotoCoreError, OSError, UnicodeDecodeError) as error:
        raise ReloadError(f"{source.name}: {error}") from error


def _build_layer(source: Source, folder: Path) -> None:
    """Build a layer as SAM CLI does: https://docs.aws.amazon.com/serverless-application-model/."""
    target = [f"build-{source.resource}", f"ARTIFACTS_DIR={folder}"]
    environment = {
        name: value for name, value in os.environ.items() if name not in _OTHER_LAYER_VERSION
    }
    completed = subprocess.run(  # noqa: S603
        ["make", "--silent", *target],  # noqa: S607
        cwd=source.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise ReloadError(f"{source.name} cannot be built: {completed.stderr.strip()}")


def _compile(text: bytes, path: Path) -> None:
    try:
        compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        location = f", line {error.lineno}" if error.lineno else ""
        raise ReloadError(f"{_format_path(path)}{location}: {error.msg}") from None
    except ValueError as error:
        raise ReloadError(f"{_format_path(path)}: {error}") from None


def _digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _newest_change(path: Path) -> float:
    every = [path, *path.rglob("*")] if path.is_dir() else [path] * path.exists()
    return max(
        (newest.stat().st_mtime for newest in every if "__pycache__" not in newest.parts),
        default=0.0,
    )


def _format_path(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
