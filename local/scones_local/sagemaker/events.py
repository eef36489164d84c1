"""State-change events as SageMaker sends them to EventBridge.

Members and types follow the examples of
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html and
EventBridge's schema registry: the members of the Describe call, times in milliseconds (ISO 8601
for model packages), tags as an object.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.control import Record
from scones_local.sagemaker.platform import Platform, log
from scones_local.sagemaker.validation import service_model


class Events:
    """Tells EventBridge of one change after another."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def training_job(self, job: Record) -> None:
        """Tell of a training job's (secondary) status."""
        detail = _detail(job, "DescribeTrainingJob")
        self._send("SageMaker Training Job State Change", detail, job)

    def transform_job(self, job: Record) -> None:
        """Tell of a transform job's status."""
        detail = _detail(job, "DescribeTransformJob")
        self._send("SageMaker Transform Job State Change", detail, job)

    def processing_job(self, job: Record) -> None:
        """Send the event of a processing job's status."""
        detail = _detail(job, "DescribeProcessingJob")
        self._send("SageMaker Processing Job State Change", detail, job)

    def model(self, model: Record) -> None:
        """Tell that a model was created or deleted."""
        detail = _detail(model, "DescribeModel")
        self._send("SageMaker Model State Change", detail, model)

    def endpoint_config(self, config: Record) -> None:
        """Tell that an endpoint configuration was created or deleted."""
        described = _detail(config, "DescribeEndpointConfig")
        names = ("EndpointConfigName", "EndpointConfigArn", "ProductionVariants", "CreationTime")
        detail = {name: described[name] for name in (*names, "Tags")}
        self._send("SageMaker Endpoint Config State Change", detail, config)

    def endpoint(self, endpoint: Record) -> None:
        """Tell of an endpoint's status."""
        detail = _endpoint_detail(endpoint)
        self._send("SageMaker Endpoint State Change", detail, endpoint)

    def endpoint_deployment(self, endpoint: Record) -> None:
        """Tell of a step in an endpoint's deployment."""
        detail = _endpoint_detail(endpoint)
        self._send("SageMaker Endpoint Deployment State Change", detail, endpoint)

    def model_package(self, package: Record) -> None:
        """Tell of a model package's status or approval."""
        detail = _detail(package, "DescribeModelPackage", iso=True)
        del detail["Tags"]  # this event has none
        self._send("SageMaker Model Package State Change", detail, package)

    def _send(self, detail_type: str, detail: dict[str, Any], record: Record) -> None:
        try:
            self._platform.emit(detail_type, detail, [record.arn])
        except Exception:  # the host's fault must not stop a job
            log.exception("event %s was not taken", detail_type)


def _detail(record: Record, action: str, *, iso: bool = False) -> dict[str, Any]:
    shape = service_model().operation_model(action).output_shape
    known = shape.members if shape else {}
    members = {k: v for k, v in record.describe().items() if k in known and v != ""}
    plain: dict[str, Any] = _plain(members, iso=iso)
    return {**plain, f"{action.removeprefix('Describe')}Arn": record.arn, "Tags": record.tags}


def _endpoint_detail(endpoint: Record) -> dict[str, Any]:
    detail = _detail(endpoint, "DescribeEndpoint")
    detail["EndpointStatus"] = _upper_snake(detail["EndpointStatus"])
    return detail


def _upper_snake(status: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def _plain(value: Any, *, iso: bool) -> Any:
    if isinstance(value, datetime):
        time = value if value.tzinfo else value.replace(tzinfo=UTC)
        if iso:
            return time.strftime("%Y-%m-%dT%H:%M:%SZ")
        return int(time.timestamp() * 1000)
    if isinstance(value, Mapping):
        return {key: _plain(item, iso=iso) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, iso=iso) for item in value]
    return value
