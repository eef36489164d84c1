"""Parallel and Map states in JSONata: branches side by side, of which the first fault ends all.

MiniStack knows no Arguments, Output and Assign of a Parallel state, lets branches share what they
assign, waits for all of them after one has failed, and goes on with them after the execution was
stopped. Maps over S3 (the mode DISTRIBUTED) are left to it, as are states in JSONPath.
"""

import contextvars
import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

from scones_local.ministack.patching import wrap
from scones_local.ministack.stepfunctions import executions, history

_MOST_AT_ONCE = 40
"""Iterations of an inline Map that AWS runs at once."""


def install() -> None:
    """Replace MiniStack's Parallel and Map states in JSONata, and how it walks through branches."""
    wrap(stepfunctions, "_run_parallel_branches", _parallel)
    wrap(stepfunctions, "_run_map_items", _map)
    wrap(stepfunctions, "_run_sub_machine", lambda _: _walk)


def _parallel(run_branches: Callable[..., Any]) -> Callable[..., Any]:
    def run(
        state: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
    ) -> Any:
        if stepfunctions._state_query_language(state, context) != "JSONata":
            return run_branches(state, data, execution, context)
        given = stepfunctions._apply_jsonata_arguments(state, data, context)
        history.note("ParallelStateStarted", "parallelStateStarted")
        results = _side_by_side(
            [_way(branch, given, execution, dict(context)) for branch in state["Branches"]],
            len(state["Branches"]),
        )
        history.note("ParallelStateSucceeded", "parallelStateSucceeded")
        return _left(state, data, context, results)

    return run


def _map(run_items: Callable[..., Any]) -> Callable[..., Any]:
    def run(
        state: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
    ) -> Any:
        processor = state.get("ItemProcessor", {})
        distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        if distributed or stepfunctions._state_query_language(state, context) != "JSONata":
            return run_items(state, data, execution, context)
        given = {"Items": data, "MaxConcurrency": 0, **state}
        items = stepfunctions._jsonata_state_field(given, "Items", "array", data, context)
        most = stepfunctions._jsonata_state_field(given, "MaxConcurrency", "number", data, context)
        history.note("MapStateStarted", "mapStateStarted", length=len(items))
        iterations = [
            _iteration(state, data, execution, context, number, item)
            for number, item in enumerate(items)
        ]
        results = _side_by_side(iterations, min(most or _MOST_AT_ONCE, _MOST_AT_ONCE))
        history.note("MapStateSucceeded", "mapStateSucceeded")
        return _left(state, data, context, results)

    return run


def _iteration(
    state: dict[str, Any],
    data: Any,
    execution: dict[str, Any],
    context: dict[str, Any],
    number: int,
    item: Any,
) -> Callable[[], Any]:
    own = {**context, "Map": {"Item": {"Index": number, "Value": item}}}
    about = {"name": context["State"]["Name"], "index": number}

    def run() -> Any:
        given = item
        if "ItemSelector" in state:
            given = stepfunctions._apply_jsonata_template(state["ItemSelector"], data, own)
        history.note("MapIterationStarted", "mapIterationStarted", **about)
        try:
            result = _way(state["ItemProcessor"], given, execution, own)()
        except stepfunctions._ExecutionError:
            history.note("MapIterationFailed", "mapIterationFailed", **about)
            raise
        history.note("MapIterationSucceeded", "mapIterationSucceeded", **about)
        return result

    return run


def _way(
    branch: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
) -> Callable[[], Any]:
    return lambda: _walk(branch["States"], branch["StartAt"], data, execution, context)


def _side_by_side(works: Sequence[Callable[[], Any]], at_once: int) -> list[Any]:
    """Give what each work gives; as soon as one fails, the others are abandoned."""
    failed = threading.Event()

    def run(work: Callable[[], Any]) -> Any:
        with executions.within(failed):
            executions.go_on()
            return work()

    pool = ThreadPoolExecutor(max(1, at_once))
    # A context can't be entered by two threads at once.
    running = [pool.submit(contextvars.copy_context().run, run, work) for work in works]
    try:
        for done in as_completed(running):
            done.result()
    except BaseException:
        failed.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [done.result() for done in running]


def _left(
    state: dict[str, Any], data: Any, context: dict[str, Any], results: list[Any]
) -> tuple[Any, str | None]:
    output = stepfunctions._apply_jsonata_output(
        state, data, context, result=results, default=results
    )
    stepfunctions._apply_state_assign(state, data, context, result=results)
    return output, stepfunctions._next_or_end(state)


def _walk(
    states: dict[str, Any], start: str, data: Any, execution: dict[str, Any], context: Any
) -> Any:
    """Go from state to state to the branch's end; gives its output."""
    name: str | None = start
    data = copy.deepcopy(data)
    while name is not None:
        executions.go_on()
        state = states[name]
        kind = state["Type"]
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        history.note(f"{kind}StateEntered", "stateEntered", name=name, input=history.text(data))
        left = name
        data, name = _execute(state, data, execution, context)
        history.note(f"{kind}StateExited", "stateExited", name=left, output=history.text(data))
    return data


def _execute(
    state: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
) -> tuple[Any, str | None]:
    match state["Type"]:
        case "Succeed":
            given = stepfunctions._apply_input_path(state, data, context)
            return stepfunctions._apply_output_path(state, given, context), None
        case "Fail":
            raise stepfunctions._ExecutionError(
                *stepfunctions._fail_state_error(state, data, context)
            )
        case kind:
            execute = getattr(stepfunctions, f"_execute_{kind.lower()}")
            of = (execution,) if kind in ("Task", "Parallel", "Map") else ()
            result: tuple[Any, str | None] = execute(state, data, *of, context)
            return result
