"""Create or update a pipeline, start it and follow it: `run-pipeline`.

Exit codes: 0 the execution succeeded (with --no-wait: started); 1 it failed or was stopped; 2 usage
error; 3 error of AWS; 130 interrupted.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from scones_pipelines.commands.definition import add_target_options
from scones_pipelines.commands.follow import POLL_SECONDS, SUCCEEDED, follow_execution
from scones_pipelines.commands.pipeline_modules import (
    Target,
    UsageError,
    build_pipeline,
    parse_mapping,
    parse_tags,
    quiet_sdk,
    upload_parameters,
)
from scones_pipelines.commands.triggers import Schedule, Trigger, TriggerError, Uploads
from scones_pipelines.session import create_session, prepare_environment, role_account

EXIT_OK, EXIT_UNSUCCESSFUL, EXIT_USAGE, EXIT_ERROR, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments
        Command line without the program's name (default: this process's).
    """
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (UsageError, ValueError) as error:
        return _print_error(error, EXIT_USAGE)
    except (Boto3Error, BotoCoreError, ClientError, TriggerError) as error:
        return _print_error(error, EXIT_ERROR)


def _print_error(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def _run(options: argparse.Namespace) -> int:
    target, kwargs = _resolve_target(options)
    parameters = parse_mapping(options.parameters, "--parameters")
    _require_roles(options)
    tags = parse_tags(options.tags)
    prepare_environment(target.region)
    with quiet_sdk():
        session = create_session(target.region, target.bucket)
        pipeline = build_pipeline(options.module_name, session, target, kwargs)
        _require_known(parameters, pipeline)
        triggers = _triggers(options, pipeline)
        pipeline.upsert(target.role, description=options.description, tags=tags or None)
    client = session.sagemaker_client
    arn = client.describe_pipeline(PipelineName=pipeline.name)["PipelineArn"]
    print(f"Created or updated {arn}", flush=True)
    for trigger in triggers:
        print(trigger.put(session, pipeline, arn), flush=True)
    if options.no_start:
        return EXIT_OK
    execution = _start(client, pipeline.name, parameters, options)
    print(f"Started {execution}", flush=True)
    if options.no_wait:
        return EXIT_OK
    return _follow(client, execution, options)


def _resolve_target(options: argparse.Namespace) -> tuple[Target, dict[str, Any]]:
    """Return where to run, and the arguments that are left for ``get_pipeline``."""
    kwargs = parse_mapping(options.kwargs, "--kwargs")
    environ = os.environ
    given = (
        options.region,
        kwargs.pop("region", None),
        environ.get("AWS_REGION"),
        environ.get("AWS_DEFAULT_REGION"),
    )
    region = next(filter(None, given), None)
    if region is None:
        raise UsageError("no AWS Region: give --region or set AWS_REGION")
    role = options.role_arn or kwargs.pop("role", None)
    if not role:
        raise UsageError("no role: give the pipeline's role with --role-arn")
    default = f"sagemaker-{region}-{role_account(role)}"
    bucket = options.bucket or kwargs.pop("default_bucket", None) or default
    return Target(region, role, bucket), kwargs


def _require_known(parameters: dict[str, Any], pipeline: Any) -> None:
    known = [parameter.name for parameter in pipeline.parameters]
    if unknown := sorted(set(parameters) - set(known)):
        raise UsageError(
            f"the pipeline {pipeline.name} has no parameter {', '.join(unknown)}: its parameters "
            f"are {', '.join(known)}"
        )


def _triggers(options: argparse.Namespace, pipeline: Any) -> list[Trigger]:
    """Return what starts the pipeline besides this command.

    Raises
    ------
    UsageError
        If one of the options cannot be used.
    """
    triggers: list[Trigger] = []
    if options.schedule:
        triggers.append(Schedule.parse(options.schedule, options.schedule_role_arn))
    if options.on_upload:
        values = upload_parameters(options.module_name)
        _require_known(values, pipeline)
        triggers.append(Uploads.parse(options.on_upload, options.on_upload_role_arn, values))
    return triggers


def _require_roles(options: argparse.Namespace) -> None:
    for option, given, role in (
        ("--schedule", options.schedule, options.schedule_role_arn),
        ("--on-upload", options.on_upload, options.on_upload_role_arn),
    ):
        if given and not role:
            raise UsageError(f"{option} needs a role: give it with {option}-role-arn")


def _start(client: Any, name: str, parameters: dict[str, Any], options: argparse.Namespace) -> str:
    request: dict[str, Any] = {"PipelineName": name}
    if parameters:
        request["PipelineParameters"] = [
            {"Name": key, "Value": _parameter_text(value)} for key, value in parameters.items()
        ]
    if options.description:
        request["PipelineExecutionDescription"] = options.description
    execution: str = client.start_pipeline_execution(**request)["PipelineExecutionArn"]
    return execution


def _parameter_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _follow(client: Any, execution: str, options: argparse.Namespace) -> int:
    def print_line(line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)

    try:
        outcome = follow_execution(client, execution, print_line, options.poll_seconds)
    except KeyboardInterrupt:
        print(
            "\nInterrupted; the execution continues. Stop it with\n  aws sagemaker "
            f"stop-pipeline-execution --pipeline-execution-arn {execution}",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    print(f"The execution ended: {outcome.status}", flush=True)
    if outcome.status == SUCCEEDED:
        return EXIT_OK
    for failure in outcome.failures:
        print(f"failed: {failure}", file=sys.stderr)
    if outcome.reason and not outcome.failures:
        print(f"reason: {outcome.reason}", file=sys.stderr)
    return EXIT_UNSUCCESSFUL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run-pipeline",
        description="Create or update a pipeline, start it and follow it.",
        epilog="Exit codes: 0 succeeded, 1 failed or stopped, 2 usage error, 3 error of AWS, "
        "130 interrupted.",
    )
    add_target_options(parser)
    parser.add_argument(
        "-d", "--description", "-description", help="description of pipeline and execution"
    )
    parser.add_argument(
        "-t",
        "--tags",
        "-tags",
        default="",
        metavar="TAGS",
        help="tags: a dictionary, or a list of Key and Value",
    )
    parser.add_argument(
        "-p",
        "--parameters",
        default="",
        metavar="DICT",
        help="values of the pipeline's parameters, as a Python or JSON dictionary",
    )
    parser.add_argument("--no-start", action="store_true", help="only create or update it")
    parser.add_argument("--no-wait", action="store_true", help="start it and exit")
    parser.add_argument(
        "--poll-seconds",
        type=float,
        default=POLL_SECONDS,
        help=f"seconds between two polls (default: {POLL_SECONDS:g})",
    )
    parser.add_argument(
        "--schedule", metavar="WHEN", help="also start it by schedule, such as 'rate(7 days)'"
    )
    parser.add_argument(
        "--schedule-role-arn",
        metavar="ARN",
        help="role of the schedule; needed with --schedule",
    )
    parser.add_argument(
        "--on-upload",
        metavar="URI",
        help="also start it for each upload of this object, or below this prefix, such as "
        "s3://BUCKET/abalone/",
    )
    parser.add_argument(
        "--on-upload-role-arn",
        metavar="ARN",
        help="role with which EventBridge starts it; needed with --on-upload",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
