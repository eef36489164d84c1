"""The actions on executions of pipelines."""

import time
from datetime import UTC, datetime
from typing import Any

from scones_local.sagemaker.listing import epoch_seconds, is_descending, paginate
from scones_local.sagemaker.pipelines import parameters as parameter_values
from scones_local.sagemaker.pipelines.catalog import Catalog, filter_by_creation_time
from scones_local.sagemaker.pipelines.events import PipelineEvents
from scones_local.sagemaker.pipelines.executions import Execution, Executions, random_token
from scones_local.sagemaker.pipelines.idempotency import IdempotentResponses
from scones_local.sagemaker.pipelines.references import as_text, evaluate
from scones_local.sagemaker.pipelines.runner import ExecutionScope, Runner
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import ServiceError, unsupported_error, validation_error

_STEPS_PER_PAGE = 100
_MAX_PARAMETERS = 200


class ExecutionActions:
    """Answers the actions on executions, and runs them.

    Parameters
    ----------
    platform
        Makes clients and background threads.
    catalog
        The pipelines.
    executions
        All executions.
    """

    def __init__(self, platform: Platform, catalog: Catalog, executions: Executions) -> None:
        self._platform = platform
        self._catalog = catalog
        self._executions = executions
        self._events = PipelineEvents(platform)
        self._responses = IdempotentResponses()

    def start(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer StartPipelineExecution and run the steps in the background."""
        return self._responses.once("StartPipelineExecution", parameters, self._begin)

    def _begin(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if "SelectiveExecutionConfig" in parameters:
            raise unsupported_error("selective execution of pipelines (SelectiveExecutionConfig)")
        if "MlflowExperimentName" in parameters:
            raise unsupported_error("MLflow tracking of pipelines (MlflowExperimentName)")
        record = self._catalog.get_existing(parameters["PipelineName"])
        number, definition = self._catalog.version(record, parameters.get("PipelineVersionId"))
        given = parameters.get("PipelineParameters", [])
        name = record["PipelineName"]
        execution = Execution(
            pipeline=name,
            pipeline_arn=record.arn,
            arn=self._platform.arn("pipeline", f"{name}/execution/{random_token(12)}"),
            role=record["RoleArn"],
            version=number,
            definition=definition,
            parameters=parameter_values.parameter_values(definition.parameters, given),
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
        self._platform.background(f"pipeline execution {execution.id}", runner.run)

    def stop(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer StopPipelineExecution: stop the running jobs, start no further steps."""
        execution = self._execution(parameters)
        with execution.lock:
            before = execution.status
            if before != "Executing":
                raise validation_error(
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
        return self._responses.once("RetryPipelineExecution", parameters, self._retry)

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

    def update(self, parameters: dict[str, Any]) -> dict[str, Any]:
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

    def describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
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
            "CreationTime": epoch_seconds(execution.created),
            "LastModifiedTime": epoch_seconds(execution.modified),
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
            "CreationTime": epoch_seconds(execution.created),
        }

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineExecutions."""
        record = self._catalog.get_existing(parameters["PipelineName"])
        executions = [
            _execution_summary(execution) for execution in self._executions.of(record.arn)
        ]
        executions = filter_by_creation_time(executions, parameters, "StartTime")
        sort_by = {"PipelineExecutionArn": "PipelineExecutionArn"}.get(parameters.get("SortBy", ""))
        executions.sort(
            key=lambda entry: entry[sort_by or "StartTime"], reverse=is_descending(parameters)
        )
        entries, more = paginate(executions, parameters)
        return {"PipelineExecutionSummaries": entries, **more}

    def list_steps(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineExecutionSteps: the steps that have started, the newest first."""
        execution = self._execution(parameters)
        with execution.lock:
            records = [record.described() for record in execution.records.values()]
        if is_descending(parameters):
            records.reverse()
        entries, more = paginate(records, parameters, _STEPS_PER_PAGE)
        return {"PipelineExecutionSteps": entries, **more}

    def list_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer ListPipelineParametersForExecution."""
        values = self._execution(parameters).parameters
        parameters_found = [
            {"Name": name, "Value": as_text(value)} for name, value in values.items()
        ]
        entries, more = paginate(parameters_found, parameters, _MAX_PARAMETERS)
        return {"PipelineParameters": entries, **more}

    def _execution(self, parameters: dict[str, Any]) -> Execution:
        arn = parameters["PipelineExecutionArn"]
        execution = self._executions.find(arn)
        if execution is None:
            raise ServiceError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
        return execution


def _parallelism(parameters: dict[str, Any], default: dict[str, Any] | None) -> int | None:
    config = parameters.get("ParallelismConfiguration") or default or {}
    return config.get("MaxParallelExecutionSteps")


def _execution_summary(execution: Execution) -> dict[str, Any]:
    members = {
        "PipelineExecutionArn": execution.arn,
        "StartTime": epoch_seconds(execution.created),
        "PipelineExecutionStatus": execution.status,
        "PipelineExecutionDescription": execution.description,
        "PipelineExecutionDisplayName": execution.display_name,
        "PipelineExecutionFailureReason": execution.reason,
    }
    return {name: value for name, value in members.items() if value is not None}


def _check_retry(execution: Execution) -> None:
    if execution.status not in ("Failed", "Stopped"):
        raise validation_error(
            f"Pipeline execution with ARN {execution.arn} is in status {execution.status}. Only "
            "executions in status Failed or Stopped can be retried."
        )
    failed = [r for r in execution.records.values() if r.step.kind == "Fail"]
    if failed:
        raise validation_error(
            f"Pipeline execution with ARN {execution.arn} cannot be retried: its Fail step "
            f"{failed[0].step.name} ended it."
        )
