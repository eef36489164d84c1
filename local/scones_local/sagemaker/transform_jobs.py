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
from scones_local.sagemaker.fleet import Instance, Place, StartFailed
from scones_local.sagemaker.jobs import Jobs, JobStatus
from scones_local.sagemaker.models import Models
from scones_local.sagemaker.objects import DataError, Objects, S3Object, join
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import unsupported

_STARTUP_SECONDS = 600
_LOG_GROUP = "/aws/sagemaker/TransformJobs"


class BadAnswer(Exception):
    """A container's answer that ends the job; the message is the job's FailureReason."""


class TransformJobs(Jobs):
    """Creates, runs and stops transform jobs."""

    kind = "Transform"
    taken = (
        "Job name must be unique within an AWS account and region, and a job with this name "
        "already exists ({arn})"
    )
    missing = "Could not find transform job '{name}'."

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
            _begin(record)
            environment = _environment(parameters)
            instance = Instance(self._platform, self._models, model, self._place(name), environment)
            self._start(name, _Run(self._events, record, objects, instance))
        return {"TransformJobArn": record.arn}

    def _place(self, name: str) -> Place:
        root = self._platform.state_dir / "transform-jobs" / name
        shutil.rmtree(root, ignore_errors=True)
        return Place(root, _LOG_GROUP, f"{name}/i-{int(time.time()):x}")


class _Run:
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
        self._asked_to_stop = threading.Event()

    def go(self) -> None:
        """Run the job; every fault ends in a status."""
        self._events.transform_job(self._record)
        try:
            self._work()
        except (DataError, BadAnswer) as error:
            self._finish("Failed", FailureReason=_client_error(error))
        except StartFailed as error:
            reason = f"AlgorithmError: The container did not pass the ping health check. {error}"
            self._finish("Failed", FailureReason=reason[:1024])
        except Exception as error:
            self._finish("Failed", FailureReason=f"InternalServerError: {error}")
            raise
        else:
            self._finish("Stopped" if self._asked_to_stop.is_set() else "Completed")

    def stop(self) -> bool:
        """Let the requests in flight end, send no further ones."""
        if self._asked_to_stop.is_set():
            return True
        running = self._status.change(lambda: {"TransformJobStatus": "Stopping"})
        if running:
            self._asked_to_stop.set()
        return running

    def kill(self) -> None:
        """End the job's process at once."""
        self._asked_to_stop.set()
        self._instance.stop()

    def _work(self) -> None:
        try:
            found = self._find()
            self._record.update(TransformStartTime=datetime.now(UTC))
            self._instance.start(_STARTUP_SECONDS)
            self._transform(found)
        finally:
            self._instance.stop()

    def _find(self) -> list[S3Object]:
        found = self._objects.find(self._job["TransformInput"]["DataSource"]["S3DataSource"])
        return [item for item in found if not item.name.endswith("/")]

    def _transform(self, found: list[S3Object]) -> None:
        workers = self._job.get("MaxConcurrentTransforms") or 1
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self._transform_one, item) for item in found]
            try:
                for future in futures:
                    future.result()
            except (DataError, BadAnswer):
                for future in futures:
                    future.cancel()
                raise

    def _transform_one(self, item: S3Object) -> None:
        if self._asked_to_stop.is_set():
            return
        body = self._objects.read(item.uri)
        longest = self._job.get("MaxPayloadInMB", 6)
        if longest and len(body) > longest * 1024 * 1024:
            self._say(f"{item.bucket}/{item.key}: ClientError: 413")
            self._say(f"{item.bucket}/{item.key}: Payload is larger than {longest} MB")
            raise BadAnswer("ClientError: See job logs for more information")
        answer = self._send(item, body)
        target = join(self._job["TransformOutput"]["S3OutputPath"], f"{item.name}.out")
        self._objects.write(target, answer)

    def _send(self, item: S3Object, body: bytes) -> bytes:
        """Send one object, again where the container could not take it."""
        attempts = 1 + self._client_config("InvocationsMaxRetries", 3)
        for attempt in range(1, attempts + 1):
            status, answer = self._post(body)
            if 200 <= status < 300:
                return answer
            self._say(
                f"{item.bucket}/{item.key}: Bad HTTP status received from algorithm: {status}"
            )
            self._say(f"{item.bucket}/{item.key}: {answer[:1024].decode('utf-8', 'replace')}")
            if 400 <= status < 500 and status != 429:
                raise BadAnswer("ClientError: See job logs for more information")
            if attempt < attempts:
                self._asked_to_stop.wait(0.1 * 2**attempt)
        raise BadAnswer("AlgorithmError: See job logs for more information")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        source = self._job["TransformInput"]
        headers = {"Content-Type": source.get("ContentType") or "application/octet-stream"}
        if accept := self._job["TransformOutput"].get("Accept"):
            headers["Accept"] = accept
        try:
            seconds = self._client_config("InvocationsTimeoutInSeconds", 600)
            answer = self._instance.invoke(body, headers, seconds)
        except HTTPError as error:
            return 500, str(error).encode()
        return answer.status, answer.data

    def _client_config(self, name: str, default: int) -> int:
        return int((self._job.get("ModelClientConfig") or {}).get(name, default))

    def _say(self, text: str) -> None:
        self._instance.log(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}:[sagemaker logs]: {text}")

    def _finish(self, status: str, **members: Any) -> None:
        ended = datetime.now(UTC)
        end = {"TransformJobStatus": status, "TransformEndTime": ended, **members}
        self._status.change(lambda: end)


def _check(parameters: dict[str, Any]) -> None:
    source = parameters["TransformInput"]
    lacking = [
        what
        for what, given in {
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
        if given
    ]
    if lacking:
        raise unsupported(", no ".join(lacking))


def _environment(job: dict[str, Any]) -> dict[str, str]:
    """Return what a container sees of a transform job, as on AWS."""
    return {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(job.get("MaxPayloadInMB", 6)),
        "SAGEMAKER_BATCH_STRATEGY": job.get("BatchStrategy", "MULTI_RECORD"),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(job.get("MaxConcurrentTransforms", 1)),
        **job.get("Environment", {}),
    }


def _begin(record: Record) -> None:
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


def _client_error(error: Exception) -> str:
    text = str(error)
    return text[:1024] if isinstance(error, BadAnswer) else f"ClientError: {text}"[:1024]
