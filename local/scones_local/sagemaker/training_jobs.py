"""The actions on training jobs: what can be asked for, and what is refused."""

from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.images import ContainerImage
from scones_local.sagemaker.jobs import Jobs
from scones_local.sagemaker.objects import Objects
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import unsupported_error, validation_error
from scones_local.sagemaker.training_metrics import Metrics, metric_definitions
from scones_local.sagemaker.training_run import MESSAGES, TrainingRun


class TrainingJobs(Jobs):
    """Creates, runs and stops training jobs."""

    kind = "Training"
    name_taken_message = (
        "Training job names must be unique within an AWS account and region, and a training job "
        "with this name already exists ({arn})"
    )
    not_found_message = "Requested resource not found."

    def __init__(self, platform: Platform, control: ControlPlane, events: Events) -> None:
        super().__init__(platform, control)
        self._events = events

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateTrainingJob and start the job."""
        image = self._check(parameters)
        objects = Objects.as_role(self._platform, parameters["RoleArn"])
        with self._control.lock:
            record = self._new(parameters)
            _reset_record(record, parameters)
            run = TrainingRun(self._platform, self._events, record, image, objects)
            self._start(parameters["TrainingJobName"], run)
        return {"TrainingJobArn": record.arn}

    def _check(self, parameters: dict[str, Any]) -> ContainerImage:
        specification = parameters["AlgorithmSpecification"]
        uri = specification.get("TrainingImage", "")
        image = self._platform.image(uri)
        if not specification.get("ContainerEntrypoint"):
            self._platform.command(uri)  # raises if the image has no entry point
        Metrics(metric_definitions(specification))  # refuses patterns that are none
        if "ResourceConfig" not in parameters or "StoppingCondition" not in parameters:
            raise validation_error("ResourceConfig and StoppingCondition are required.")
        if parameters["ResourceConfig"].get("InstanceCount", 1) != 1:
            raise unsupported_error("training on more than one instance")
        _check_spot(parameters)
        channels = parameters.get("InputDataConfig", [])
        if len({channel["ChannelName"] for channel in channels}) < len(channels):
            raise validation_error("The channels of a training job must have different names.")
        for channel in channels:
            _check_channel(channel, specification["TrainingInputMode"])
        checkpoints = parameters.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/")
        if not checkpoints.startswith("/opt/ml/") or ".." in checkpoints.split("/"):
            raise unsupported_error("checkpoints outside /opt/ml")
        if parameters["OutputDataConfig"].get("CompressionType", "GZIP") == "NONE":
            raise unsupported_error("uncompressed model artifacts")
        return image


def _reset_record(record: Record, parameters: dict[str, Any]) -> None:
    """Undo what moto pretends: a job begins, with nothing to show yet."""
    now = datetime.now(UTC)
    specification = dict(parameters["AlgorithmSpecification"])
    specification["MetricDefinitions"] = metric_definitions(specification)
    first = {"Status": "Starting", "StartTime": now, "StatusMessage": MESSAGES["Starting"]}
    record.update(
        TrainingJobStatus="InProgress",
        SecondaryStatus="Starting",
        SecondaryStatusTransitions=[first],
        AlgorithmSpecification=specification,
        Environment=parameters.get("Environment"),
        CreationTime=now,
        LastModifiedTime=now,
        TrainingStartTime=None,
        TrainingEndTime=None,
        ModelArtifacts=None,
        FinalMetricDataList=None,
    )


def _check_spot(parameters: dict[str, Any]) -> None:
    limits = parameters["StoppingCondition"]
    if not parameters.get("EnableManagedSpotTraining"):
        return
    if limits.get("MaxWaitTimeInSeconds", 0) < limits.get("MaxRuntimeInSeconds", 86400):
        raise validation_error(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds."
        )


def _check_channel(channel: dict[str, Any], job_mode: str) -> None:
    if "S3DataSource" not in channel["DataSource"]:
        raise unsupported_error("channels outside S3")
    if channel["DataSource"]["S3DataSource"]["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise unsupported_error("channels of augmented manifests")
    if channel.get("InputMode", job_mode) == "Pipe":
        raise unsupported_error("the Pipe input mode")
    if channel.get("CompressionType", "None") != "None":
        raise unsupported_error("compressed channels")
