"""SAM CLI for what stays on this machine: `python -m scones_local.run.sam_cli build`, or `deploy`.

SAM CLI takes packages for python3.11 that run on Lambda's Amazon Linux 2 (glibc 2.26), for which
the photo decoders are no longer built. Functions of the local cloud run on this machine instead.

What is deployed here is read once and goes over no network: it is compressed as fast as can be.
"""

import zipfile
from functools import partialmethod

from aws_lambda_builders.workflows.python_pip.packager import DependencyBuilder
from samcli.cli.main import cli

from scones_local.imports import skip_iri_formats


def main() -> None:
    """Run SAM CLI, which then takes the packages for python3.11 that it takes for python3.12."""
    skip_iri_formats()
    glibc = DependencyBuilder._RUNTIME_GLIBC
    glibc["cp311"] = glibc["cp312"]
    # A third of the time of the default level, for archives that are an eighth larger.
    quickly = partialmethod(zipfile.ZipFile.writestr, compresslevel=1)
    zipfile.ZipFile.writestr = quickly  # type: ignore[assignment]
    cli(prog_name="sam")


if __name__ == "__main__":
    main()
