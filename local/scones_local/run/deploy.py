"""Builds and deploys the unmodified template with SAM CLI."""

import fcntl
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse
from yaml import YAMLError

from scones_local.lambda_runtime import HOST_PYTHON, RUNTIME
from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.aws.template_parameters import parameter_overrides

ROOT = Path(__file__).parents[3]


class DeployError(Exception):
    """SAM CLI failed; the message is what it said."""


def host_parameters() -> dict[str, str]:
    """Return the template's parameters that make functions run on this machine.

    The runtime is the local cloud's, the architecture is named after the machine.
    """
    machine = platform.machine().lower()
    return {
        "Runtime": RUNTIME,
        "Architecture": "arm64" if machine in {"arm64", "aarch64"} else "x86_64",
    }


def template() -> Path:
    """Return the template that is deployed."""
    return ROOT / "template.yaml"


def read_template(path: Path) -> dict[str, Any]:
    """Read a SAM template.

    Raises
    ------
    DeployError
        If it is not YAML.
    """
    try:
        parsed: dict[str, Any] = yaml_parse(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise DeployError(f"{path.name} is not YAML: {error}") from None
    return parsed


def default_parameters() -> dict[str, str]:
    """Return the template's parameters with their defaults; empty for those without one."""
    declared: Mapping[str, Mapping[str, Any]] = read_template(template())["Parameters"]
    return {name: str(rules.get("Default", "")) for name, rules in declared.items()}


def code_version() -> str:
    """Return the commit that is checked out, ``"unknown"`` where git does not tell."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


@contextmanager
def lock_folder(work: Path) -> Iterator[None]:
    """Build and deploy while no other process does so in the same folder; waits for it to end."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(work: Path, environ: Mapping[str, str], parameters: Mapping[str, str]) -> Path:
    """Build the functions and layers, for the Python that runs this.

    Parameters
    ----------
    work
        Folder for what is built and for SAM's cache.
    environ
        Environment of SAM CLI.
    parameters
        The template's parameters.

    Returns
    -------
    pathlib.Path
        The built template.

    Raises
    ------
    DeployError
        If SAM CLI fails.
    """
    work = work.resolve()
    arguments = ["build", "--cached", "--parallel", "--template-file", str(template())]
    folders = ["--build-dir", str(work / "build"), "--cache-dir", str(work / "cache")]
    host = {**parameters, "Runtime": HOST_PYTHON}
    _sam([*arguments, *folders, *parameter_overrides(host)], work, environ)
    return built_template(work)


def built_template(work: Path) -> Path:
    """Return where `build` writes the built template."""
    return work.resolve() / "build" / "template.yaml"


def deploy(built: Path, environ: Mapping[str, str], parameters: Mapping[str, str]) -> None:
    """Deploy a built template as the stack `STACK`.

    Raises
    ------
    DeployError
        If SAM CLI fails.
    """
    arguments = [
        "deploy",
        "--template-file",
        str(built),
        "--stack-name",
        DEFAULT_STACK_NAME,
        "--resolve-s3",
    ]
    answers = ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
    _sam(
        [*arguments, *answers, "--no-fail-on-empty-changeset", *parameter_overrides(parameters)],
        built.parent,
        environ,
    )


def _sam(arguments: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
    """Run SAM CLI, which finds the interpreter of the runtime on PATH.

    Its whole output goes to a file in `folder`; its temporary folders, some of which it leaves
    behind, are made and deleted there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scripts = Path(sys.executable).parent
    log = folder / f"sam-{arguments[0]}.log"
    with tempfile.TemporaryDirectory(dir=folder) as scratch, log.open("w") as output:
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "scones_local.run.sam_cli", *arguments],
            cwd=folder,
            env={**environ, "PATH": f"{scripts}:{environ.get('PATH', '')}", "TMPDIR": scratch},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if run.returncode:
        output_text = log.read_text("utf-8", "replace")
        reason = (
            output_text[output_text.rfind("Error:") :] if "Error:" in output_text else output_text
        )
        raise DeployError(f"sam {arguments[0]} failed. {reason.strip()}\n(all of it: {log})")
