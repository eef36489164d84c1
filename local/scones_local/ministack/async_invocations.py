"""Invocations of functions that nobody waits for: tried again, counted and kept, as on AWS.

MiniStack's EventBridge runs a function once and forgets it. What AWS does:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html. Whoever invokes, each attempt
counts in the metrics of AWS/Lambda; MiniStack counts those that somebody waits for.
"""

import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, lambda_svc

from scones_local.ministack.patching import wrap

_MAX_AGE_SECONDS = 6 * 3600
_RETRY_SECONDS = 0.5

_is_asynchronous: ContextVar[bool] = ContextVar("nobody_waits", default=False)


def install() -> None:
    """Change how MiniStack's events reach functions, and where invocations are counted."""
    wrap(eventbridge, "_dispatch_to_lambda", lambda _: _invoke)
    # An event that there is no place for now is kept; it was not tried yet.
    wrap(lambda_svc, "_execute_function", _retry_while_throttled)
    # Counted where all functions are run, and nowhere else.
    emit = lambda_svc._emit_lambda_metrics
    wrap(lambda_svc, "_emit_lambda_metrics", _emit_throttled_only)
    wrap(lambda_svc, "_execute_function_dispatch", lambda run: _with_metrics(run, emit))


def _invoke(function: str, payload: str) -> None:
    function_record, config, _ = lambda_svc._get_func_record_for_ref(function)
    if function_record and config:
        record = lambda_svc._execution_record_for_config(function_record, config)
        token = _is_asynchronous.set(True)
        try:
            lambda_svc.invoke_async_with_retry(record, json.loads(payload))
        finally:
            _is_asynchronous.reset(token)


def _retry_while_throttled(execute: Callable[..., Any]) -> Callable[..., Any]:
    def run(function: Any, event: Any) -> Any:
        deadline = time.monotonic() + _MAX_AGE_SECONDS
        result = execute(function, event)
        while _is_asynchronous.get() and result.get("throttle") and time.monotonic() < deadline:
            time.sleep(_RETRY_SECONDS)
            result = execute(function, event)
        return result

    return run


def _emit_throttled_only(emit: Callable[..., None]) -> Callable[..., None]:
    def run(name: str, *, duration_ms: float, error: bool, throttle: bool) -> None:
        if throttle:
            emit(name, duration_ms=duration_ms, error=error, throttle=throttle)

    return run


def _with_metrics(execute: Callable[..., Any], emit: Callable[..., None]) -> Callable[..., Any]:
    def run(function: Any, config: dict[str, Any], *rest: Any) -> Any:
        started = time.monotonic()
        result = execute(function, config, *rest)
        emit(
            config["FunctionName"],
            duration_ms=(time.monotonic() - started) * 1000,
            error=bool(result.get("error")),
            throttle=False,
        )
        return result

    return run
