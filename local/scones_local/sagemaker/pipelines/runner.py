"""Run the steps of an execution, as many at a time as are ready and allowed."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.objects import DataError, Objects, join_uri
from scones_local.sagemaker.pipelines import cache
from scones_local.sagemaker.pipelines.events import PipelineEvents
from scones_local.sagemaker.pipelines.executions import (
    Execution,
    Executions,
    StepRecord,
    format_time,
)
from scones_local.sagemaker.pipelines.references import UnresolvedReferenceError
from scones_local.sagemaker.pipelines.retries import Retries
from scones_local.sagemaker.pipelines.schedule import FINAL_STATUSES, Schedule
from scones_local.sagemaker.pipelines.step_work import (
    Attempt,
    StepAbandonedError,
    StepFailedError,
    StepStoppedError,
    resolve,
)
from scones_local.sagemaker.platform import Platform, log
from scones_local.sagemaker.protocol import ServiceError

_STEPS_FAILED = "Step failure: One or multiple steps failed."
_POLL_SECONDS = 0.5


class Runner:
    """Runs one execution until its end.

    Parameters
    ----------
    platform
        Makes clients and background threads.
    events
        Sends the events of executions and steps.
    executions
        All executions, among whose results cached ones are found.
    execution
        The execution to run; steps that have succeeded are not run again.
    """

    def __init__(
        self,
        platform: Platform,
        events: PipelineEvents,
        executions: Executions,
        execution: Execution,
    ) -> None:
        self._platform = platform
        self._events = events
        self._executions = executions
        self._execution = execution
        self._changed = threading.Event()
        self._running = 0

    def run(self) -> None:
        """Run the steps; the execution then has its final status."""
        while not self._platform.stopping.is_set():
            self._changed.clear()
            with self._execution.lock:
                started = self._take_startable()
                idle = self._running == 0
            for record in started:
                self._start(record)
            if idle:
                self._finish()
                return
            self._changed.wait(_POLL_SECONDS)

    def _take_startable(self) -> list[StepRecord]:
        """Return the records of the steps to start now, which count as running."""
        execution = self._execution
        if execution.stopping.is_set():
            return []
        names = self._startable()
        if execution.parallelism is not None:
            names = names[: max(0, execution.parallelism - self._running)]
        records = {name: StepRecord(execution.definition.steps[name]) for name in names}
        execution.records.update(records)
        self._running += len(records)
        return list(records.values())

    def _start(self, record: StepRecord) -> None:
        # Not under the execution's lock: a target of the event may ask for the execution.
        self._events.step(self._execution, record, None)
        label = f"step {self._execution.id}/{record.step.name}"
        self._platform.background(label, lambda: self._work(record))

    def _startable(self) -> list[str]:
        records = self._execution.records
        statuses = {name: record.status for name, record in records.items()}
        outcomes = {
            name: bool(record.properties["Outcome"])
            for name, record in records.items()
            if record.step.kind == "Condition" and record.status == "Succeeded"
        }
        return Schedule(self._execution.definition.steps, statuses, outcomes).startable()

    def _work(self, record: StepRecord) -> None:
        try:
            self._run(record)
        except StepAbandonedError:
            log.info("step %s is abandoned", record.step.name)
        except StepStoppedError:
            self._end(record, "Stopped")
        except (StepFailedError, UnresolvedReferenceError, DataError, ServiceError) as error:
            self._end(record, "Failed", _reason(error))
        except Exception as error:
            self._end(record, "Failed", f"InternalServerError: {error}")
            raise
        else:
            self._end(record, "Succeeded")
        finally:
            with self._execution.lock:
                self._running -= 1
            self._changed.set()

    def _run(self, record: StepRecord) -> None:
        step = record.step
        scope = ExecutionScope(self._platform, self._execution)
        arguments = resolve(step.kind, step.arguments, scope)
        if step.cache is not None:
            record.cache_key = cache.cache_key(step.kind, arguments)
            if self._use_cached(record, record.cache_key):
                return
        attempt = Attempt(
            self._platform,
            self._execution,
            record,
            scope,
            lambda status: self._set_status(record, status),
            arguments,
        )
        self._try(attempt, Retries(step.retries))

    def _use_cached(self, record: StepRecord, key: str) -> bool:
        cached = self._executions.cached(self._execution.pipeline_arn, record.step, key)
        if cached is None:
            return False
        record.source, earlier = cached
        record.metadata, record.properties = earlier.metadata, earlier.properties
        return True

    def _try(self, attempt: Attempt, retries: Retries) -> None:
        """Do a step's work, again after failures that its retry policies are for."""
        started_at = time.monotonic()
        while True:
            attempt.record.attempts += 1
            try:
                attempt.run()
                return
            except StepFailedError as error:
                delay = retries.next_delay(error.exception, time.monotonic() - started_at)
                if delay is None or not self._wait(delay):
                    raise

    def _wait(self, delay: float) -> bool:
        """Wait before a retry; return False if the execution is stopped instead."""
        deadline = time.monotonic() + delay
        while (remaining := deadline - time.monotonic()) > 0:
            if self._execution.stopping.wait(min(remaining, _POLL_SECONDS)):
                return False
            if self._platform.stopping.is_set():
                raise StepAbandonedError
        return True

    def _set_status(self, record: StepRecord, status: str) -> None:
        with self._execution.lock:
            before, record.status = record.status, status
        if before != status:
            self._events.step(self._execution, record, before)

    def _end(self, record: StepRecord, status: str, reason: str | None = None) -> None:
        if status != "Succeeded" and self._platform.stopping.is_set():
            # The local cloud has ended the step's job: `Execution.fail` says so if it is kept.
            return
        with self._execution.lock:
            record.ended = datetime.now(UTC)
            record.reason = reason
        self._set_status(record, status)

    def _finish(self) -> None:
        execution = self._execution
        with execution.lock:
            before = execution.status
            statuses = {record.status for record in execution.records.values()}
            if execution.stopping.is_set():
                execution.status = "Stopped"
            elif statuses & {"Failed", "Stopped"}:
                execution.status, execution.reason = "Failed", _STEPS_FAILED
            else:
                execution.status = "Succeeded"
            execution.ended = execution.modified = datetime.now(UTC)
        self._events.execution(execution, before)


class ExecutionScope:
    """The values that references have in an execution."""

    def __init__(self, platform: Platform, execution: Execution) -> None:
        self._platform = platform
        self._execution = execution

    def parameter(self, name: str) -> Any:
        """Return the value of a parameter."""
        return self._execution.parameters[name]

    def variable(self, name: str) -> Any:
        """Return the value of an execution variable."""
        execution = self._execution
        values = {
            "PipelineName": execution.pipeline,
            "PipelineArn": execution.pipeline_arn,
            "PipelineExecutionId": execution.id,
            "PipelineExecutionArn": execution.arn,
            "StartDateTime": format_time(execution.created),
            "CurrentDateTime": format_time(datetime.now(UTC)),
        }
        return values[name]

    def step(self, name: str) -> Mapping[str, Any]:
        """Return the properties of a step that has succeeded."""
        record = self._execution.records.get(name)
        if record is None or record.status not in FINAL_STATUSES:
            raise UnresolvedReferenceError(f"The step {name} has not ended.")
        return record.properties

    def property_file(self, step: str, name: str) -> str:
        """Return the S3 URI of a property file."""
        file = self._execution.definition.steps[step].property_files[name]
        return join_uri(_output(self.step(step), file.output, step), file.path)

    def read(self, uri: str) -> bytes:
        """Return the content of an S3 object, read with the role of the pipeline."""
        return Objects.as_role(self._platform, self._execution.role).read(uri)


def _output(properties: Mapping[str, Any], output: str, step: str) -> str:
    outputs = (properties.get("ProcessingOutputConfig") or {}).get("Outputs", [])
    for candidate in outputs:
        if candidate["OutputName"] == output:
            return str(candidate["S3Output"]["S3Uri"])
    raise UnresolvedReferenceError(f"The step {step} has no output {output}.")


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, StepFailedError) else f"ClientError: {error}"
