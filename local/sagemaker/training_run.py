"""One training job's way: channels from S3, a container at work, a model.tar.gz to S3."""

import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.sagemaker.container import Container
from local.sagemaker.control import Record
from local.sagemaker.events import Events
from local.sagemaker.images import Image, script_environment
from local.sagemaker.input_configuration import write_configuration
from local.sagemaker.jobs import JobStatus
from local.sagemaker.logs import LogStream
from local.sagemaker.objects import DataError, FolderInStep, Objects, join
from local.sagemaker.opt_ml import relocate, relocate_scripts
from local.sagemaker.platform import Platform
from local.sagemaker.pulling import pull
from local.sagemaker.training_metrics import Metrics

STOP_GRACE_SECONDS = 120.0
"""Between SIGTERM and SIGKILL, as on AWS: time to save the model."""

_CHECKPOINT_SECONDS = 5.0
_LONGEST_REASON = 1024

MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


class TrainingRun:
    """One job from Starting to its end."""

    def __init__(
        self,
        platform: Platform,
        events: Events,
        record: Record,
        image: Image,
        objects: Objects,
    ) -> None:
        self._platform = platform
        self._events = events
        self._record = record
        self._status = JobStatus(record, "Training", events.training_job)
        self._job = record.describe()
        self._name = self._job["TrainingJobName"]
        self._image = image
        self._root = platform.state_dir / "training-jobs" / self._name
        self._objects = objects
        self._metrics = Metrics(self._job["AlgorithmSpecification"]["MetricDefinitions"])
        self._container: Container | None = None
        self._asked_to_stop = threading.Event()
        self._started: datetime | None = None

    def go(self) -> None:
        """Run the job; every fault ends in a status."""
        self._events.training_job(self._record)
        try:
            self._prepare()
            if self._asked_to_stop.is_set():
                self._finish("Stopped", "Stopped")
                return
            self._train()
        except DataError as error:
            self._fail(f"ClientError: {error}")
        except Exception as error:
            self._fail(f"InternalServerError: {error}")
            raise
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def stop(self) -> bool:
        """End the job gracefully; what it wrote is kept."""
        if self._asked_to_stop.is_set():
            return True
        running = self._enter("Stopping", TrainingJobStatus="Stopping")
        if running:
            self._asked_to_stop.set()
        return running

    def kill(self) -> None:
        """End the job's process at once."""
        self._asked_to_stop.set()
        if self._container is not None:
            self._container.stop(0)

    def _prepare(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        for folder in ("input/config", "input/data", "model", "output/data"):
            (self._root / folder).mkdir(parents=True)
        write_configuration(self._root / "input" / "config", self._job)
        self._started = _now()
        self._enter("Downloading", TrainingStartTime=self._started)
        for channel in self._job.get("InputDataConfig") or []:
            folder = self._root / "input" / "data" / channel["ChannelName"]
            folder.mkdir()
            self._fetch(channel["DataSource"]["S3DataSource"], folder)

    def _fetch(self, source: dict[str, Any], folder: Path) -> None:
        try:
            self._objects.download(source, folder)
        except DataError as error:
            raise DataError(f"Data download failed:{error}") from error

    def _train(self) -> None:
        pull(
            self._platform,
            self._job["RoleArn"],
            self._job["AlgorithmSpecification"]["TrainingImage"],
        )
        checkpoints = self._checkpoints()
        self._enter("Training")
        status, overran = self._run_container(checkpoints)
        if self._platform.stopping.is_set():
            self._finish("Stopped", "Stopped")
            return
        stopped = self._asked_to_stop.is_set() or overran
        failure = None if stopped or status == 0 else self._reason(status)
        self._upload(failure is None)
        if failure:
            self._fail(failure)
        elif overran:
            self._finish("Stopped", "MaxRuntimeExceeded")
        elif stopped:
            self._finish("Stopped", "Stopped")
        else:
            self._finish("Completed", "Completed")

    def _run_container(self, checkpoints: Callable[[], None]) -> tuple[int, bool]:
        stream = f"{self._name}/algo-1-{int(time.time())}"
        logs = LogStream(
            self._platform, self._job["RoleArn"], "/aws/sagemaker/TrainingJobs", stream
        )

        def sink(line: str) -> None:
            logs.write(line)
            self._metrics.read(line)

        self._container = Container(
            self._command(),
            self._root,
            self._environment(),
            sink,
        )
        try:
            return self._watch(self._container, checkpoints)
        finally:
            logs.close()
            checkpoints()

    def _command(self) -> list[str]:
        specification = self._job["AlgorithmSpecification"]
        given = specification.get("ContainerEntrypoint") or []
        arguments = specification.get("ContainerArguments") or []
        relocate_scripts([*given, *arguments], self._root)
        words = [relocate(word, self._root) for word in [*given, *arguments]]
        if given:
            return words
        return [*self._image.entrypoint, *(words or ["train"]), "--root", str(self._root)]

    def _watch(self, container: Container, checkpoints: Callable[[], None]) -> tuple[int, bool]:
        """Return the exit status, and whether the job was stopped for running too long."""
        longest = self._job["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        deadline = time.monotonic() + longest
        pushed = time.monotonic()
        while (status := container.wait(0.1)) is None:
            now = time.monotonic()
            if self._asked_to_stop.is_set() or now > deadline:
                overran = not self._asked_to_stop.is_set()
                grace = 0.0 if self._platform.stopping.is_set() else STOP_GRACE_SECONDS
                return container.stop(grace), overran
            if now - pushed > _CHECKPOINT_SECONDS:
                checkpoints()
                pushed = now
        return status, False

    def _checkpoints(self) -> Callable[[], None]:
        config = self._job.get("CheckpointConfig")
        if not config:
            return lambda: None
        local = config.get("LocalPath", "/opt/ml/checkpoints").removeprefix("/opt/ml/")
        folder = FolderInStep(self._objects, self._root / local, config["S3Uri"])
        folder.fetch()
        return folder.push

    def _environment(self) -> dict[str, str]:
        environment = self._job.get("Environment") or {}
        isolated = self._job.get("EnableNetworkIsolation", False)
        scripted = self._job["AlgorithmSpecification"].get("ContainerEntrypoint")
        return {
            **({} if isolated else self._platform.variables(self._job["RoleArn"])),
            **(script_environment(self._image, self._root) if scripted else {}),
            "TRAINING_JOB_NAME": self._name,
            "TRAINING_JOB_ARN": self._record.arn,
            "AWS_REGION": self._platform.region,
            **{name: relocate(value, self._root) for name, value in environment.items()},
        }

    def _upload(self, with_model: bool) -> None:
        self._enter("Uploading")
        output = self._root / "output" / "data"
        target = join(self._job["OutputDataConfig"]["S3OutputPath"], self._name, "output")
        try:
            if with_model:
                self._objects.upload_archive(self._root / "model", join(target, "model.tar.gz"))
            if output.is_dir() and any(output.iterdir()):
                self._objects.upload_archive(output, join(target, "output.tar.gz"))
        except DataError as error:
            raise DataError(f"Artifact upload failed:{error}") from error
        if with_model:
            model = {"S3ModelArtifacts": join(target, "model.tar.gz")}
            self._record.update(ModelArtifacts=model)

    def _reason(self, status: int) -> str:
        failure = self._root / "output" / "failure"
        text = failure.read_text(errors="replace").strip() if failure.is_file() else ""
        ending = f", exit code: {status}"
        head = f"AlgorithmError: {text}"[: _LONGEST_REASON - len(ending)]
        return head + ending

    def _fail(self, reason: str) -> None:
        self._finish("Failed", "Failed", FailureReason=reason[:_LONGEST_REASON])

    def _finish(self, status: str, secondary: str, **members: Any) -> None:
        ended = _now()
        if self._started is not None:
            seconds = max(1, round((ended - self._started).total_seconds()))
            members |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        members["FinalMetricDataList"] = self._metrics.final()
        self._enter(secondary, TrainingJobStatus=status, TrainingEndTime=ended, **members)

    def _enter(self, secondary: str, **members: Any) -> bool:
        return self._status.change(lambda: self._step(secondary, members))

    def _step(self, secondary: str, members: dict[str, Any]) -> dict[str, Any]:
        now = _now()
        transitions = [dict(step) for step in self._record["SecondaryStatusTransitions"]]
        transitions[-1].setdefault("EndTime", now)
        step = {
            "Status": secondary,
            "StartTime": now,
            "StatusMessage": str(members.get("FailureReason") or MESSAGES[secondary]),
        }
        if secondary in ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded"):
            step["EndTime"] = now
        return {
            "SecondaryStatus": secondary,
            "SecondaryStatusTransitions": [*transitions, step],
            "LastModifiedTime": now,
            **members,
        }


def _now() -> datetime:
    return datetime.now(UTC)
