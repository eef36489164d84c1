"""SAM CLI for a build that stays on this machine: `python -m local.run.sam_cli build`.

SAM CLI takes packages for python3.11 that run on Lambda's Amazon Linux 2 (glibc 2.26), for which
the photo decoders are no longer built. Functions of the local cloud run on this machine instead.
"""

from aws_lambda_builders.workflows.python_pip.packager import DependencyBuilder
from samcli.cli.main import cli


def main() -> None:
    """Run SAM CLI, which then takes the packages for python3.11 that it takes for python3.12."""
    glibc = DependencyBuilder._RUNTIME_GLIBC
    glibc["cp311"] = glibc["cp312"]
    cli(prog_name="sam")


if __name__ == "__main__":
    main()
