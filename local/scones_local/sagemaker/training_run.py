"""One training job's way: channels from S3, a container at work, a model.tar.gz to S3."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.control import Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.image_pull import pull_image
from scones_local.sagemaker.images import ContainerImage, script_environment
from scones_local.sagemaker.input_config import write_configuration
from scones_local.sagemaker.job_run import MAX_REASON_LENGTH, JobRun, format_algorithm_error
from scones_local.sagemaker.logs import LogStream
from scones_local.sagemaker.objects import DataError, Objects, SyncedFolder, join_uri
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.training_metrics import Metrics

_LOG_GROUP = "/aws/sagemaker/TrainingJobs"

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


class TrainingRun(JobRun):
    """One job from Starting to its end; what a stopped job has written is kept."""

    kind = "Training"

    def __init__(
        self,
        platform: Platform,
        events: Events,
        record: Record,
        image: ContainerImage,
        objects: Objects,
    ) -> None:
        super().__init__(platform, record, image, objects, events.training_job)
        self._metrics = Metrics(self._job["AlgorithmSpecification"]["MetricDefinitions"])
        self._started: datetime | None = None

    def _enter_stopping(self) -> bool:
        return self._set_status("Stopping", TrainingJobStatus="Stopping")

    def _end_stopped(self) -> None:
        self._finish("Stopped", "Stopped")

    def _end_failed(self, reason: str) -> None:
        self._finish("Failed", "Failed", FailureReason=reason[:MAX_REASON_LENGTH])

    def _prepare(self) -> None:
        self._create_folder(("input/config", "input/data", "model", "output/data"))
        write_configuration(self._root / "input" / "config", self._job)
        self._started = _now()
        self._set_status("Downloading", TrainingStartTime=self._started)
        for channel in self._job.get("InputDataConfig") or []:
            folder = self._root / "input" / "data" / channel["ChannelName"]
            folder.mkdir()
            self._download(channel["DataSource"]["S3DataSource"], folder)

    def _work(self) -> None:
        pull_image(
            self._platform,
            self._job["RoleArn"],
            self._job["AlgorithmSpecification"]["TrainingImage"],
        )
        checkpoints = self._checkpoints()
        self._set_status("Training")
        status, overran = self._run(checkpoints)
        if self._platform.stopping.is_set():
            self._end_stopped()
            return
        stopped = self._stop_requested.is_set() or overran
        failure = None if stopped or status == 0 else self._reason(status)
        self._upload(failure is None)
        if failure:
            self._end_failed(failure)
        elif overran:
            self._finish("Stopped", "MaxRuntimeExceeded")
        elif stopped:
            self._end_stopped()
        else:
            self._finish("Completed", "Completed")

    def _run(self, checkpoints: Callable[[], None]) -> tuple[int, bool]:
        stream = f"{self._name}/algo-1-{int(time.time())}"
        logs = LogStream(self._platform, self._job["RoleArn"], _LOG_GROUP, stream)

        def sink(line: str) -> None:
            logs.write(line)
            self._metrics.read(line)

        return self._run_container(logs, sink, checkpoints)

    def _command(self) -> list[str]:
        named, words = self._command_from_request(self._job["AlgorithmSpecification"])
        if named:
            return words
        return [*self._image.entrypoint, *(words or ["train"]), "--root", str(self._root)]

    def _checkpoints(self) -> Callable[[], None]:
        config = self._job.get("CheckpointConfig")
        if not config:
            return lambda: None
        local = config.get("LocalPath", "/opt/ml/checkpoints").removeprefix("/opt/ml/")
        folder = SyncedFolder(self._objects, self._root / local, config["S3Uri"])
        folder.fetch()
        return folder.push

    def _environment(self) -> dict[str, str]:
        scripted = self._job["AlgorithmSpecification"].get("ContainerEntrypoint")
        isolated = self._job.get("EnableNetworkIsolation", False)
        return {
            **(script_environment(self._image, self._root) if scripted else {}),
            **self._environment_from_request(isolated=isolated),
        }

    def _upload(self, with_model: bool) -> None:
        self._set_status("Uploading")
        output = self._root / "output" / "data"
        target = join_uri(self._job["OutputDataConfig"]["S3OutputPath"], self._name, "output")
        try:
            if with_model:
                self._objects.upload_archive(self._root / "model", join_uri(target, "model.tar.gz"))
            if output.is_dir() and any(output.iterdir()):
                self._objects.upload_archive(output, join_uri(target, "output.tar.gz"))
        except DataError as error:
            raise DataError(f"Artifact upload failed:{error}") from error
        if with_model:
            model = {"S3ModelArtifacts": join_uri(target, "model.tar.gz")}
            self._record.update(ModelArtifacts=model)

    def _reason(self, status: int) -> str:
        failure = self._root / "output" / "failure"
        text = failure.read_text(errors="replace") if failure.is_file() else None
        return format_algorithm_error(text, status)

    def _finish(self, status: str, secondary: str, **members: Any) -> None:
        ended_at = _now()
        if self._started is not None:
            seconds = max(1, round((ended_at - self._started).total_seconds()))
            members |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        members["FinalMetricDataList"] = self._metrics.final()
        self._set_status(secondary, TrainingJobStatus=status, TrainingEndTime=ended_at, **members)

    def _set_status(self, secondary: str, **members: Any) -> bool:
        return self._status.change(lambda: self._add_transition(secondary, members))

    def _add_transition(self, secondary: str, members: dict[str, Any]) -> dict[str, Any]:
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
