"""One processing job: inputs from S3, a container at work, its outputs to S3."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scones_local.sagemaker.control import Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.images import Image, script_environment
from scones_local.sagemaker.job_run import LONGEST_REASON, JobRun, algorithm_error
from scones_local.sagemaker.logs import LogStream
from scones_local.sagemaker.objects import DataError, FolderInStep, Objects
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.pulling import pull

_LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_LONGEST_MESSAGE = 1024
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
        image: Image,
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
        self._empty_folder(("config", "output", "processing"))
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
        pull(self._platform, self._job["RoleArn"], self._job["AppSpecification"]["ImageUri"])
        now = datetime.now(UTC)
        self._record.update(ProcessingStartTime=now, LastModifiedTime=now)
        status, overran = self._run()
        message = self._message()
        if self._asked_to_stop.is_set() or overran:
            self._finish("Stopped", ExitMessage=message)
        elif status != 0:
            self._finish(
                "Failed", ExitMessage=message, FailureReason=algorithm_error(message, status)
            )
        else:
            self._upload("EndOfJob")
            self._finish("Completed", ExitMessage=message)

    def _run(self) -> tuple[int, bool]:
        stream = f"{self._name}/algo-1-{int(time.time() * 1000)}"
        logs = LogStream(self._platform, self._job["RoleArn"], _LOG_GROUP, stream)
        continuous = self._in_step("Continuous")
        return self._run_container(logs, logs.write, lambda: _push(continuous))

    def _command(self) -> list[str]:
        """Return the command line: entry point and arguments replace those of the image."""
        named, words = self._given_command(self._job["AppSpecification"])
        return words if named else [*self._image.entrypoint, *words]

    def _environment(self) -> dict[str, str]:
        isolated = (self._job.get("NetworkConfig") or {}).get("EnableNetworkIsolation", False)
        return {
            **script_environment(self._image, self._root),
            **self._given_environment(isolated=isolated),
        }

    def _upload(self, mode: str) -> None:
        try:
            _push(self._in_step(mode))
        except DataError as error:
            raise DataError(f"Artifact upload failed:{error}") from error

    def _in_step(self, mode: str) -> list[FolderInStep]:
        return [
            FolderInStep(self._objects, self._folder(output["LocalPath"]), output["S3Uri"])
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
            return file.read(_LONGEST_MESSAGE).decode(errors="ignore")

    def _finish(self, status: str, **members: Any) -> None:
        now = datetime.now(UTC)
        if "FailureReason" in members:
            members["FailureReason"] = members["FailureReason"][:LONGEST_REASON]
        end = {
            "ProcessingJobStatus": status,
            "ProcessingEndTime": now,
            "LastModifiedTime": now,
            **members,
        }
        self._status.change(lambda: end)


def _push(folders: list[FolderInStep]) -> None:
    for folder in folders:
        folder.push()
