"""Trains a model with a SageMaker training job and follows its log."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.run.deploy import Stack

if TYPE_CHECKING:
    import boto3

POLL_SECONDS = 0.5

VALIDATION_ACCURACY = r"Validation-accuracy=([0-9.]+)"
"""How the built-in image-classification algorithm, and ours, log what validation came to."""


class TrainingError(Exception):
    """The training job failed; the message is SageMaker's reason."""


@dataclass(frozen=True)
class TrainedModel:
    """What a training job made.

    Attributes
    ----------
    artifacts
        S3 URI of the model.tar.gz.
    accuracy
        Share of the validation photos that it classifies rightly, 0 to 1.
    seconds
        How long the job ran.
    """

    artifacts: str
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class TrainingJob:
    """What a training job is to do.

    Attributes
    ----------
    name
        Its name.
    image
        URI of the container image that trains.
    dataset
        S3 URI of a folder with one folder a channel.
    hyperparameters
        Of the built-in image-classification algorithm, ``epochs`` among them.
    """

    name: str
    image: str
    dataset: str
    hyperparameters: Mapping[str, str]


def train(
    session: "boto3.Session", stack: Stack, job: TrainingJob, show: Callable[[str], None]
) -> TrainedModel:
    """Run a training job to its end.

    Parameters
    ----------
    session, stack
        Where.
    job
        What to do.
    show
        Called with a line for each epoch, and with what else is worth showing of the job's log.

    Returns
    -------
    TrainedModel

    Raises
    ------
    TrainingError
        If the job fails.
    """
    sagemaker = session.client("sagemaker")
    sagemaker.create_training_job(**_request(stack, job))
    log = _TrainingLog(session, job.name)
    while True:
        description = sagemaker.describe_training_job(TrainingJobName=job.name)
        for line in log.new_lines():
            if shown := describe(line, job.hyperparameters["epochs"]):
                show(shown)
        if description["TrainingJobStatus"] != "InProgress":
            return _trained(description)
        time.sleep(POLL_SECONDS)


def describe(line: str, epochs: str) -> str | None:
    """Say in words what a line of a training job's log tells, None where that is nothing new.

    Parameters
    ----------
    line
        Such as ``Epoch[2] Validation-accuracy=0.666667``.
    epochs
        How many epochs there will be.

    Examples
    --------
    >>> describe("Epoch[2] Validation-accuracy=0.666667", "30")
    'epoch 3 of 30, validation accuracy 0.667'
    """
    if not line.startswith("Epoch["):
        return line
    match = re.fullmatch(rf"Epoch\[([0-9]+)\] {VALIDATION_ACCURACY}", line.strip())
    if not match:
        return None
    return f"epoch {int(match[1]) + 1} of {epochs}, validation accuracy {float(match[2]):.3f}"


def _request(stack: Stack, job: TrainingJob) -> Any:
    return {
        "TrainingJobName": job.name,
        "RoleArn": stack.sagemaker_role,
        "AlgorithmSpecification": {
            "TrainingImage": job.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "train:accuracy", "Regex": r"Train-accuracy=([0-9.]+)"},
                {"Name": "validation:accuracy", "Regex": VALIDATION_ACCURACY},
            ],
        },
        "HyperParameters": dict(job.hyperparameters),
        "InputDataConfig": [
            _channel(channel, f"{job.dataset}/{channel}/")
            for channel in ("train", "validation", "train_lst", "validation_lst")
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{stack.data_bucket}/models"},
        "ResourceConfig": {
            "InstanceType": "ml.g4dn.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def _channel(name: str, uri: str) -> Any:
    return {
        "ChannelName": name,
        "ContentType": "application/x-image",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
    }


def _trained(description: Any) -> TrainedModel:
    if description["TrainingJobStatus"] != "Completed":
        reason = description.get("FailureReason", description["TrainingJobStatus"])
        name = description["TrainingJobName"]
        raise TrainingError(f"training job {name} did not complete: {reason}")
    metrics = {
        item["MetricName"]: item["Value"] for item in description.get("FinalMetricDataList", [])
    }
    lasted = description["TrainingEndTime"] - description["TrainingStartTime"]
    return TrainedModel(
        artifacts=description["ModelArtifacts"]["S3ModelArtifacts"],
        accuracy=metrics["validation:accuracy"],
        seconds=lasted.total_seconds(),
    )


class _TrainingLog:
    """Follows the CloudWatch log of one training job."""

    GROUP = "/aws/sagemaker/TrainingJobs"

    def __init__(self, session: "boto3.Session", job: str) -> None:
        self._logs = session.client("logs")
        self._prefix = f"{job}/"
        self._token: str | None = None

    def new_lines(self) -> Iterator[str]:
        """Yield the lines since the last call."""
        stream = self._stream()
        if not stream:
            return
        more: dict[str, str] = {"nextToken": self._token} if self._token else {}
        page = self._logs.get_log_events(
            logGroupName=self.GROUP, logStreamName=stream, startFromHead=True, **more
        )
        self._token = page["nextForwardToken"]
        yield from (event["message"] for event in page["events"])

    def _stream(self) -> str | None:
        try:
            streams = self._logs.describe_log_streams(
                logGroupName=self.GROUP, logStreamNamePrefix=self._prefix
            )["logStreams"]
        except self._logs.exceptions.ResourceNotFoundException:
            return None
        return streams[0]["logStreamName"] if streams else None
