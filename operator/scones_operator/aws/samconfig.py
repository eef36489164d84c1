"""The environments of samconfig.toml: their stacks and their parameters."""

import tomllib
from pathlib import Path
from typing import Any

from scones_operator.application import CHECKOUT


def list_environments(folder: Path = CHECKOUT) -> list[str]:
    """Return the environments of samconfig.toml in a folder, except the default one."""
    return [name for name in _read(folder) if name not in ("default", "version")]


def read_overrides(environment: str, folder: Path = CHECKOUT) -> dict[str, str]:
    """Return the parameter overrides of an environment in samconfig.toml.

    Parameters
    ----------
    environment
        Name of the environment, such as ``staging``.
    folder
        Folder that contains samconfig.toml.
    """
    # Lazy import: SAM CLI takes half a second. Its converter knows how overrides are quoted.
    from samcli.cli.types import CfnParameterOverridesType  # noqa: PLC0415

    values = _deploy_settings(environment, folder).get("parameter_overrides", [])
    lines = [values] if isinstance(values, str) else values
    parameters: dict[str, str] = CfnParameterOverridesType().convert(tuple(lines), None, None)
    return parameters


def read_stack_name(environment: str, folder: Path = CHECKOUT) -> str:
    """Return the name of the stack of an environment in samconfig.toml.

    Parameters are those of `read_overrides`.
    """
    return str(_deploy_settings(environment, folder)["stack_name"])


def find_environment(stack: str, folder: Path = CHECKOUT) -> str | None:
    """Return the environment of samconfig.toml that deploys a stack, or None if none does.

    Parameters
    ----------
    stack
        Name of the stack.
    folder
        Folder that may contain samconfig.toml.
    """
    if not (folder / "samconfig.toml").exists():
        return None
    names = ["default", *list_environments(folder)]
    return next(
        (name for name in names if _deploy_settings(name, folder).get("stack_name") == stack),
        None,
    )


def _deploy_settings(environment: str, folder: Path) -> dict[str, Any]:
    # Settings under `global` are those of all commands.
    commands = _read(folder).get(environment, {})
    everywhere = commands.get("global", {}).get("parameters", {})
    return {**everywhere, **commands.get("deploy", {}).get("parameters", {})}


def _read(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "samconfig.toml").read_text(encoding="utf-8"))
