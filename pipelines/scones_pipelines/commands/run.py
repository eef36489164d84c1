"""Create or update a pipeline, start it and follow it: `run-pipeline`.

Exit codes: 0 the execution succeeded (with --no-wait: started); 1 it failed or was stopped; 2 usage
error; 3 error of AWS; 130 interrupted.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from scones_pipelines.commands.definition import add_target_options
from scones_pipelines.commands.following import POLL_SECONDS, SUCCEEDED, follow
from scones_pipelines.commands.loading import (
    Target,
    UsageError,
    build_pipeline,
    parse_mapping,
    parse_tags,
    quiet_sdk,
)
from scones_pipelines.session import account_of, create_session, prepare_environment

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
        return _failed(error, EXIT_USAGE)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        return _failed(error, EXIT_ERROR)


def _failed(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def _run(options: argparse.Namespace) -> int:
    target, kwargs = _target(options)
    parameters = parse_mapping(options.parameters, "--parameters")
    if options.schedule and not options.schedule_role_arn:
        raise UsageError("--schedule needs a role: give it with --schedule-role-arn")
    tags = parse_tags(options.tags)
    prepare_environment(target.region)
    with quiet_sdk():
        session = create_session(target.region, target.bucket)
        pipeline = build_pipeline(options.module_name, session, target, kwargs)
        _require_known(parameters, pipeline)
        triggers = [_schedule(options.schedule, pipeline.name)] if options.schedule else []
        pipeline.upsert(target.role, description=options.description, tags=tags or None)
        if triggers:
            pipeline.put_triggers(triggers=triggers, role_arn=options.schedule_role_arn)
    client = session.sagemaker_client
    arn = client.describe_pipeline(PipelineName=pipeline.name)["PipelineArn"]
    print(f"Created or updated {arn}", flush=True)
    if options.no_start:
        return EXIT_OK
    execution = _start(client, pipeline.name, parameters, options)
    print(f"Started {execution}", flush=True)
    if options.no_wait:
        return EXIT_OK
    return _follow(client, execution, options)


def _target(options: argparse.Namespace) -> tuple[Target, dict[str, Any]]:
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
    default = f"sagemaker-{region}-{account_of(role)}"
    bucket = options.bucket or kwargs.pop("default_bucket", None) or default
    return Target(region, role, bucket), kwargs


def _require_known(parameters: dict[str, Any], pipeline: Any) -> None:
    known = [parameter.name for parameter in pipeline.parameters]
    if unknown := sorted(set(parameters) - set(known)):
        raise UsageError(
            f"the pipeline {pipeline.name} has no parameter {', '.join(unknown)}: its parameters "
            f"are {', '.join(known)}"
        )


def _schedule(text: str, name: str) -> Any:
    """Return a schedule of the SDK.

    Parameters
    ----------
    text
        Expression of EventBridge Scheduler, such as ``rate(7 days)``.
    name
        Name of the schedule.

    Raises
    ------
    UsageError
        If `text` is not such an expression.
    """
    from sagemaker.mlops.workflow.triggers import PipelineSchedule  # noqa: PLC0415

    if cron := re.fullmatch(r"cron\((.+)\)", text):
        return PipelineSchedule(name=name, cron=cron[1])
    if rate := re.fullmatch(r"rate\(([1-9][0-9]*) (minutes?|hours?|days?)\)", text):
        return PipelineSchedule(name=name, rate=(int(rate[1]), rate[2]))
    raise UsageError(
        f"--schedule {text!r} is not a schedule: use for example 'cron(0 3 ? * SUN *)' or "
        "'rate(7 days)'"
    )


def _start(client: Any, name: str, parameters: dict[str, Any], options: argparse.Namespace) -> str:
    request: dict[str, Any] = {"PipelineName": name}
    if parameters:
        request["PipelineParameters"] = [
            {"Name": key, "Value": _text(value)} for key, value in parameters.items()
        ]
    if options.description:
        request["PipelineExecutionDescription"] = options.description
    execution: str = client.start_pipeline_execution(**request)["PipelineExecutionArn"]
    return execution


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _follow(client: Any, execution: str, options: argparse.Namespace) -> int:
    def show(line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)

    try:
        outcome = follow(client, execution, show, options.poll_seconds)
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
