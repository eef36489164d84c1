"""One processing job: inputs from S3, a container at work, its outputs to S3."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scones_local.sagemaker.control import Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.image_pull import pull_image
from scones_local.sagemaker.images import ContainerImage, script_environment
from scones_local.sagemaker.job_run import MAX_REASON_LENGTH, JobRun, format_algorithm_error
from scones_local.sagemaker.logs import LogStream
from scones_local.sagemaker.objects import DataError, Objects, SyncedFolder
from scones_local.sagemaker.platform import Platform

_LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_MAX_MESSAGE_LENGTH = 1024
_CONFIGURED = (
    "ProcessingJobName",
    "AppSpecification",
    "Environment",
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
)


class ProcessingRun(JobRun):
    """One job from its start to its end.

    The contract of the container is AWS's:
    https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
    A job that is stopped uploads nothing at its end.
    """

    kind = "Processing"

    def __init__(
        self,
        platform: Platform,
        events: Events,
        record: Record,
        image: ContainerImage,
        objects: Objects,
    ) -> None:
        super().__init__(platform, record, image, objects, events.processing_job)

    def _enter_stopping(self) -> bool:
        now = datetime.now(UTC)
        return self._status.change(
            lambda: {"ProcessingJobStatus": "Stopping", "LastModifiedTime": now}
        )

    def _end_stopped(self) -> None:
        self._finish("Stopped")

    def _end_failed(self, reason: str) -> None:
        self._finish("Failed", FailureReason=reason)

    def _prepare(self) -> None:
        self._create_folder(("config", "output", "processing"))
        self._write_configuration(self._root / "config")
        for item in self._job.get("ProcessingInputs") or []:
            source = item["S3Input"]
            folder = self._folder(source["LocalPath"])
            folder.mkdir(parents=True, exist_ok=True)
            self._download(source, folder)
        for output in self._outputs():
            self._folder(output["LocalPath"]).mkdir(parents=True, exist_ok=True)

    def _write_configuration(self, folder: Path) -> None:
        job = {name: self._job[name] for name in _CONFIGURED if name in self._job}
        inputs = [
            {**item, "S3Input": {**item["S3Input"], "S3DownloadMode": "StartOfJob"}}
            for item in job.get("ProcessingInputs") or []
        ]
        contents = {
            "processingjobconfig": {
                "ProcessingJobArn": self._record.arn,
                **job,
                "ProcessingInputs": inputs,
            },
            "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
        }
        for name, content in contents.items():
            (folder / f"{name}.json").write_text(json.dumps(content))

    def _work(self) -> None:
        pull_image(self._platform, self._job["RoleArn"], self._job["AppSpecification"]["ImageUri"])
        now = datetime.now(UTC)
        self._record.update(ProcessingStartTime=now, LastModifiedTime=now)
        status, overran = self._run()
        message = self._message()
        if self._stop_requested.is_set() or overran:
            self._finish("Stopped", ExitMessage=message)
        elif status != 0:
            self._finish(
                "Failed", ExitMessage=message, FailureReason=format_algorithm_error(message, status)
            )
        else:
            self._upload("EndOfJob")
            self._finish("Completed", ExitMessage=message)

    def _run(self) -> tuple[int, bool]:
        stream = f"{self._name}/algo-1-{int(time.time() * 1000)}"
        logs = LogStream(self._platform, self._job["RoleArn"], _LOG_GROUP, stream)
        continuous = self._synced_folders("Continuous")
        return self._run_container(logs, logs.write, lambda: _push(continuous))

    def _command(self) -> list[str]:
        """Return the command line: entry point and arguments replace those of the image."""
        named, words = self._command_from_request(self._job["AppSpecification"])
        return words if named else [*self._image.entrypoint, *words]

    def _environment(self) -> dict[str, str]:
        isolated = (self._job.get("NetworkConfig") or {}).get("EnableNetworkIsolation", False)
        return {
            **script_environment(self._image, self._root),
            **self._environment_from_request(isolated=isolated),
        }

    def _upload(self, mode: str) -> None:
        try:
            _push(self._synced_folders(mode))
        except DataError as error:
            raise DataError(f"Artifact upload failed:{error}") from error

    def _synced_folders(self, mode: str) -> list[SyncedFolder]:
        return [
            SyncedFolder(self._objects, self._folder(output["LocalPath"]), output["S3Uri"])
            for output in self._outputs()
            if output["S3UploadMode"] == mode
        ]

    def _outputs(self) -> list[dict[str, Any]]:
        config = self._job.get("ProcessingOutputConfig") or {}
        return [output["S3Output"] for output in config.get("Outputs", [])]

    def _folder(self, local_path: str) -> Path:
        return self._root / local_path.removeprefix("/opt/ml/")

    def _message(self) -> str | None:
        path = self._root / "output" / "message"
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(_MAX_MESSAGE_LENGTH).decode(errors="ignore")

    def _finish(self, status: str, **members: Any) -> None:
        now = datetime.now(UTC)
        if "FailureReason" in members:
            members["FailureReason"] = members["FailureReason"][:MAX_REASON_LENGTH]
        end = {
            "ProcessingJobStatus": status,
            "ProcessingEndTime": now,
            "LastModifiedTime": now,
            **members,
        }
        self._status.change(lambda: end)


def _push(folders: list[SyncedFolder]) -> None:
    for folder in folders:
        folder.push()
