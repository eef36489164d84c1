"""Which execution's state runs in this thread: as whom it acts, and whether anyone still waits."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions

from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import Credentials, assume_role

_PRINCIPAL = "states.amazonaws.com"
_POLL_SECONDS = 0.1
_END_EVENTS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")

_execution: ContextVar[dict[str, Any] | None] = ContextVar("execution", default=None)
# Each ends the work of a part of an execution: a task that may time out, a set of branches.
_limits: ContextVar[tuple[threading.Event, ...]] = ContextVar("limits", default=())
# Branches write into one history, whose events are numbered.
_history = threading.RLock()


class CancelledError(BaseException):
    """Nobody waits any more for what this thread does: no error, nothing may catch or retry it."""


def install() -> None:
    """Note executions as they come by."""
    # The role is known where the task is executed, and needed where it is dispatched.
    wrap(stepfunctions, "_execute_task", _with_current_execution)
    # What runs in an execution that was stopped ends where it waits.
    wrap(stepfunctions, "_run_execution", _until_cancelled)
    wrap(stepfunctions, "_scaled_sleep", lambda _: _sleep)
    # Once an execution has ended, nothing changes its end, and nothing comes after it.
    wrap(stepfunctions, "_fail_execution", _unless_ended)
    wrap(stepfunctions, "_add_event", _in_time_order)
    # MiniStack lets a task that timed out go on; what can stop shall learn of it.
    wrap(stepfunctions, "_invoke_resource_with_timeout", _with_time_limit)
    # Only Standard executions tell EventBridge of their status.
    wrap(stepfunctions, "_emit_execution_status_event", _standard_only)


def current_execution() -> dict[str, Any]:
    """Give MiniStack's record of the execution whose task runs in this thread."""
    execution = _execution.get()
    assert execution is not None  # noqa: S101
    return execution


def state_machine(execution: dict[str, Any]) -> dict[str, Any]:
    """Give MiniStack's record of an execution's machine."""
    # A child of a distributed map has its parent's name and a label.
    arn = execution["stateMachineArn"].partition("/")[0]
    record: dict[str, Any] = stepfunctions._state_machines[arn]
    return record


def assume_role_of(of: dict[str, Any]) -> Credentials:
    """Give the credentials of a machine's role.

    Raises
    ------
    DeniedError
        If the role doesn't trust Step Functions.
    """
    return assume_role(of["roleArn"], _PRINCIPAL)


def current_credentials() -> Credentials:
    """Give the credentials of the role that this thread's execution acts as.

    Raises
    ------
    DeniedError
        If the role doesn't trust Step Functions.
    """
    return assume_role_of(state_machine(current_execution()))


def is_cancelled() -> bool:
    """Tell whether nobody waits any more for what this thread does."""
    execution = _execution.get()
    stopped = execution is not None and execution["status"] != "RUNNING"
    return stopped or any(limit.is_set() for limit in _limits.get())


def raise_if_cancelled() -> None:
    """Do nothing, if anyone still waits for what this thread does.

    Raises
    ------
    Abandoned
        If nobody does.
    """
    if is_cancelled():
        raise CancelledError


def wait(event: threading.Event, seconds: float) -> bool:
    """Wait for `event`, at most `seconds`; tells whether it did.

    Raises
    ------
    Abandoned
        As soon as nobody waits for this thread any more.
    """
    deadline = time.monotonic() + seconds
    while not event.is_set() and (remaining := deadline - time.monotonic()) > 0:
        raise_if_cancelled()
        event.wait(min(remaining, _POLL_SECONDS))
    raise_if_cancelled()
    return event.is_set()


@contextmanager
def cancelled_by(limit: threading.Event) -> Iterator[None]:
    """Abandon what this thread does in here once `limit` is set."""
    with _context_variable_set(_limits, (*_limits.get(), limit)):
        yield


def _sleep(seconds: float) -> None:
    wait(threading.Event(), seconds)


def _with_current_execution(execute: Callable[..., Any]) -> Callable[..., Any]:
    def run(state: Any, data: Any, execution: dict[str, Any], context: Any) -> Any:
        with _context_variable_set(_execution, execution):
            return execute(state, data, execution, context)

    return run


def _until_cancelled(run_execution: Callable[..., None]) -> Callable[..., None]:
    def run(arn: str) -> None:
        with (
            _context_variable_set(_execution, stepfunctions._executions.get(arn)),
            suppress(CancelledError),
        ):
            run_execution(arn)

    return run


def _unless_ended(fail: Callable[..., None]) -> Callable[..., None]:
    def run(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    return run


def _in_time_order(add: Callable[..., Any]) -> Callable[..., Any]:
    def run(execution: dict[str, Any], kind: str, *details: Any) -> Any:
        with _history:
            if kind not in _END_EVENTS and is_cancelled():
                return None
            return add(execution, kind, *details)

    return run


def _standard_only(emit: Callable[..., None]) -> Callable[..., None]:
    def run(execution: dict[str, Any]) -> None:
        if state_machine(execution)["type"] == "STANDARD":
            emit(execution)

    return run


def _with_time_limit(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        over = threading.Event()
        try:
            with cancelled_by(over):
                return invoke(*arguments)
        finally:
            over.set()

    return run


@contextmanager
def _context_variable_set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
