"""The frame of a job in a container: prepare, run, end, stop, kill."""

import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from scones_local.sagemaker.container import Container
from scones_local.sagemaker.control import Record
from scones_local.sagemaker.images import ContainerImage
from scones_local.sagemaker.jobs import JobStatus
from scones_local.sagemaker.logs import LogStream
from scones_local.sagemaker.objects import DataError, Objects
from scones_local.sagemaker.opt_ml import relocate, relocate_scripts
from scones_local.sagemaker.platform import Platform

STOP_GRACE_SECONDS = 120.0
"""Seconds between SIGTERM and SIGKILL, as on AWS."""

MAX_RUNTIME_SECONDS = 86400
"""Seconds that a job may run if its request has no limit."""

MAX_REASON_LENGTH = 1024
"""Maximum length of a FailureReason, in characters."""

_SAVE_SECONDS = 5.0


class JobRun(ABC):
    """One job from its start to its end.

    Parameters
    ----------
    platform
        Makes folders and clients.
    record
        The job.
    image
        Program that replaces the container image.
    objects
        S3 with the permissions of the job's role.
    on_change
        Sends the event of a change.
    """

    kind: ClassVar[str]
    """``Training`` or ``Processing``."""

    def __init__(
        self,
        platform: Platform,
        record: Record,
        image: ContainerImage,
        objects: Objects,
        on_change: Callable[[Record], None],
    ) -> None:
        self._platform = platform
        self._record = record
        self._image = image
        self._objects = objects
        self._on_change = on_change
        self._status = JobStatus(record, self.kind, on_change)
        self._job = record.describe()
        self._name: str = self._job[f"{self.kind}JobName"]
        self._root: Path = platform.state_dir / f"{self.kind.lower()}-jobs" / self._name
        self._container: Container | None = None
        self._stop_requested = threading.Event()

    def run(self) -> None:
        """Run the job; every error ends in a status."""
        self._on_change(self._record)
        try:
            self._prepare()
            if self._stop_requested.is_set():
                self._end_stopped()
            else:
                self._work()
        except DataError as error:
            self._end_failed(f"ClientError: {error}")
        except Exception as error:
            self._end_failed(f"InternalServerError: {error}")
            raise
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def stop(self) -> bool:
        """Ask for an early end; return whether there was still something to end."""
        if self._stop_requested.is_set():
            return True
        running = self._enter_stopping()
        if running:
            self._stop_requested.set()
        return running

    def kill(self) -> None:
        """End the job's process at once."""
        self._stop_requested.set()
        if self._container is not None:
            self._container.stop(0)

    @abstractmethod
    def _prepare(self) -> None:
        """Make the job's folder, with its inputs."""

    @abstractmethod
    def _work(self) -> None:
        """Run the container, store its outputs, and give the job its final status."""

    @abstractmethod
    def _enter_stopping(self) -> bool:
        """Give the job the status Stopping; return False if it has ended."""

    @abstractmethod
    def _end_stopped(self) -> None:
        """Give the job the status Stopped."""

    @abstractmethod
    def _end_failed(self, reason: str) -> None:
        """Give the job the status Failed."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command line of the container."""

    @abstractmethod
    def _environment(self) -> dict[str, str]:
        """Return the environment variables of the container."""

    def _create_folder(self, names: Sequence[str]) -> None:
        """Make the job's folder anew, with folders below it."""
        shutil.rmtree(self._root, ignore_errors=True)
        for name in names:
            (self._root / name).mkdir(parents=True)

    def _download(self, source: Mapping[str, Any], folder: Path) -> None:
        try:
            self._objects.download(dict(source), folder)
        except DataError as error:
            raise DataError(f"Data download failed:{error}") from error

    def _run_container(
        self, logs: LogStream, sink: Callable[[str], None], save: Callable[[], None]
    ) -> tuple[int, bool]:
        """Run the container to its end.

        Parameters
        ----------
        logs
            Log of the job, which is closed at the end.
        sink
            Called with each line of output.
        save
            Stores what the container has written so far; called every few seconds and at the end.

        Returns
        -------
        tuple of int and bool
            Exit status, and whether the job was ended for running too long.
        """
        self._container = Container(self._command(), self._root, self._environment(), sink)
        try:
            return self._watch(self._container, save)
        finally:
            logs.close()
            save()

    def _watch(self, container: Container, save: Callable[[], None]) -> tuple[int, bool]:
        max_runtime = self._job["StoppingCondition"].get("MaxRuntimeInSeconds", MAX_RUNTIME_SECONDS)
        deadline = time.monotonic() + max_runtime
        saved = time.monotonic()
        while (status := container.wait(0.1)) is None:
            now = time.monotonic()
            if self._stop_requested.is_set() or now > deadline:
                overran = not self._stop_requested.is_set()
                grace = 0.0 if self._platform.stopping.is_set() else STOP_GRACE_SECONDS
                return container.stop(grace), overran
            if now - saved > _SAVE_SECONDS:
                save()
                saved = now
        return status, False

    def _command_from_request(self, specification: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Return whether a request names an entry point, and it with its arguments."""
        request = specification.get("ContainerEntrypoint") or []
        arguments = specification.get("ContainerArguments") or []
        relocate_scripts([*request, *arguments], self._root)
        return bool(request), [relocate(word, self._root) for word in [*request, *arguments]]

    def _environment_from_request(self, *, isolated: bool) -> dict[str, str]:
        """Return the variables that the request gives, and those for the role unless isolated."""
        request = self._job.get("Environment") or {}
        return {
            **({} if isolated else self._platform.variables(self._job["RoleArn"])),
            "AWS_REGION": self._platform.region,
            f"{self.kind.upper()}_JOB_NAME": self._name,
            f"{self.kind.upper()}_JOB_ARN": self._record.arn,
            **{name: relocate(value, self._root) for name, value in request.items()},
        }


def format_algorithm_error(message: str | None, status: int) -> str:
    """Return the FailureReason of a container that failed.

    Parameters
    ----------
    message
        What it wrote about it, or None.
    status
        Its exit status.
    """
    ending = f", exit code: {status}"
    head = f"AlgorithmError: {(message or '').strip()}"[: MAX_REASON_LENGTH - len(ending)]
    return head + ending
