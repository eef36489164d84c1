"""One processing job: inputs from S3, a container at work, its outputs to S3."""

import json
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.sagemaker.container import Container
from local.sagemaker.control import Record
from local.sagemaker.events import Events
from local.sagemaker.images import Image, script_environment
from local.sagemaker.jobs import JobStatus
from local.sagemaker.logs import LogStream
from local.sagemaker.objects import DataError, FolderInStep, Objects
from local.sagemaker.opt_ml import relocate, relocate_scripts
from local.sagemaker.platform import Platform
from local.sagemaker.pulling import pull

MAX_RUNTIME_SECONDS = 86400
"""Seconds that a job may run if its request has no StoppingCondition."""

STOP_GRACE_SECONDS = 120.0
"""Seconds between SIGTERM and SIGKILL."""

_LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_UPLOAD_SECONDS = 5.0
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


class ProcessingRun:
    """One job from its start to its end.

    The contract of the container is AWS's:
    https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
    """

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
        self._status = JobStatus(record, "Processing", events.processing_job)
        self._job = record.describe()
        self._name: str = self._job["ProcessingJobName"]
        self._image = image
        self._objects = objects
        self._root: Path = platform.state_dir / "processing-jobs" / self._name
        self._container: Container | None = None
        self._asked_to_stop = threading.Event()

    def go(self) -> None:
        """Run the job; every error ends in a status."""
        self._events.processing_job(self._record)
        try:
            self._prepare()
            if self._asked_to_stop.is_set():
                self._finish("Stopped")
                return
            self._process()
        except DataError as error:
            self._finish("Failed", FailureReason=f"ClientError: {error}")
        except Exception as error:
            self._finish("Failed", FailureReason=f"InternalServerError: {error}")
            raise
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def stop(self) -> bool:
        """End the job early; nothing is uploaded at the end of the job."""
        if self._asked_to_stop.is_set():
            return True
        now = datetime.now(UTC)
        running = self._status.change(
            lambda: {"ProcessingJobStatus": "Stopping", "LastModifiedTime": now}
        )
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
        for name in ("config", "output", "processing"):
            (self._root / name).mkdir(parents=True)
        self._write_configuration(self._root / "config")
        for item in self._job.get("ProcessingInputs") or []:
            source = item["S3Input"]
            folder = self._folder(source["LocalPath"])
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._objects.download(source, folder)
            except DataError as error:
                raise DataError(f"Data download failed:{error}") from error
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

    def _process(self) -> None:
        pull(self._platform, self._job["RoleArn"], self._job["AppSpecification"]["ImageUri"])
        now = datetime.now(UTC)
        self._record.update(ProcessingStartTime=now, LastModifiedTime=now)
        status, overran = self._run_container()
        message = self._message()
        if self._asked_to_stop.is_set() or overran:
            self._finish("Stopped", ExitMessage=message)
        elif status != 0:
            self._finish("Failed", ExitMessage=message, FailureReason=_reason(message, status))
        else:
            self._upload("EndOfJob")
            self._finish("Completed", ExitMessage=message)

    def _run_container(self) -> tuple[int, bool]:
        """Return the exit status, and whether the job was ended for running too long."""
        stream = f"{self._name}/algo-1-{int(time.time() * 1000)}"
        logs = LogStream(self._platform, self._job["RoleArn"], _LOG_GROUP, stream)
        self._container = Container(self._command(), self._root, self._environment(), logs.write)
        try:
            return self._watch(self._container)
        finally:
            logs.close()

    def _watch(self, container: Container) -> tuple[int, bool]:
        continuous = self._in_step("Continuous")
        deadline = time.monotonic() + self._job["StoppingCondition"]["MaxRuntimeInSeconds"]
        pushed = time.monotonic()
        overran = False
        while (status := container.wait(0.1)) is None:
            now = time.monotonic()
            if self._asked_to_stop.is_set() or now > deadline:
                overran = not self._asked_to_stop.is_set()
                grace = 0.0 if self._platform.stopping.is_set() else STOP_GRACE_SECONDS
                status = container.stop(grace)
                break
            if now - pushed > _UPLOAD_SECONDS:
                _push(continuous)
                pushed = now
        _push(continuous)
        return status, overran

    def _command(self) -> list[str]:
        """Return the command line: entry point and arguments replace those of the image."""
        specification = self._job["AppSpecification"]
        given = specification.get("ContainerEntrypoint") or []
        arguments = specification.get("ContainerArguments") or []
        relocate_scripts([*given, *arguments], self._root)
        words = [relocate(word, self._root) for word in [*given, *arguments]]
        return words if given else [*self._image.entrypoint, *words]

    def _environment(self) -> dict[str, str]:
        environment = self._job.get("Environment") or {}
        isolated = (self._job.get("NetworkConfig") or {}).get("EnableNetworkIsolation", False)
        return {
            **({} if isolated else self._platform.variables(self._job["RoleArn"])),
            **script_environment(self._image, self._root),
            "AWS_REGION": self._platform.region,
            "PROCESSING_JOB_NAME": self._name,
            "PROCESSING_JOB_ARN": self._record.arn,
            **{name: relocate(value, self._root) for name, value in environment.items()},
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
            members["FailureReason"] = members["FailureReason"][:_LONGEST_MESSAGE]
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


def _reason(message: str | None, status: int) -> str:
    ending = f", exit code: {status}"
    head = f"AlgorithmError: {(message or '').strip()}"[: _LONGEST_MESSAGE - len(ending)]
    return head + ending
