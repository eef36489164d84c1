"""Batch transform jobs: every object of a prefix through a model's container, one a request."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from urllib3.exceptions import HTTPError

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.events import Events
from scones_local.sagemaker.fleet import Instance, InstancePaths, StartError
from scones_local.sagemaker.jobs import Jobs, JobStatus
from scones_local.sagemaker.models import Models
from scones_local.sagemaker.objects import DataError, Objects, S3Object, join_uri
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import unsupported_error

_STARTUP_SECONDS = 600
_LOG_GROUP = "/aws/sagemaker/TransformJobs"


class InvalidResponseError(Exception):
    """A container's answer that ends the job; the message is the job's FailureReason."""


class TransformJobs(Jobs):
    """Creates, runs and stops transform jobs."""

    kind = "Transform"
    name_taken_message = (
        "Job name must be unique within an AWS account and region, and a job with this name "
        "already exists ({arn})"
    )
    not_found_message = "Could not find transform job '{name}'."

    def __init__(
        self, platform: Platform, control: ControlPlane, events: Events, models: Models
    ) -> None:
        super().__init__(platform, control)
        self._events = events
        self._models = models

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateTransformJob and start the job."""
        name = parameters["TransformJobName"]
        _check(parameters)
        model = self._models.servable(parameters["ModelName"])
        objects = Objects.as_role(self._platform, model.role)
        with self._control.lock:
            record = self._new(parameters)
            _reset_record(record)
            environment = _environment(parameters)
            instance = Instance(self._platform, self._models, model, self._place(name), environment)
            self._start(name, _TransformRun(self._events, record, objects, instance))
        return {"TransformJobArn": record.arn}

    def _place(self, name: str) -> InstancePaths:
        root = self._platform.state_dir / "transform-jobs" / name
        shutil.rmtree(root, ignore_errors=True)
        return InstancePaths(root, _LOG_GROUP, f"{name}/i-{int(time.time()):x}")


class _TransformRun:
    """One job from its first request to its last."""

    def __init__(
        self,
        events: Events,
        record: Record,
        objects: Objects,
        instance: Instance,
    ) -> None:
        self._events = events
        self._record = record
        self._status = JobStatus(record, "Transform", events.transform_job)
        self._job = record.describe()
        self._objects = objects
        self._instance = instance
        self._stop_requested = threading.Event()

    def run(self) -> None:
        """Run the job; every fault ends in a status."""
        self._events.transform_job(self._record)
        try:
            self._work()
        except (DataError, InvalidResponseError) as error:
            self._finish("Failed", FailureReason=_format_client_error(error))
        except StartError as error:
            reason = f"AlgorithmError: The container did not pass the ping health check. {error}"
            self._finish("Failed", FailureReason=reason[:1024])
        except Exception as error:
            self._finish("Failed", FailureReason=f"InternalServerError: {error}")
            raise
        else:
            self._finish("Stopped" if self._stop_requested.is_set() else "Completed")

    def stop(self) -> bool:
        """Let the requests in flight end, send no further ones."""
        if self._stop_requested.is_set():
            return True
        running = self._status.change(lambda: {"TransformJobStatus": "Stopping"})
        if running:
            self._stop_requested.set()
        return running

    def kill(self) -> None:
        """End the job's process at once."""
        self._stop_requested.set()
        self._instance.stop()

    def _work(self) -> None:
        try:
            objects = self._find()
            self._record.update(TransformStartTime=datetime.now(UTC))
            self._instance.start(_STARTUP_SECONDS)
            self._transform(objects)
        finally:
            self._instance.stop()

    def _find(self) -> list[S3Object]:
        objects = self._objects.find(self._job["TransformInput"]["DataSource"]["S3DataSource"])
        return [item for item in objects if not item.name.endswith("/")]

    def _transform(self, objects: list[S3Object]) -> None:
        workers = self._job.get("MaxConcurrentTransforms") or 1
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self._transform_one, item) for item in objects]
            try:
                for future in futures:
                    future.result()
            except (DataError, InvalidResponseError):
                for future in futures:
                    future.cancel()
                raise

    def _transform_one(self, item: S3Object) -> None:
        if self._stop_requested.is_set():
            return
        body = self._objects.read(item.uri)
        max_bytes = self._job.get("MaxPayloadInMB", 6)
        if max_bytes and len(body) > max_bytes * 1024 * 1024:
            self._log(f"{item.bucket}/{item.key}: ClientError: 413")
            self._log(f"{item.bucket}/{item.key}: Payload is larger than {max_bytes} MB")
            raise InvalidResponseError("ClientError: See job logs for more information")
        response = self._send(item, body)
        target = join_uri(self._job["TransformOutput"]["S3OutputPath"], f"{item.name}.out")
        self._objects.write(target, response)

    def _send(self, item: S3Object, body: bytes) -> bytes:
        """Send one object, again where the container could not take it."""
        attempts = 1 + self._client_config("InvocationsMaxRetries", 3)
        for attempt in range(1, attempts + 1):
            status, response = self._post(body)
            if 200 <= status < 300:
                return response
            self._log(
                f"{item.bucket}/{item.key}: Bad HTTP status received from algorithm: {status}"
            )
            self._log(f"{item.bucket}/{item.key}: {response[:1024].decode('utf-8', 'replace')}")
            if 400 <= status < 500 and status != 429:
                raise InvalidResponseError("ClientError: See job logs for more information")
            if attempt < attempts:
                self._stop_requested.wait(0.1 * 2**attempt)
        raise InvalidResponseError("AlgorithmError: See job logs for more information")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        source = self._job["TransformInput"]
        headers = {"Content-Type": source.get("ContentType") or "application/octet-stream"}
        if accept := self._job["TransformOutput"].get("Accept"):
            headers["Accept"] = accept
        try:
            seconds = self._client_config("InvocationsTimeoutInSeconds", 600)
            response = self._instance.invoke(body, headers, seconds)
        except HTTPError as error:
            return 500, str(error).encode()
        return response.status, response.data

    def _client_config(self, name: str, default: int) -> int:
        return int((self._job.get("ModelClientConfig") or {}).get(name, default))

    def _log(self, text: str) -> None:
        self._instance.log(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}:[sagemaker logs]: {text}")

    def _finish(self, status: str, **members: Any) -> None:
        ended_at = datetime.now(UTC)
        end = {"TransformJobStatus": status, "TransformEndTime": ended_at, **members}
        self._status.change(lambda: end)


def _check(parameters: dict[str, Any]) -> None:
    source = parameters["TransformInput"]
    missing = [
        title
        for title, is_set in {
            "augmented manifests": source["DataSource"]["S3DataSource"]["S3DataType"]
            not in ("S3Prefix", "ManifestFile"),
            f"splitting of objects ({source.get('SplitType')})": source.get("SplitType", "None")
            != "None",
            "compressed objects": source.get("CompressionType", "None") != "None",
            "assembling of outputs": parameters["TransformOutput"].get("AssembleWith", "None")
            != "None",
            "data processing (filters and joins)": bool(parameters.get("DataProcessing")),
            "data capture of transform jobs": bool(parameters.get("DataCaptureConfig")),
        }.items()
        if is_set
    ]
    if missing:
        raise unsupported_error(", no ".join(missing))


def _environment(job: dict[str, Any]) -> dict[str, str]:
    """Return what a container sees of a transform job, as on AWS."""
    return {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(job.get("MaxPayloadInMB", 6)),
        "SAGEMAKER_BATCH_STRATEGY": job.get("BatchStrategy", "MULTI_RECORD"),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(job.get("MaxConcurrentTransforms", 1)),
        **job.get("Environment", {}),
    }


def _reset_record(record: Record) -> None:
    """Undo what moto pretends: a job begins, with nothing to show yet."""
    record.update(
        TransformJobStatus="InProgress",
        CreationTime=datetime.now(UTC),
        TransformStartTime=None,
        TransformEndTime=None,
        FailureReason=None,
        LabelingJobArn=None,
        AutoMLJobArn=None,
    )


def _format_client_error(error: Exception) -> str:
    text = str(error)
    return text[:1024] if isinstance(error, InvalidResponseError) else f"ClientError: {text}"[:1024]
