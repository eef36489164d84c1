"""The environments of samconfig.toml: their stacks and their parameters."""

from pathlib import Path

from operations.parameters import REPOSITORY

# SAM CLI takes half a second to import, which most commands do not need.


def list_environments(folder: Path = REPOSITORY) -> list[str]:
    """Return the environments of samconfig.toml in a folder, except the default one."""
    from samcli.lib.config.samconfig import SamConfig  # noqa: PLC0415

    names = SamConfig(folder).get_stage_configuration_names()
    return [str(name) for name in names if name not in ("default", "version")]


def read_overrides(environment: str, folder: Path = REPOSITORY) -> dict[str, str]:
    """Return the parameter overrides of an environment in samconfig.toml.

    Parameters
    ----------
    environment
        Name of the environment, such as ``staging``.
    folder
        Folder that contains samconfig.toml.
    """
    from samcli.cli.types import CfnParameterOverridesType  # noqa: PLC0415
    from samcli.lib.config.samconfig import SamConfig  # noqa: PLC0415

    found = SamConfig(folder).get_all(["deploy"], "parameters", environment)
    values = found.get("parameter_overrides", [])
    lines = [values] if isinstance(values, str) else values
    parameters: dict[str, str] = CfnParameterOverridesType().convert(tuple(lines), None, None)
    return parameters


def read_stack_name(environment: str, folder: Path = REPOSITORY) -> str:
    """Return the name of the stack of an environment in samconfig.toml.

    Parameters are those of `read_overrides`.
    """
    from samcli.lib.config.samconfig import SamConfig  # noqa: PLC0415

    return str(SamConfig(folder).get_all(["deploy"], "parameters", environment)["stack_name"])


def find_environment(stack: str, folder: Path = REPOSITORY) -> str | None:
    """Return the environment of samconfig.toml that deploys a stack, or None if none does.

    Parameters
    ----------
    stack
        Name of the stack.
    folder
        Folder that may contain samconfig.toml.
    """
    from samcli.lib.config.samconfig import SamConfig  # noqa: PLC0415

    if not SamConfig(folder).exists():
        return None
    names = ["default", *list_environments(folder)]
    return next((name for name in names if _deploys(name, stack, folder)), None)


def _deploys(environment: str, stack: str, folder: Path) -> bool:
    try:
        return read_stack_name(environment, folder) == stack
    except KeyError:  # it has no settings for deployments, or no stack
        return False
