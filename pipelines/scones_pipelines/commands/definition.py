"""Print the JSON definition of a pipeline: `get-pipeline-definition`.

Needs no credentials, no region and no network.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scones_pipelines.commands.pipeline_modules import (
    Target,
    UsageError,
    build_pipeline,
    parse_mapping,
    quiet_sdk,
)
from scones_pipelines.session import (
    OFFLINE_REGION,
    OFFLINE_ROLE,
    create_offline_session,
    prepare_offline_environment,
    role_account,
)

EXIT_OK, EXIT_USAGE = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments
        Command line without the program's name (default: this process's).
    """
    options = _parser().parse_args(arguments)
    try:
        text = _definition(options)
    except (UsageError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    if options.file_name:
        options.file_name.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return EXIT_OK


def _definition(options: argparse.Namespace) -> str:
    kwargs = parse_mapping(options.kwargs, "--kwargs")
    environ = os.environ
    region = kwargs.get("region") or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    region = options.region or region or OFFLINE_REGION
    role = options.role_arn or kwargs.get("role") or OFFLINE_ROLE
    account = role_account(role)
    bucket = options.bucket or kwargs.get("default_bucket") or f"sagemaker-{region}-{account}"
    kwargs = {key: kwargs[key] for key in kwargs if key not in ("region", "role", "default_bucket")}
    prepare_offline_environment(region)
    with quiet_sdk():
        session = create_offline_session(region, bucket, account)
        target = Target(region, role, bucket)
        definition = build_pipeline(options.module_name, session, target, kwargs).definition()
    return json.dumps(json.loads(definition), indent=2) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="get-pipeline-definition",
        description="Print the JSON definition of a pipeline, offline.",
    )
    add_target_options(parser)
    parser.add_argument(
        "-f", "--file-name", metavar="FILE", type=Path, help="output file (default: print it)"
    )
    return parser


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for a pipeline and its region, role and bucket.

    Parameters
    ----------
    parser
        Parser of a command.
    """
    parser.add_argument(
        "-n",
        "--module-name",
        required=True,
        metavar="MODULE",
        help="folder such as abalone, or module that defines get_pipeline",
    )
    parser.add_argument(
        "-k",
        "--kwargs",
        "-kwargs",
        default="",
        metavar="DICT",
        help="arguments of get_pipeline, as a Python or JSON dictionary",
    )
    parser.add_argument(
        "-r",
        "--role-arn",
        "-role-arn",
        metavar="ARN",
        help="role of the pipeline and its jobs",
    )
    parser.add_argument("--region", help="AWS Region (default: AWS_REGION, AWS_DEFAULT_REGION)")
    parser.add_argument(
        "--bucket",
        metavar="NAME",
        help="bucket for scripts and outputs (default: sagemaker-REGION-ACCOUNT)",
    )


if __name__ == "__main__":
    sys.exit(main())
