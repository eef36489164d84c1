"""Builds and deploys the unmodified template with SAM CLI."""

import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import boto3

ROOT = Path(__file__).parents[2]
STACK = "scones"


class DeployError(Exception):
    """SAM CLI failed; the message is what it said."""


@dataclass(frozen=True)
class Stack:
    """What the deployed stack is made of: the template's outputs."""

    photos_bucket: str
    data_bucket: str
    results_table: str
    event_bus: str
    review_topic: str
    endpoint: str
    sagemaker_role: str
    classify_log_group: str

    @classmethod
    def read(cls, session: "boto3.Session", name: str = STACK) -> Self:
        """Read the outputs of a deployed stack."""
        stacks = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stacks[0]["Outputs"]}
        return cls(
            photos_bucket=outputs["PhotosBucket"],
            data_bucket=outputs["DataBucket"],
            results_table=outputs["ResultsTable"],
            event_bus=outputs["EventBusName"],
            review_topic=outputs["ReviewTopic"],
            endpoint=outputs["EndpointName"],
            sagemaker_role=outputs["SageMakerRole"],
            classify_log_group=outputs["ClassifyLogGroup"],
        )


def host_parameters() -> dict[str, str]:
    """Return the template's parameters that make functions run on this machine.

    Lambda's runtime is named after the Python that runs this, its architecture after the machine.
    """
    machine = platform.machine().lower()
    return {
        "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Architecture": "arm64" if machine in {"arm64", "aarch64"} else "x86_64",
    }


def build(work: Path, environ: Mapping[str, str], parameters: Mapping[str, str]) -> Path:
    """Build the functions and layers.

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
    arguments = ["build", "--cached", "--parallel", "--template-file", str(ROOT / "template.yaml")]
    folders = ["--build-dir", str(work / "build"), "--cache-dir", str(work / "cache")]
    _sam([*arguments, *folders, *overrides(parameters)], work, environ)
    return built_template(work)


def built_template(work: Path) -> Path:
    """Return where `build` writes the built template."""
    return work.resolve() / "build" / "template.yaml"


def deploy(template: Path, environ: Mapping[str, str], parameters: Mapping[str, str]) -> None:
    """Deploy a built template as the stack `STACK`.

    Raises
    ------
    DeployError
        If SAM CLI fails.
    """
    arguments = ["deploy", "--template-file", str(template), "--stack-name", STACK, "--resolve-s3"]
    answers = ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
    _sam(
        [*arguments, *answers, "--no-fail-on-empty-changeset", *overrides(parameters)],
        template.parent,
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
            [scripts / "sam", *arguments],
            cwd=folder,
            env={**environ, "PATH": f"{scripts}:{environ.get('PATH', '')}", "TMPDIR": scratch},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if run.returncode:
        said = log.read_text("utf-8", "replace")
        reason = said[said.rfind("Error:") :] if "Error:" in said else said
        raise DeployError(f"sam {arguments[0]} failed. {reason.strip()}\n(all of it: {log})")


def overrides(parameters: Mapping[str, str]) -> list[str]:
    """Return a template's parameters as arguments of SAM CLI.

    It takes the quotes off a value and the backslash from quotes and spaces inside, and knows no
    way to write a backslash that shall stay.

    Raises
    ------
    DeployError
        If a value holds a backslash.
    """
    for name, value in parameters.items():
        if "\\" in value:
            raise DeployError(f"{name} is {value!r}: SAM CLI can't pass a backslash on; use none")
    quoted = {name: value.replace('"', '\\"') for name, value in parameters.items()}
    return [
        "--parameter-overrides",
        *(f'ParameterKey={name},ParameterValue="{value}"' for name, value in quoted.items()),
    ]
