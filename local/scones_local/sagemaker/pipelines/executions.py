"""Executions of pipelines and the records of their steps."""

import secrets
import string
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Self

from scones_local.sagemaker.listing import epoch_seconds
from scones_local.sagemaker.pipelines.definition import Definition, Step, parse_definition

RUNNING = ("Executing", "Stopping")
"""Statuses of executions that have not ended."""

UNFINISHED_STEP = ("Starting", "Executing", "Stopping")
"""Statuses of steps that have not ended."""

_ALPHABET = string.ascii_lowercase + string.digits
_MAX_STEP_REASON_LENGTH = 1024
_MAX_NAME_LENGTH = 20


def random_token(length: int) -> str:
    """Return random lower-case letters and digits, as AWS has them in names."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_job_name(execution_id: str, step: str) -> str:
    """Return a new name for a job or model of a step, as AWS makes them.

    Parameters
    ----------
    execution_id
        Last part of the execution's ARN.
    step
        Name of the step; names of jobs cannot have its underscores.
    """
    cut = step[:_MAX_NAME_LENGTH].replace("_", "-")
    return f"pipelines-{execution_id}-{cut}-{random_token(10)}"


def format_time(time: datetime) -> str:
    """Return a time as events and execution variables have it: ISO 8601, in seconds, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class StepRecord:
    """One step that has started.

    Attributes
    ----------
    step
        The step.
    status
        ``Starting``, ``Executing``, ``Stopping``, ``Stopped``, ``Failed`` or ``Succeeded``.
    started, ended
        Times, the second None until the end.
    attempts
        Number of attempts so far.
    reason
        Why the step failed, or None.
    metadata
        ``Metadata`` of ListPipelineExecutionSteps.
    properties
        What references to the step lead into.
    cache_key
        Key by which a later execution can use the result, or None.
    source
        ARN of the execution whose result was used, or None.
    """

    step: Step
    status: str = "Starting"
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    attempts: int = 0
    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    cache_key: str | None = None
    source: str | None = None

    def described(self) -> dict[str, Any]:
        """Return the record as ListPipelineExecutionSteps has it."""
        members = {
            "StepName": self.step.name,
            "StepDisplayName": self.step.display_name,
            "StepDescription": self.step.description,
            "StartTime": epoch_seconds(self.started),
            "EndTime": None if self.ended is None else epoch_seconds(self.ended),
            "StepStatus": self.status,
            "CacheHitResult": self.source and {"SourcePipelineExecutionArn": self.source},
            "FailureReason": self.reason and self.reason[:_MAX_STEP_REASON_LENGTH],
            "Metadata": self.metadata or None,
            "AttemptCount": self.attempts,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True)
class SavedExecution:
    """What is kept of an execution while the local cloud is stopped.

    Attributes
    ----------
    text
        Its definition as JSON.
    members
        Other attributes of the execution by name.
    records
        Attributes of the records of its steps, by name of the step.
    """

    text: str
    members: dict[str, Any]
    records: dict[str, dict[str, Any]]


@dataclass
class Execution:
    """One execution of a pipeline.

    Attributes
    ----------
    pipeline, pipeline_arn
        Name and ARN of the pipeline.
    arn
        ARN of the execution.
    role
        ARN of the role that the steps are started with.
    version
        Version of the pipeline.
    definition
        The definition of that version.
    parameters
        Values of all parameters.
    parallelism
        Maximum number of steps at the same time; None if there is no limit.
    display_name, description
        As given, or the default name and None.
    status
        ``Executing``, ``Stopping``, ``Stopped``, ``Failed`` or ``Succeeded``.
    reason
        Why the execution failed, or None.
    created, modified, ended
        Times, the last one None until the end.
    records
        Steps that have started, by name, in the order in which they did.
    """

    pipeline: str
    pipeline_arn: str
    arn: str
    role: str
    version: int
    definition: Definition
    parameters: Mapping[str, Any]
    parallelism: int | None
    display_name: str
    description: str | None
    status: str = "Executing"
    reason: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    records: dict[str, StepRecord] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def id(self) -> str:
        """Last part of the ARN."""
        return self.arn.rpartition("/")[2]

    def to_saved(self) -> SavedExecution:
        """Return what `from_saved` makes the execution of again."""
        with self.lock:
            return SavedExecution(
                self.definition.text,
                _members(self, "definition", "records", "stopping", "lock"),
                {name: _members(record, "step") for name, record in self.records.items()},
            )

    @classmethod
    def from_saved(cls, saved: SavedExecution) -> Self:
        """Return an execution that was kept."""
        definition = parse_definition(saved.text)
        records = {
            name: StepRecord(step=definition.steps[name], **members)
            for name, members in saved.records.items()
        }
        return cls(definition=definition, records=records, **saved.members)

    def fail(self, reason: str) -> None:
        """Let the execution and its steps fail where they have not ended."""
        now = datetime.now(UTC)
        for record in self.records.values():
            if record.status in UNFINISHED_STEP:
                record.status, record.reason, record.ended = "Failed", reason, now
        if self.status in RUNNING:
            self.status, self.reason = "Failed", reason
            self.ended = self.modified = now


class Executions:
    """All executions, the oldest first."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._all: dict[str, Execution] = {}
        self._lock = threading.Lock()

    def add(self, execution: Execution) -> None:
        """Keep an execution."""
        with self._lock:
            self._all[execution.arn] = execution

    def find(self, arn: str) -> Execution | None:
        """Return an execution by its ARN, or None."""
        return self._all.get(arn)

    def of(self, pipeline_arn: str) -> list[Execution]:
        """Return the executions of a pipeline."""
        with self._lock:
            return [e for e in self._all.values() if e.pipeline_arn == pipeline_arn]

    def to_saved(self) -> list[SavedExecution]:
        """Return what is kept of all executions, the oldest first."""
        with self._lock:
            return [execution.to_saved() for execution in self._all.values()]

    def restore(self, saved: Iterable[SavedExecution], reason: str) -> None:
        """Put back what `to_saved` returned; what ran then has failed for the given reason."""
        for saved_execution in saved:
            execution = Execution.from_saved(saved_execution)
            execution.fail(reason)
            self.add(execution)

    def remove(self, pipeline_arn: str) -> None:
        """Remove the executions of a pipeline."""
        with self._lock:
            remaining = {a: e for a, e in self._all.items() if e.pipeline_arn != pipeline_arn}
            self._all = remaining

    def cached(self, pipeline_arn: str, step: Step, key: str) -> tuple[str, StepRecord] | None:
        """Return the newest result that a step can use again, with its execution's ARN, or None.

        Parameters
        ----------
        pipeline_arn
            Pipeline that the step belongs to.
        step
            The step, with its cache policy.
        key
            Cache key of its arguments.
        """
        limit = step.cache and step.cache.expire_after
        oldest = self._clock() - limit.total_seconds() if limit else 0.0
        newest_record = [
            (epoch_seconds(record.ended), execution.arn, record)
            for execution, record in self._results(pipeline_arn, step.name)
            if record.cache_key == key and record.ended and epoch_seconds(record.ended) >= oldest
        ]
        newest = max(newest_record, key=lambda result: result[0], default=None)
        return newest and newest[1:]

    def _results(self, pipeline_arn: str, step: str) -> Iterable[tuple[Execution, StepRecord]]:
        for execution in self.of(pipeline_arn):
            record = execution.records.get(step)
            if record and record.status == "Succeeded" and record.source is None:
                yield execution, record


def _members(value: Any, *left_out: str) -> dict[str, Any]:
    """Return the attributes of a dataclass by name, except some."""
    names = (found.name for found in fields(value) if found.name not in left_out)
    return {name: getattr(value, name) for name in names}
