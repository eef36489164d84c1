"""Which execution's state runs in this thread: as whom it acts, and whether anyone still waits."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions

from local.ministack.patching import wrap
from local.ministack.permissions import Credentials, assume

_ASSUMER = "states.amazonaws.com"

_execution: ContextVar[dict[str, Any] | None] = ContextVar("execution", default=None)
_timed_out: ContextVar[threading.Event | None] = ContextVar("timed_out", default=None)


def install() -> None:
    """Note executions as they come by."""
    # The role is known where the task is executed, and needed where it is dispatched.
    wrap(stepfunctions, "_execute_task", _noting_execution)
    # MiniStack lets a task that timed out go on; what can stop shall learn of it.
    wrap(stepfunctions, "_invoke_resource_with_timeout", _noting_timeout)
    # Only Standard executions tell EventBridge of their status.
    wrap(stepfunctions, "_emit_execution_status_event", _standard_only)


def current() -> dict[str, Any]:
    """Give MiniStack's record of the execution whose task runs in this thread."""
    execution = _execution.get()
    assert execution is not None  # noqa: S101
    return execution


def machine(execution: dict[str, Any]) -> dict[str, Any]:
    """Give MiniStack's record of an execution's machine."""
    # A child of a distributed map has its parent's name and a label.
    arn = execution["stateMachineArn"].partition("/")[0]
    found: dict[str, Any] = stepfunctions._state_machines[arn]
    return found


def assumed(of: dict[str, Any]) -> Credentials:
    """Give the credentials of a machine's role.

    Raises
    ------
    DeniedError
        If the role doesn't trust Step Functions.
    """
    return assume(of["roleArn"], _ASSUMER)


def role() -> Credentials:
    """Give the credentials of the role that this thread's execution acts as.

    Raises
    ------
    DeniedError
        If the role doesn't trust Step Functions.
    """
    return assumed(machine(current()))


def abandoned() -> bool:
    """Tell whether the execution no longer waits for the task in this thread."""
    timed_out = _timed_out.get()
    return current()["status"] != "RUNNING" or (timed_out is not None and timed_out.is_set())


def _noting_execution(execute: Callable[..., Any]) -> Callable[..., Any]:
    def run(state: Any, data: Any, execution: dict[str, Any], context: Any) -> Any:
        with _set(_execution, execution):
            return execute(state, data, execution, context)

    return run


def _standard_only(emit: Callable[..., None]) -> Callable[..., None]:
    def run(execution: dict[str, Any]) -> None:
        if machine(execution)["type"] == "STANDARD":
            emit(execution)

    return run


def _noting_timeout(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        over = threading.Event()
        try:
            with _set(_timed_out, over):
                return invoke(*arguments)
        finally:
            over.set()

    return run


@contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
