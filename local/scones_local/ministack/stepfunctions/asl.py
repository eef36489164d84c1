"""The Amazon States Language where MiniStack's differs from AWS's.

It knows no limit of a state's size, lets wildcards catch what nothing catches, retries without
jitter and beyond MaxDelaySeconds, assigns variables one after another, and has no output of
Succeed states and of the default branch of Choice states.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from scones_local.ministack.patching import wrap

MAX_STATE_BYTES = 262_144
"""Most bytes a state's input or output may have, as UTF-8 encoded JSON."""

# No wildcard of ErrorEquals matches these.
_TERMINAL_ERRORS = ("States.DataLimitExceeded", "States.Runtime")


def install() -> None:
    """Change how MiniStack's Step Functions reads a machine."""
    # What states put out, and what goes to and comes from a task, has a limited size.
    for kind in ("pass", "task", "choice", "wait", "parallel", "map"):
        wrap(stepfunctions, f"_execute_{kind}", _with_size_limit)
    wrap(stepfunctions, "_invoke_resource", _task_with_size_limit)
    wrap(stepfunctions, "_error_matches", _exclude_terminal_errors)
    wrap(stepfunctions, "_find_matching_retrier", _with_retry_delay)
    wrap(stepfunctions, "_apply_state_assign", lambda _: _assign)
    wrap(stepfunctions, "_execute_choice", _with_default_rule)
    wrap(stepfunctions, "_apply_output_path", _with_output_of_succeed)


def _with_size_limit(execute: Callable[..., Any]) -> Callable[..., Any]:
    def run(state: dict[str, Any], *rest: Any) -> Any:
        output, following = execute(state, *rest)
        _check_size(output, state.get("Resource", state["Type"]))
        return output, following

    return run


def _task_with_size_limit(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def run(resource: str, arguments: Any) -> Any:
        _check_size(arguments, resource)
        result = invoke(resource, arguments)
        _check_size(result, resource)
        return result

    return run


def _check_size(value: Any, title: str) -> None:
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > MAX_STATE_BYTES:
        raise stepfunctions._ExecutionError(
            "States.DataLimitExceeded",
            f"The state/task '{title}' returned a result with a size exceeding the maximum number "
            "of bytes service limit.",
        )


def _exclude_terminal_errors(matches: Callable[..., Any]) -> Callable[..., Any]:
    def run(names: list[str], error: str) -> Any:
        return error in names if error in _TERMINAL_ERRORS else matches(names, error)

    return run


def _with_retry_delay(find: Callable[..., Any]) -> Callable[..., Any]:
    def run(retriers: Any, error: str, attempts: dict[int, int]) -> Any:
        retrier, index = find(retriers, error, attempts)
        if retrier is None:
            return retrier, index
        # MiniStack waits IntervalSeconds * BackoffRate ** attempts: give it the delay itself.
        delay = retry_delay(retrier, attempts.get(index, 0))
        return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1.0}, index

    return run


def retry_delay(retrier: dict[str, Any], attempts: int) -> float:
    """Give the seconds to wait before the next attempt.

    Parameters
    ----------
    retrier
        One object of a state's ``Retry``.
    attempts
        How often it was used in this state before.
    """
    delay = float(retrier.get("IntervalSeconds", 1))
    delay *= float(retrier.get("BackoffRate", 2.0)) ** attempts
    delay = min(delay, float(retrier.get("MaxDelaySeconds", delay)))
    if retrier.get("JitterStrategy") == "FULL":
        return random.uniform(0, delay)  # noqa: S311
    return delay


def _with_default_rule(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Make the default of a Choice state its last rule, since rules have an output."""

    def run(state: dict[str, Any], data: Any, context: Any = None) -> Any:
        if "Default" not in state or not _is_jsonata(state, context):
            return choose(state, data, context)
        fields: dict[str, Any] = {
            name: state[name] for name in ("Output", "Assign") if name in state
        }
        last = {"Condition": True, "Next": state["Default"], **fields}
        return choose({**state, "Choices": [*state["Choices"], last]}, data, context)

    return run


def _with_output_of_succeed(apply: Callable[..., Any]) -> Callable[..., Any]:
    def run(state: dict[str, Any], data: Any, context: Any = None) -> Any:
        if state.get("Type") != "Succeed" or not _is_jsonata(state, context):
            return apply(state, data, context)
        output = stepfunctions._apply_jsonata_output(state, data, context, default=data)
        _check_size(output, "Succeed")
        return output

    return run


def _is_jsonata(state: dict[str, Any], context: Any) -> bool:
    return bool(stepfunctions._state_query_language(state, context) == "JSONata")


def _assign(
    state: dict[str, Any],
    data: Any,
    context: dict[str, Any],
    result: Any = None,
    error_output: Any = None,
) -> None:
    """Bind all of a state's variables at once, each from what was before the state."""
    assigned = stepfunctions._apply_jsonata_template(
        state.get("Assign", {}), data, context, result, error_output
    )
    context["variables"] = {**context["variables"], **assigned}
