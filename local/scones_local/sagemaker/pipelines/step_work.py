"""The work of each type of step, done with the permissions of the pipeline's role."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from scones_local.sagemaker.pipelines import conditions, retries, shapes
from scones_local.sagemaker.pipelines.definition import CREATED_BY
from scones_local.sagemaker.pipelines.executions import Execution, StepRecord, new_job_name
from scones_local.sagemaker.pipelines.parameters import parse_value
from scones_local.sagemaker.pipelines.references import Scope, as_text, evaluate
from scones_local.sagemaker.platform import Platform

_MIN_POLL_SECONDS = 0.1
_MAX_POLL_SECONDS = 1.0
_THROTTLED = ("ThrottlingException", "TooManyRequestsException", "Throttling")
_LIMITED = ("ResourceLimitExceeded",)
_BY_REASON = {
    "InternalServerError": retries.INTERNAL_ERROR,
    "CapacityError": retries.CAPACITY_ERROR,
}


class StepFailedError(Exception):
    """A failed attempt; the message becomes the step's FailureReason.

    Parameters
    ----------
    reason
        Why it failed.
    exception
        Type of the failure for retry policies, or None if no policy can be for it.
    """

    def __init__(self, reason: str, exception: str | None = None) -> None:
        super().__init__(reason)
        self.exception = exception


class StepStoppedError(Exception):
    """A step whose job was stopped."""


class StepAbandonedError(Exception):
    """The local cloud ends: the step does not finish."""


@dataclass
class Attempt:
    """One attempt at a step.

    Attributes
    ----------
    platform
        Makes the clients.
    execution, record
        The execution, and the record that the attempt updates.
    scope
        Values of references.
    arguments
        Arguments of the step with all references replaced.
    note
        Called when the record has a new status.
    """

    platform: Platform
    execution: Execution
    record: StepRecord
    scope: Scope
    note: Callable[[str], None]
    arguments: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Do the work of the step.

        Raises
        ------
        StepFailedError
            If the attempt failed.
        StepStoppedError
            If the job of the step was stopped.
        Abandoned
            If the local cloud ends.
        """
        _WORK[self.record.step.kind](self)

    def call(self, service: str, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call an action with the permissions of the pipeline's role."""
        try:
            client = self.platform.client(service, self.execution.role)
            response: dict[str, Any] = getattr(client, xform_name(action))(**parameters)
        except (ClientError, BotoCoreError) as error:
            raise _failed_call(service, action, error) from error
        response.pop("ResponseMetadata", None)
        return {name: _plain(member) for name, member in response.items()}


def resolve(kind: str, arguments: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """Return the arguments of a step with references replaced, in the types of the request."""
    if kind == "Condition":
        return arguments
    resolved: dict[str, Any] = evaluate(arguments, scope)
    if kind in CREATED_BY:
        typed: dict[str, Any] = shapes.coerce_value(
            resolved, shapes.request_shape(CREATED_BY[kind])
        )
        return typed
    return resolved


def _plain(value: Any) -> Any:
    """Return a value of boto3's with times as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _failed_call(service: str, action: str, error: ClientError | BotoCoreError) -> StepFailedError:
    reason = f"ClientError: Failed to invoke {service}:{action}. Error Details: {error}"
    if not isinstance(error, ClientError):
        return StepFailedError(reason)
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    message = error.response["Error"].get("Message", "")
    reason = f"ClientError: Failed to invoke {service}:{action}. Error Details: {message}"
    if code in _THROTTLED:
        return StepFailedError(reason, retries.THROTTLING)
    if code in _LIMITED:
        return StepFailedError(reason, retries.RESOURCE_LIMIT)
    return StepFailedError(reason, retries.SERVICE_FAULT if status >= 500 else None)


def _run_job(attempt: Attempt) -> None:
    kind = f"{attempt.record.step.kind}Job"
    name = {f"{kind}Name": new_job_name(attempt.execution.id, attempt.record.step.name)}
    created = attempt.call("sagemaker", f"Create{kind}", {**attempt.arguments, **name})
    attempt.record.metadata = {kind: {"Arn": created[f"{kind}Arn"]}}
    attempt.note("Executing")
    described = _wait(attempt, kind, name)
    status = described[f"{kind}Status"]
    if status == "Stopped":
        raise StepStoppedError
    if status == "Failed":
        reason = described.get("FailureReason", "")
        exception = _BY_REASON.get(reason.partition(":")[0])
        raise StepFailedError(f"ClientError: {reason}", exception)
    attempt.record.properties = described


def _wait(attempt: Attempt, kind: str, name: dict[str, str]) -> dict[str, Any]:
    """Return the description of a job that has ended; stop it if the execution is stopped."""
    delay, stopped = _MIN_POLL_SECONDS, False
    while True:
        described = attempt.call("sagemaker", f"Describe{kind}", name)
        if described[f"{kind}Status"] in ("Completed", "Failed", "Stopped"):
            return described
        if attempt.execution.stopping.is_set() and not stopped:
            stopped = True
            _stop(attempt, kind, name)
        if attempt.platform.stopping.wait(delay):
            raise StepAbandonedError
        delay = _MIN_POLL_SECONDS if stopped else min(_MAX_POLL_SECONDS, 1.5 * delay)


def _stop(attempt: Attempt, kind: str, name: dict[str, str]) -> None:
    attempt.note("Stopping")
    try:
        attempt.call("sagemaker", f"Stop{kind}", name)
    except StepFailedError:
        # The job may have ended in the meantime: its status decides.
        if attempt.call("sagemaker", f"Describe{kind}", name)[f"{kind}Status"] == "InProgress":
            raise


def _create_model(attempt: Attempt) -> None:
    name = {"ModelName": new_job_name(attempt.execution.id, attempt.record.step.name)}
    attempt.note("Executing")
    created = attempt.call("sagemaker", "CreateModel", {**attempt.arguments, **name})
    attempt.record.metadata = {"Model": {"Arn": created["ModelArn"]}}
    attempt.record.properties = attempt.call("sagemaker", "DescribeModel", name)


def _register_model(attempt: Attempt) -> None:
    attempt.note("Executing")
    metadata = attempt.arguments.get("MetadataProperties") or {}
    origin = {"MetadataProperties": {**metadata, "GeneratedBy": attempt.execution.arn}}
    arn = _create_package(attempt, {**attempt.arguments, **origin})["ModelPackageArn"]
    attempt.record.metadata = {"RegisterModel": {"Arn": arn}}
    name = {"ModelPackageName": arn}
    attempt.record.properties = attempt.call("sagemaker", "DescribeModelPackage", name)


def _create_package(attempt: Attempt, package: dict[str, Any]) -> dict[str, Any]:
    """Create a model package, and its group first if there is none, as AWS does."""
    try:
        return attempt.call("sagemaker", "CreateModelPackage", package)
    except StepFailedError as failed:
        group = package.get("ModelPackageGroupName")
        if group is None or "does not exist" not in str(failed):
            raise
        name = {"ModelPackageGroupName": group}
        attempt.call("sagemaker", "CreateModelPackageGroup", name)
        return attempt.call("sagemaker", "CreateModelPackage", package)


def _decide(attempt: Attempt) -> None:
    attempt.note("Executing")
    listed = attempt.arguments["Conditions"]
    outcome = all(conditions.evaluate_condition(condition, attempt.scope) for condition in listed)
    attempt.record.metadata = {"Condition": {"Outcome": str(outcome)}}
    attempt.record.properties = {"Outcome": outcome}


def _fail(attempt: Attempt) -> None:
    message = as_text(attempt.arguments["ErrorMessage"])
    attempt.record.metadata = {"Fail": {"ErrorMessage": message}}
    attempt.note("Executing")
    raise StepFailedError(message)


def _invoke(attempt: Attempt) -> None:
    function = as_text(evaluate(attempt.record.step.function, attempt.scope))
    attempt.record.metadata = {"Lambda": {"Arn": function}}
    attempt.note("Executing")
    payload = json.dumps(attempt.arguments).encode()
    response = attempt.call("lambda", "Invoke", {"FunctionName": function, "Payload": payload})
    content = response["Payload"].read().decode()
    if "FunctionError" in response:
        raise StepFailedError(f"ClientError: The Lambda function failed: {content}")
    outputs = _outputs(content, attempt.record.step.outputs)
    listed = [{"Name": name, "Value": as_text(value)} for name, value in outputs.items()]
    attempt.record.metadata = {"Lambda": {"Arn": function, "OutputParameters": listed}}
    attempt.record.properties = {"OutputParameters": outputs}


def _outputs(content: str, types: Mapping[str, str]) -> dict[str, Any]:
    """Return the outputs of a function that the step declares."""
    try:
        response = json.loads(content)
    except ValueError:
        response = None
    found = response if isinstance(response, dict) else {}
    missing = [name for name in types if name not in found]
    if missing:
        raise StepFailedError(f"ClientError: The Lambda function returned no {', '.join(missing)}.")
    return {name: _output(name, kind, found[name]) for name, kind in types.items()}


def _output(name: str, kind: str, value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        return parse_value(kind, text)
    except ValueError:
        raise StepFailedError(
            f"ClientError: The output {name} of the Lambda function is {text}, which is not of "
            f"type {kind}."
        ) from None


_WORK: dict[str, Callable[[Attempt], None]] = {
    "Processing": _run_job,
    "Training": _run_job,
    "Transform": _run_job,
    "Model": _create_model,
    "RegisterModel": _register_model,
    "Condition": _decide,
    "Fail": _fail,
    "Lambda": _invoke,
}
