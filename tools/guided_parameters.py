"""Move the parameters that `sam deploy --guided` saved to where build and deploy read them.

SAM CLI saves all parameters to ``[default.deploy.parameters]``. There, they override
``[default.global.parameters]`` for deployments and not for builds, so that a change of the latter
is ignored, or builds for another runtime than is deployed. `make parameters` moves them.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from samcli.cli.types import CfnParameterOverridesType
from samcli.lib.config.samconfig import SamConfig

from scones_local.run.deploy import default_parameters
from tools.locks import ROOT

_PLAIN = re.compile(r"[^\s\"\\]*")
_KEY = "parameter_overrides"


def move_parameters(text: str, environment: str, defaults: Mapping[str, str]) -> str:
    """Return samconfig.toml with all parameter overrides of an environment in its global section.

    Values of the section of `deploy` are newer than those of the global one, and win. Those that
    are the template's defaults are dropped, unless the global section has another value.

    Parameters
    ----------
    text
        The file.
    environment
        Name of the environment, such as ``default``.
    defaults
        Default by name of the template's parameter.
    """
    document: Any = tomlkit.parse(text)
    sections = document.get(environment, {})
    saved = sections.get("deploy", {}).get("parameters", {}).pop(_KEY, None)
    if saved is None:
        return text
    section = sections.setdefault("global", {}).setdefault("parameters", {})
    before = _read(section.get(_KEY, []))
    moved = {
        name: value
        for name, value in _read(saved).items()
        if name in before or value != defaults.get(name)
    }
    overrides = tomlkit.array()
    overrides.extend(_format_override(*item) for item in {**before, **moved}.items())
    section[_KEY] = overrides.multiline(multiline=True)
    return tomlkit.dumps(document)


def _read(overrides: Any) -> dict[str, str]:
    values = [overrides] if isinstance(overrides, str | dict) else list(overrides)
    parameters: dict[str, str] = CfnParameterOverridesType().convert(tuple(values), None, None)
    return parameters


def _format_override(name: str, value: str) -> str:
    return f"{name}={value}" if value and _PLAIN.fullmatch(value) else f"{name}={json.dumps(value)}"


def main(arguments: Sequence[str] | None = None, folder: Path = ROOT) -> int:
    """Rewrite samconfig.toml in a folder, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.guided_parameters", description=__doc__)
    environments = [
        str(parameter) for parameter in SamConfig(folder).get_stage_configuration_names()
    ]
    parser.add_argument(
        "environment", choices=[parameter for parameter in environments if parameter != "version"]
    )
    environment = parser.parse_args(arguments).environment
    path = folder / "samconfig.toml"
    before = path.read_text(encoding="utf-8")
    after = move_parameters(before, environment, default_parameters())
    if after == before:
        print(f"[{environment}.deploy.parameters] has no parameter_overrides. Nothing to move.")
        return 0
    path.write_text(after, encoding="utf-8")
    print(f"Moved parameter_overrides to [{environment}.global.parameters]. Check: git diff {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
