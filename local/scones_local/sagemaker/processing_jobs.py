"""The actions on processing jobs, and the checks of their requests."""

import re
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.job_run import MAX_RUNTIME_SECONDS
from scones_local.sagemaker.jobs import Jobs
from scones_local.sagemaker.listing import epoch_seconds, filter_by_time, is_descending, paginate
from scones_local.sagemaker.objects import Objects
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.processing_run import ProcessingRun
from scones_local.sagemaker.protocol import unsupported_error, validation_error

_REQUIRED_PARENT = "/opt/ml/processing/"
_SUMMARY = (
    "ProcessingJobName",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
)
_SORTED_BY = {"Name": "ProcessingJobName", "Status": "ProcessingJobStatus"}


class ProcessingJobs(Jobs):
    """Creates, runs, lists and stops processing jobs."""

    kind = "Processing"
    name_taken_message = (
        "Job name must be unique within an AWS account and region, and a job with this name "
        "already exists ({arn})"
    )
    not_found_message = "Could not find requested job with name: {name}"

    def __init__(self, platform: Platform, control: ControlPlane, events: Events) -> None:
        super().__init__(platform, control)
        self._events = events

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateProcessingJob and start the job."""
        _check(parameters)
        uri = parameters["AppSpecification"]["ImageUri"]
        image = self._platform.image(uri)
        if not parameters["AppSpecification"].get("ContainerEntrypoint"):
            self._platform.command(uri)  # raises if the image has no entry point
        objects = Objects.as_role(self._platform, parameters["RoleArn"])
        with self._control.lock:
            record = self._new(parameters)
            _reset_record(record, parameters)
            run = ProcessingRun(self._platform, self._events, record, image, objects)
            self._start(parameters["ProcessingJobName"], run)
        return {"ProcessingJobArn": record.arn}

    def describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribeProcessingJob."""
        name = parameters["ProcessingJobName"]
        if self._control.find(self._table, name) is None:
            raise validation_error(self.not_found_message.format(name=name))
        return self._control.call("DescribeProcessingJob", parameters)

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListProcessingJobs, which moto neither sorts nor filters before it pages."""
        found = [job.describe() | {"Arn": job.arn} for job in self._control.records(self._table)]
        for time in ("CreationTime", "LastModifiedTime"):
            limits = (parameters.get(f"{time}After"), parameters.get(f"{time}Before"))
            found = filter_by_time(found, lambda job, time=time: epoch_seconds(job[time]), *limits)  # type: ignore[misc]
        name_contains = parameters.get("NameContains", "").lower()
        status = parameters.get("StatusEquals")
        found = [
            job
            for job in found
            if name_contains in job["ProcessingJobName"].lower()
            and status in (None, job["ProcessingJobStatus"])
        ]
        sort_by = _SORTED_BY.get(parameters.get("SortBy", ""), "CreationTime")
        found.sort(key=lambda job: job[sort_by], reverse=is_descending(parameters))
        jobs, more = paginate(found, parameters)
        return {"ProcessingJobSummaries": [_summary(job) for job in jobs], **more}


def _summary(job: dict[str, Any]) -> dict[str, Any]:
    members = {name: job[name] for name in _SUMMARY if name in job}
    plain = {k: epoch_seconds(v) if isinstance(v, datetime) else v for k, v in members.items()}
    return {"ProcessingJobArn": job["Arn"], **plain}


def _reset_record(record: Record, parameters: dict[str, Any]) -> None:
    """Undo what moto pretends: a job begins, with nothing to show yet."""
    now = datetime.now(UTC)
    limit = {"MaxRuntimeInSeconds": MAX_RUNTIME_SECONDS}
    record.update(
        ProcessingJobStatus="InProgress",
        ProcessingInputs=parameters.get("ProcessingInputs"),
        ProcessingOutputConfig=parameters.get("ProcessingOutputConfig"),
        ProcessingResources=parameters["ProcessingResources"],
        StoppingCondition=parameters.get("StoppingCondition", limit),
        Environment=parameters.get("Environment"),
        CreationTime=now,
        LastModifiedTime=now,
        ProcessingStartTime=None,
        ProcessingEndTime=None,
        ExitMessage=None,
        FailureReason=None,
    )


def _check(parameters: dict[str, Any]) -> None:
    cluster = parameters["ProcessingResources"]["ClusterConfig"]
    if cluster["InstanceCount"] != 1:
        raise unsupported_error("processing on more than one instance")
    inputs = parameters.get("ProcessingInputs", [])
    outputs = (parameters.get("ProcessingOutputConfig") or {}).get("Outputs", [])
    for kind, items in (("Input", inputs), ("Output", outputs)):
        names = [item[f"{kind}Name"] for item in items]
        if len(set(names)) < len(names):
            raise validation_error(
                f"The {kind.lower()}s of a processing job must have different names."
            )
    for item in inputs:
        _check_input(item)
    for item in outputs:
        _check_output(item)


def _check_input(item: dict[str, Any]) -> None:
    name = item["InputName"]
    if "DatasetDefinition" in item:
        raise unsupported_error(f"dataset definitions (input {name})")
    if "S3Input" not in item:
        raise validation_error(f"The input {name} has no S3Input.")
    source = item["S3Input"]
    missing = {
        "inputs that an application manages": item.get("AppManaged", False),
        "the Pipe input mode": source.get("S3InputMode", "File") == "Pipe",
        "compressed inputs": source.get("S3CompressionType", "None") != "None",
    }
    for title, is_set in missing.items():
        if is_set:
            raise unsupported_error(f"{title} (input {name})")
    _check_path(source.get("LocalPath"), f"the input {name}")


def _check_output(item: dict[str, Any]) -> None:
    name = item["OutputName"]
    if "FeatureStoreOutput" in item:
        raise unsupported_error(f"outputs to Feature Store (output {name})")
    if item.get("AppManaged", False):
        raise unsupported_error(f"outputs that an application manages (output {name})")
    if "S3Output" not in item:
        raise validation_error(f"The output {name} has no S3Output.")
    _check_path(item["S3Output"].get("LocalPath"), f"the output {name}")


def _check_path(path: str | None, title: str) -> None:
    if path is None:
        raise validation_error(f"LocalPath is required for {title}.")
    if not re.match(f"{_REQUIRED_PARENT}[^/]", path) or ".." in path.split("/"):
        raise validation_error(
            f"The LocalPath {path} of {title} must lie below {_REQUIRED_PARENT}."
        )
