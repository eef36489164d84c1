"""Behavior that all jobs share: unique names, a way to stop, an end that is final."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from scones_local.sagemaker.control import ControlPlane, Record
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import ServiceError, validation_error

_FINAL_STATUSES = ("Completed", "Failed", "Stopped")


class JobRunner(Protocol):
    """One job at work."""

    def run(self) -> None:
        """Work until the job has ended; every fault ends in a status."""
        ...

    def stop(self) -> bool:
        """Ask for an early end; tells whether there was still something to end."""
        ...

    def kill(self) -> None:
        """End the job's processes at once."""
        ...


class JobStatus:
    """A job's record, which nothing changes any more once the job has ended.

    Parameters
    ----------
    record
        The job.
    kind
        ``Training``, ``Transform`` or ``Processing``.
    on_change
        Sends the event of a change.
    """

    def __init__(self, record: Record, kind: str, on_change: Callable[[Record], None]) -> None:
        self._record = record
        self._member = f"{kind}JobStatus"
        self._on_change = on_change
        self._lock = threading.Lock()

    def change(self, make: Callable[[], Mapping[str, Any]]) -> bool:
        """Set the members that `make` gives, and tell of them, unless the job has ended.

        Returns
        -------
        bool
            Whether it had not.
        """
        with self._lock:
            if self._record[self._member] in _FINAL_STATUSES:
                return False
            self._record.update(**make())
        self._on_change(self._record)
        return True


class Jobs:
    """The jobs of one kind.

    Attributes
    ----------
    kind
        ``Training``, ``Transform`` or ``Processing``.
    name_taken_message, not_found_message
        What AWS says of a name in use, with ``{arn}``, and of an unknown one, with ``{name}``.
    """

    kind: ClassVar[str]
    name_taken_message: ClassVar[str]
    not_found_message: ClassVar[str]

    def __init__(self, platform: Platform, control: ControlPlane) -> None:
        self._platform = platform
        self._control = control
        self._running: dict[str, JobRunner] = {}

    def stop(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer the Stop action."""
        name = parameters[f"{self.kind}JobName"]
        record = self._control.find(self._table, name)
        if record is None:
            raise validation_error(self.not_found_message.format(name=name))
        run = self._running.get(name)
        status = f"{self.kind}JobStatus"
        # A run that was stopped once says so until its thread has gone, which is after its end.
        if run is None or record[status] in _FINAL_STATUSES or not run.stop():
            raise validation_error(
                f"The request was rejected because the {self.kind.lower()} job is in status "
                f"{record[status]}."
            )
        return {}

    def shutdown(self) -> None:
        """Kill what runs."""
        for run in list(self._running.values()):
            run.kill()

    def fail_unfinished(self, reason: str) -> None:
        """Let the jobs fail that are recorded as running though nothing runs."""
        for record in self._control.records(self._table):
            if record[f"{self.kind}JobStatus"] not in _FINAL_STATUSES:
                record.update(**{f"{self.kind}JobStatus": "Failed"}, FailureReason=reason)

    @property
    def _table(self) -> str:
        return f"{self.kind.lower()}-job"

    def _new(self, parameters: dict[str, Any]) -> Record:
        """Record a job; to be called under the control plane's lock."""
        name = parameters[f"{self.kind}JobName"]
        arn = self._platform.arn(self._table, name)
        if self._control.find(self._table, name):
            raise ServiceError("ResourceInUse", self.name_taken_message.format(arn=arn))
        self._control.call(f"Create{self.kind}Job", parameters)
        record = self._control.get_existing(self._table, name, f"{self.kind.lower()} job")
        record.rename(arn)
        return record

    def _start(self, name: str, run: JobRunner) -> None:
        """Let a job work, in the background; to be called under the control plane's lock."""

        def work() -> None:
            try:
                run.run()
            finally:
                del self._running[name]

        self._running[name] = run
        self._platform.background(f"{self.kind.lower()} {name}", work)
