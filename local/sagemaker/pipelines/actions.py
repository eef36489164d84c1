"""The actions on pipelines and their executions."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.sagemaker.control import ControlPlane, Record
from local.sagemaker.listing import between, descending, page, seconds
from local.sagemaker.objects import DataError, Objects
from local.sagemaker.pipelines import parameters as parameter_values
from local.sagemaker.pipelines.definition import Definition, parse
from local.sagemaker.pipelines.events import PipelineEvents
from local.sagemaker.pipelines.executions import RUNNING, Execution, Executions, token
from local.sagemaker.pipelines.references import as_text, evaluate
from local.sagemaker.pipelines.runner import ExecutionScope, Runner
from local.sagemaker.platform import Platform
from local.sagemaker.protocol import ServiceError, invalid, unsupported

_KIND = "pipeline"
_STEPS_PER_PAGE = 100
_MOST_PARAMETERS = 200
_DESCRIBED = (
    "PipelineName",
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "PipelineStatus",
    "CreationTime",
    "LastModifiedTime",
    "ParallelismConfiguration",
)
_SUMMARY = (
    "PipelineName",
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "CreationTime",
    "LastModifiedTime",
)
_UPDATED_AS_GIVEN = (
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "ParallelismConfiguration",
)


class Pipelines:
    """Answers the actions on pipelines, and runs their executions."""

    def __init__(self, platform: Platform, control: ControlPlane) -> None:
        self._platform = platform
        self._control = control
        self._events = PipelineEvents(platform)
        self._executions = Executions()
        self._versions: dict[str, list[tuple[datetime, Definition]]] = {}  # by ARN
        self._answers: dict[tuple[str, str], dict[str, Any]] = {}  # by action and request token

    def create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer CreatePipeline."""
        return self._once("CreatePipeline", parameters, self._create)

    def _create(self, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["PipelineName"]
        text = self._definition_text(parameters, parameters["RoleArn"])
        if text is None:
            raise invalid("Either PipelineDefinition or PipelineDefinitionS3Location is required.")
        definition = parse(text)
        with self._control.lock:
            if self._find(name) is not None:
                raise invalid(
                    "Pipeline names must be unique within an AWS account and region. Pipeline "
                    f"with name ({name}) already exists."
                )
            record = self._record(parameters, text)
            self._versions[record.arn] = [(datetime.now(UTC), definition)]
        return {"PipelineArn": record.arn}

    def _record(self, parameters: dict[str, Any], text: str) -> Record:
        name = parameters["PipelineName"]
        given = {k: v for k, v in parameters.items() if k != "PipelineDefinitionS3Location"}
        self._control.call("CreatePipeline", {**given, "PipelineDefinition": text})
        record = self._control.existing(_KIND, name, _KIND)
        record.rename(self._platform.arn(_KIND, name))
        return record

    def update(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdatePipeline: what is not given stays; each update is a new version."""
        record = self._existing(parameters["PipelineName"])
        text = self._definition_text(parameters, parameters.get("RoleArn", record["RoleArn"]))
        definition = self._latest(record) if text is None else parse(text)
        changes = {name: parameters[name] for name in _UPDATED_AS_GIVEN if name in parameters}
        now = datetime.now(UTC)
        with self._control.lock:
            record.update(**changes, LastModifiedTime=now)
            versions = self._versions[record.arn]
            versions.append((now, definition))
            return {"PipelineArn": record.arn, "PipelineVersionId": len(versions)}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DeletePipeline: executions must have ended, and are deleted too."""
        record = self._existing(parameters["PipelineName"])
        with self._control.lock:
            running = [e for e in self._executions.of(record.arn) if e.status in RUNNING]
            if running:
                raise ServiceError(
                    "ConflictException",
                    f"Pipeline '{record.arn}' has running executions: stop them first.",
                )
            self._control.forget(_KIND, record["PipelineName"])
            self._executions.forget(record.arn)
            del self._versions[record.arn]
        return {"PipelineArn": record.arn}

    def describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribePipeline."""
        record = self._existing(parameters["PipelineName"])
        _, definition = self._version(record, parameters.get("PipelineVersionId"))
        executions = self._executions.of(record.arn)
        last = {"LastRunTime": seconds(executions[-1].created)} if executions else {}
        return {
            "PipelineArn": record.arn,
            "PipelineDefinition": definition.text,
            **_members(record, _DESCRIBED),
            **last,
        }

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelines."""
        prefix = parameters.get("PipelineNamePrefix", "").lower()
        found = [self._summary(record) for record in self._control.records(_KIND)]
        found = [entry for entry in found if entry["PipelineName"].lower().startswith(prefix)]
        found = _created_between(found, parameters, "CreationTime")
        by = "PipelineName" if parameters.get("SortBy") == "Name" else "CreationTime"
        found.sort(key=lambda entry: entry[by], reverse=descending(parameters))
        entries, more = page(found, parameters)
        return {"PipelineSummaries": entries, **more}

    def _summary(self, record: Record) -> dict[str, Any]:
        executions = self._executions.of(record.arn)
        last = {"LastExecutionTime": seconds(executions[-1].created)} if executions else {}
        return {"PipelineArn": record.arn, **_members(record, _SUMMARY), **last}

    def list_versions(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineVersions."""
        record = self._existing(parameters["PipelineName"])
        last = {e.version: e.arn for e in self._executions.of(record.arn)}
        found = [
            {
                "PipelineArn": record.arn,
                "PipelineVersionId": number,
                "CreationTime": seconds(created),
                **({"LastExecutionPipelineExecutionArn": last[number]} if number in last else {}),
            }
            for number, (created, _) in enumerate(self._versions[record.arn], 1)
        ]
        found = _created_between(found, parameters, "CreationTime")
        if descending(parameters):
            found.reverse()
        entries, more = page(found, parameters)
        return {"PipelineVersionSummaries": entries, **more}

    def start(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer StartPipelineExecution and run the steps in the background."""
        return self._once("StartPipelineExecution", parameters, self._begin)

    def _begin(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if "SelectiveExecutionConfig" in parameters:
            raise unsupported("selective execution of pipelines (SelectiveExecutionConfig)")
        if "MlflowExperimentName" in parameters:
            raise unsupported("MLflow tracking of pipelines (MlflowExperimentName)")
        record = self._existing(parameters["PipelineName"])
        number, definition = self._version(record, parameters.get("PipelineVersionId"))
        given = parameters.get("PipelineParameters", [])
        name = record["PipelineName"]
        execution = Execution(
            pipeline=name,
            pipeline_arn=record.arn,
            arn=self._platform.arn(_KIND, f"{name}/execution/{token(12)}"),
            role=record["RoleArn"],
            version=number,
            definition=definition,
            parameters=parameter_values.values(definition.parameters, given),
            parallelism=_parallelism(parameters, record.get("ParallelismConfiguration")),
            display_name=parameters.get(
                "PipelineExecutionDisplayName", f"execution-{int(time.time() * 1000)}"
            ),
            description=parameters.get("PipelineExecutionDescription"),
        )
        self._executions.add(execution)
        self._run(execution, None)
        return {"PipelineExecutionArn": execution.arn}

    def _run(self, execution: Execution, before: str | None) -> None:
        self._events.execution(execution, before)
        runner = Runner(self._platform, self._events, self._executions, execution)
        self._platform.background(f"pipeline execution {execution.id}", runner.go)

    def stop(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer StopPipelineExecution: stop the running jobs, start no further steps."""
        execution = self._execution(parameters)
        with execution.lock:
            before = execution.status
            if before != "Executing":
                raise invalid(
                    f"Pipeline execution with ARN {execution.arn} is in status {before}. Only "
                    "executions in status Executing can be stopped."
                )
            execution.status = "Stopping"
            execution.modified = datetime.now(UTC)
            execution.stopping.set()
        self._events.execution(execution, before)
        return {"PipelineExecutionArn": execution.arn}

    def retry(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer RetryPipelineExecution: run again what has not succeeded."""
        return self._once("RetryPipelineExecution", parameters, self._retry)

    def _retry(self, parameters: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(parameters)
        with execution.lock:
            before = execution.status
            _check_retry(execution)
            done = {n: r for n, r in execution.records.items() if r.status == "Succeeded"}
            execution.records = done
            execution.status, execution.reason, execution.ended = "Executing", None, None
            execution.modified = datetime.now(UTC)
            execution.stopping.clear()
            if "ParallelismConfiguration" in parameters:
                execution.parallelism = _parallelism(parameters, None)
        self._run(execution, before)
        return {"PipelineExecutionArn": execution.arn}

    def update_execution(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer UpdatePipelineExecution: what is not given stays."""
        execution = self._execution(parameters)
        with execution.lock:
            execution.display_name = parameters.get(
                "PipelineExecutionDisplayName", execution.display_name
            )
            execution.description = parameters.get(
                "PipelineExecutionDescription", execution.description
            )
            if "ParallelismConfiguration" in parameters:
                execution.parallelism = _parallelism(parameters, None)
            execution.modified = datetime.now(UTC)
        return {"PipelineExecutionArn": execution.arn}

    def describe_execution(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribePipelineExecution."""
        execution = self._execution(parameters)
        limit = execution.parallelism
        members = {
            "PipelineArn": execution.pipeline_arn,
            "PipelineExecutionArn": execution.arn,
            "PipelineExecutionDisplayName": execution.display_name,
            "PipelineExecutionStatus": execution.status,
            "PipelineExecutionDescription": execution.description,
            "PipelineExperimentConfig": self._experiment(execution),
            "FailureReason": execution.reason,
            "CreationTime": seconds(execution.created),
            "LastModifiedTime": seconds(execution.modified),
            "ParallelismConfiguration": limit and {"MaxParallelExecutionSteps": limit},
            "PipelineVersionId": execution.version,
        }
        return {name: value for name, value in members.items() if value is not None}

    def _experiment(self, execution: Execution) -> Any:
        config = execution.definition.experiment
        return config and evaluate(config, ExecutionScope(self._platform, execution))

    def describe_definition(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribePipelineDefinitionForExecution."""
        execution = self._execution(parameters)
        return {
            "PipelineDefinition": execution.definition.text,
            "CreationTime": seconds(execution.created),
        }

    def list_executions(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineExecutions."""
        record = self._existing(parameters["PipelineName"])
        found = [_execution_summary(execution) for execution in self._executions.of(record.arn)]
        found = _created_between(found, parameters, "StartTime")
        by = {"PipelineExecutionArn": "PipelineExecutionArn"}.get(parameters.get("SortBy", ""))
        found.sort(key=lambda entry: entry[by or "StartTime"], reverse=descending(parameters))
        entries, more = page(found, parameters)
        return {"PipelineExecutionSummaries": entries, **more}

    def list_steps(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineExecutionSteps: the steps that have started, the newest first."""
        execution = self._execution(parameters)
        with execution.lock:
            found = [record.described() for record in execution.records.values()]
        if descending(parameters):
            found.reverse()
        entries, more = page(found, parameters, _STEPS_PER_PAGE)
        return {"PipelineExecutionSteps": entries, **more}

    def list_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineParametersForExecution."""
        values = self._execution(parameters).parameters
        found = [{"Name": name, "Value": as_text(value)} for name, value in values.items()]
        entries, more = page(found, parameters, _MOST_PARAMETERS)
        return {"PipelineParameters": entries, **more}

    def _once(
        self,
        action: str,
        parameters: dict[str, Any],
        answer: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> dict[str, Any]:
        """Answer a request; one that is repeated with its token changes nothing again."""
        key = (action, parameters["ClientRequestToken"])
        if key not in self._answers:
            self._answers[key] = answer(parameters)
        return self._answers[key]

    def _definition_text(self, parameters: dict[str, Any], role: str) -> str | None:
        text: str | None = parameters.get("PipelineDefinition")
        location = parameters.get("PipelineDefinitionS3Location")
        if location is None:
            return text
        if text is not None:
            raise invalid("PipelineDefinition and PipelineDefinitionS3Location exclude each other.")
        if "VersionId" in location:
            raise unsupported("versions of objects in PipelineDefinitionS3Location")
        uri = f"s3://{location['Bucket']}/{location['ObjectKey']}"
        try:
            return Objects.as_role(self._platform, role).read(uri).decode()
        except (DataError, UnicodeDecodeError) as error:
            raise invalid(f"Could not read the pipeline definition: {error}") from None

    def _find(self, name_or_arn: str) -> Record | None:
        name = name_or_arn.rpartition("/")[2].lower()
        records = self._control.records(_KIND)
        return next((r for r in records if r["PipelineName"].lower() == name), None)

    def _existing(self, name_or_arn: str) -> Record:
        record = self._find(name_or_arn)
        if record is None:
            arn = self._platform.arn(_KIND, name_or_arn.rpartition("/")[2])
            raise ServiceError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")
        return record

    def _latest(self, record: Record) -> Definition:
        return self._versions[record.arn][-1][1]

    def _version(self, record: Record, number: int | None) -> tuple[int, Definition]:
        versions = self._versions[record.arn]
        wanted = len(versions) if number is None else number
        if wanted > len(versions):
            message = f"Pipeline '{record.arn}' has no version {wanted}."
            raise ServiceError("ResourceNotFound", message)
        return wanted, versions[wanted - 1][1]

    def _execution(self, parameters: dict[str, Any]) -> Execution:
        arn = parameters["PipelineExecutionArn"]
        execution = self._executions.find(arn)
        if execution is None:
            raise ServiceError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
        return execution


def _members(record: Record, names: tuple[str, ...]) -> dict[str, Any]:
    described = record.describe()
    members = {name: described[name] for name in names if name in described}
    return {k: seconds(v) if isinstance(v, datetime) else v for k, v in members.items()}


def _created_between(found: list[Any], parameters: dict[str, Any], member: str) -> list[Any]:
    limits = (parameters.get("CreatedAfter"), parameters.get("CreatedBefore"))
    return between(found, lambda entry: float(entry[member]), *limits)


def _parallelism(parameters: dict[str, Any], default: dict[str, Any] | None) -> int | None:
    config = parameters.get("ParallelismConfiguration") or default or {}
    return config.get("MaxParallelExecutionSteps")


def _execution_summary(execution: Execution) -> dict[str, Any]:
    members = {
        "PipelineExecutionArn": execution.arn,
        "StartTime": seconds(execution.created),
        "PipelineExecutionStatus": execution.status,
        "PipelineExecutionDescription": execution.description,
        "PipelineExecutionDisplayName": execution.display_name,
        "PipelineExecutionFailureReason": execution.reason,
    }
    return {name: value for name, value in members.items() if value is not None}


def _check_retry(execution: Execution) -> None:
    if execution.status not in ("Failed", "Stopped"):
        raise invalid(
            f"Pipeline execution with ARN {execution.arn} is in status {execution.status}. Only "
            "executions in status Failed or Stopped can be retried."
        )
    failed = [r for r in execution.records.values() if r.step.kind == "Fail"]
    if failed:
        raise invalid(
            f"Pipeline execution with ARN {execution.arn} cannot be retried: its Fail step "
            f"{failed[0].step.name} ended it."
        )
