"""Task states in JSONata, with the history, the limits and the callbacks that AWS's have.

MiniStack's history tells nothing of a task's arguments, its limits can't be expressions, a token
is good for all attempts of a task, and who answers one that is over is told that it never was.
"""

import json
import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, new_uuid
from ministack.services import stepfunctions

from scones_local.ministack import REGION
from scones_local.ministack.patching import wrap
from scones_local.ministack.stepfunctions import executions, history

_CALLBACK = ".waitForTaskToken"
_YEAR_SECONDS = 365 * 24 * 3600

# Tokens of tasks that don't wait any more.
_over: set[str] = set()


def install() -> None:
    """Replace MiniStack's Task states in JSONata, and tell of answers that come too late."""
    wrap(stepfunctions, "_execute_task", _in_jsonata)
    for on_answer in ("_send_task_success", "_send_task_failure", "_send_task_heartbeat"):
        wrap(stepfunctions, on_answer, _with_checked_output)


def _in_jsonata(execute: Callable[..., Any]) -> Callable[..., Any]:
    def run(state: dict[str, Any], data: Any, execution: Any, context: dict[str, Any]) -> Any:
        if stepfunctions._state_query_language(state, context) != "JSONata":
            return execute(state, data, execution, context)
        return stepfunctions._with_retry_and_catch(
            state, data, context, lambda: _attempt(state, data, context)
        )

    return run


def _attempt(state: dict[str, Any], data: Any, context: dict[str, Any]) -> tuple[Any, str | None]:
    resource = state["Resource"]
    if resource.endswith(_CALLBACK):
        context["Task"] = {"Token": new_uuid()}
    arguments = stepfunctions._apply_jsonata_arguments(state, data, context)
    seconds = None
    if "TimeoutSeconds" in state:
        seconds = stepfunctions._jsonata_state_field(
            state, "TimeoutSeconds", "number", data, context
        )
    history.add_task_event(
        "Scheduled",
        resource,
        region=REGION,
        parameters=history.to_json(arguments),
        timeoutInSeconds=seconds,
    )
    history.add_task_event("Started", resource)
    result = _result(resource, arguments, seconds, context)
    history.add_task_event("Succeeded", resource, output=history.to_json(result))
    output = stepfunctions._apply_jsonata_output(
        state, data, context, result=result, default=result
    )
    stepfunctions._apply_state_assign(state, data, context, result=result)
    return output, stepfunctions._next_or_end(state)


def _result(resource: str, arguments: Any, seconds: int | None, context: dict[str, Any]) -> Any:
    try:
        if resource.endswith(_CALLBACK):
            return _wait_for_callback(
                resource, arguments, seconds or _YEAR_SECONDS, context["Task"]["Token"]
            )
        if seconds is not None:
            return stepfunctions._invoke_resource_with_timeout(resource, arguments, seconds)
        return stepfunctions._invoke_resource(resource, arguments)
    except stepfunctions._ExecutionError as error:
        if error.error == "States.Timeout":
            history.add_task_event("TimedOut", resource, error=error.error)
            # AWS gives no cause of a timeout.
            raise stepfunctions._ExecutionError(error.error, "") from None
        history.add_task_event("Failed", resource, error=error.error, cause=error.cause)
        raise


def _wait_for_callback(resource: str, arguments: Any, seconds: int, token: str) -> Any:
    is_answered = threading.Event()
    response: dict[str, Any] = {"event": is_answered, "result": None, "error": None}
    stepfunctions._task_tokens[token] = response
    try:
        message = stepfunctions._invoke_resource(resource.removesuffix(_CALLBACK), arguments)
        history.add_task_event("Submitted", resource, output=history.to_json(message))
        if not executions.wait(is_answered, seconds):
            raise stepfunctions._ExecutionError("States.Timeout", "")
    finally:
        _over.add(token)
        del stepfunctions._task_tokens[token]
    if response["error"] is not None:
        raise stepfunctions._ExecutionError(response["error"]["Error"], response["error"]["Cause"])
    return json.loads(response["result"])


def _with_checked_output(answer: Callable[..., Any]) -> Callable[..., Any]:
    def run(data: dict[str, Any]) -> Any:
        if data.get("taskToken") in _over:
            return error_response_json(
                "TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400
            )
        try:
            json.loads(data.get("output", "null"))
        except ValueError as error:
            return error_response_json("InvalidOutput", f"Invalid Output: '{error}'", 400)
        return answer(data)

    return run
