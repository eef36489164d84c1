"""Triggers that start a pipeline without the command: schedules and uploads.

The SDK only has schedules (`sagemaker.mlops.workflow.triggers`): the rule for uploads is made here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from scones_pipelines.commands.pipeline_modules import UsageError, quiet_sdk

_OUTPUTS = ("pipelines/", "retraining/")
"""Prefixes that pipelines write to: an upload there must not start one."""

_MAX_NAME_LENGTH = 64
_MAX_DESCRIPTION_LENGTH = 512
"""Limits of EventBridge for rules, in characters."""


class TriggerError(Exception):
    """A trigger cannot be made; the message states the reason and what to do."""


class Trigger(Protocol):
    """What starts a pipeline."""

    def put(self, session: Any, pipeline: Any, arn: str) -> str:
        """Create or replace the trigger and return what it does, in a sentence.

        Parameters
        ----------
        session
            Session of the SDK.
        pipeline, arn
            The pipeline, and its ARN.
        """
        ...


@dataclass(frozen=True)
class Schedule:
    """A schedule of EventBridge Scheduler.

    Attributes
    ----------
    expression
        Such as ``rate(7 days)``.
    members
        What the SDK's schedule is made of: ``cron`` or ``rate``.
    role
        ARN of the role with which the pipeline is started.
    """

    expression: str
    members: Mapping[str, Any]
    role: str

    @classmethod
    def parse(cls, text: str, role: str) -> Self:
        """Return a schedule.

        Parameters
        ----------
        text
            Expression of EventBridge Scheduler, such as ``rate(7 days)``.
        role
            ARN of its role.

        Raises
        ------
        UsageError
            If `text` is not such an expression.
        """
        if cron := re.fullmatch(r"cron\((.+)\)", text):
            return cls(text, {"cron": cron[1]}, role)
        if rate := re.fullmatch(r"rate\(([1-9][0-9]*) (minutes?|hours?|days?)\)", text):
            return cls(text, {"rate": (int(rate[1]), rate[2])}, role)
        raise UsageError(
            f"--schedule {text!r} is not a schedule: use for example 'cron(0 3 ? * SUN *)' or "
            "'rate(7 days)'"
        )

    def put(self, session: Any, pipeline: Any, arn: str) -> str:
        """Create or replace the schedule, which is named like the pipeline."""
        from sagemaker.mlops.workflow.triggers import PipelineSchedule  # noqa: PLC0415

        del session, arn
        schedule = PipelineSchedule(name=pipeline.name, **self.members)
        with quiet_sdk():
            pipeline.put_triggers(triggers=[schedule], role_arn=self.role)
        return f"The schedule {pipeline.name} starts it: {self.expression}"


@dataclass(frozen=True)
class Uploads:
    """A rule of EventBridge for objects whose upload starts a pipeline.

    Attributes
    ----------
    bucket
        Name of their bucket.
    key
        Key of the one object, or the prefix of all if it ends with a slash.
    role
        ARN of the role with which the pipeline is started.
    parameters
        Values of the pipeline's parameters by name. ``$.detail.object.key`` stands for the member
        of the event at this path
        (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-dynamic-path-parameters.html).
    """

    bucket: str
    key: str
    role: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, role: str, parameters: Mapping[str, str]) -> Self:
        """Return the rule for an S3 URI.

        Parameters
        ----------
        text
            URI of an object, or of a prefix with a slash at its end, such as
            ``s3://bucket/abalone/``.
        role, parameters
            As for the class.

        Raises
        ------
        UsageError
            If `text` is not such a URI, or pipelines write there themselves.
        """
        found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)", text)
        if not found:
            raise UsageError(
                f"--on-upload {text!r} is not the URI of an object or a prefix: use for example "
                "s3://BUCKET/abalone/"
            )
        if found[2].startswith(_OUTPUTS):
            raise UsageError(
                f"--on-upload {text!r}: pipelines write there, so that each execution would start "
                f"the next one. Use a prefix other than {' and '.join(_OUTPUTS)}"
            )
        return cls(found[1], found[2], role, parameters)

    @property
    def pattern(self) -> dict[str, Any]:
        """Pattern of the events.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
        """
        key = {"prefix": self.key} if self.key.endswith("/") else self.key
        detail = {"bucket": {"name": [self.bucket]}, "object": {"key": [key]}}
        return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}

    def put(self, session: Any, pipeline: Any, arn: str) -> str:
        """Create or replace the rule.

        Raises
        ------
        TriggerError
            If the bucket sends no events to EventBridge, or EventBridge does not take the target.
        """
        _require_events(session.boto_session.client("s3"), self.bucket)
        name = f"{pipeline.name}-upload"[:_MAX_NAME_LENGTH]
        where = f"s3://{self.bucket}/{self.key}"
        client = session.boto_session.client("events")
        client.put_rule(
            Name=name,
            EventPattern=json.dumps(self.pattern),
            State="ENABLED",
            Description=f"Starts {pipeline.name} for uploads to {where}"[:_MAX_DESCRIPTION_LENGTH],
        )
        answer = client.put_targets(Rule=name, Targets=[self._target(arn)])
        for failure in answer.get("FailedEntries", []):
            raise TriggerError(f"the rule {name} has no target: {failure.get('ErrorMessage')}")
        return f"Uploads to {where} start it: rule {name}"

    def _target(self, arn: str) -> dict[str, Any]:
        values = [{"Name": name, "Value": value} for name, value in self.parameters.items()]
        members = (
            {"SageMakerPipelineParameters": {"PipelineParameterList": values}} if values else {}
        )
        return {"Id": "pipeline", "Arn": arn, "RoleArn": self.role, **members}


def _require_events(client: Any, bucket: str) -> None:
    """Raise TriggerError unless a bucket sends its events to EventBridge."""
    configuration = client.get_bucket_notification_configuration(Bucket=bucket)
    if "EventBridgeConfiguration" not in configuration:
        raise TriggerError(
            f"the bucket {bucket} sends no events to EventBridge, so that uploads start nothing: "
            "add EventBridgeConfiguration to its notification configuration"
        )
