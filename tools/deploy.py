"""Build and deploy to an environment of samconfig.toml: `make deploy ENVIRONMENT=staging`.

`sam deploy --parameter-overrides` replaces the overrides of samconfig.toml. This command adds to
them what only the deployment knows: the commit, the boundary of the roles, the training image.
What bootstrap/template.yaml created is read from environment variables.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scones_operator.aws.samconfig import list_environments, read_overrides, read_stack_name
from scones_operator.aws.template_parameters import parameter_overrides
from tools.locks import LOCKS, ROOT

REQUIRED = ("ARTIFACTS_BUCKET", "EXECUTION_ROLE", "ROLE_BOUNDARY")
"""Environment variables with the outputs of the bootstrap that a deployment needs."""


class DeployError(Exception):
    """The deployment cannot be started; the message contains the reason."""


def make_overrides(
    configured: Mapping[str, str], commit: str, variables: Mapping[str, str]
) -> dict[str, str]:
    """Return the parameters of a deployment.

    Parameters
    ----------
    configured
        Overrides of samconfig.toml.
    commit
        Version of the code.
    variables
        Environment variables: `REQUIRED`, and optionally ``TRAINING_IMAGE``, the URI of an image
        for the project's own algorithm.

    Raises
    ------
    DeployError
        If a variable is missing.
    """
    if missing := [name for name in REQUIRED if not variables.get(name)]:
        raise DeployError(
            f"not set: {', '.join(missing)}. Set them to the outputs of the bootstrap stack "
            "(docs/ci.md)"
        )
    parameters = {
        **configured,
        "CodeVersion": commit,
        "PermissionsBoundary": variables["ROLE_BOUNDARY"],
    }
    if image := variables.get("TRAINING_IMAGE"):
        parameters |= {"Algorithm": "own", "TrainingImage": image}
    return parameters


def read_commit() -> str:
    """Return the abbreviated hash of the commit that is checked out."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


def make_commands(
    environment: str, parameters: Mapping[str, str], variables: Mapping[str, str]
) -> list[list[str]]:
    """Return the two commands of SAM CLI that build and deploy.

    Parameters
    ----------
    environment
        Name of the environment in samconfig.toml.
    parameters
        Parameters of the template.
    variables
        Environment variables with the outputs of the bootstrap.
    """
    sam = str(Path(sys.executable).with_name("sam"))
    config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", environment]
    chosen = parameter_overrides(parameters)
    stack = read_stack_name(environment)
    bootstrap = [
        *("--s3-bucket", variables["ARTIFACTS_BUCKET"], "--s3-prefix", stack),
        *("--role-arn", variables["EXECUTION_ROLE"]),
        # By this tag, the role recognizes the keys of the stack, which have no names.
        *("--tags", f"scones:stack={stack}"),
    ]
    return [[sam, "build", *config, *chosen], [sam, "deploy", *config, *bootstrap, *chosen]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and deploy, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("environment", choices=list_environments())
    environment = parser.parse_args(arguments).environment
    try:
        parameters = make_overrides(read_overrides(environment), read_commit(), os.environ)
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # Without it, SAM CLI does not check the hashes of all packages (README.md).
    constraints = " ".join(str(ROOT / lock) for lock in LOCKS["application layers"])
    for command in make_commands(environment, parameters, os.environ):
        environ = dict(os.environ)
        if "build" in command:
            environ["PIP_CONSTRAINT"] = constraints
        done = subprocess.run(command, cwd=ROOT, env=environ, check=False)  # noqa: S603
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
