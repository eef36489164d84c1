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

_MAX_CONCURRENCY = 40
"""Iterations of an inline Map that AWS runs at once."""


def install() -> None:
    """Replace MiniStack's Parallel and Map states in JSONata, and how it walks through branches."""
    wrap(stepfunctions, "_run_parallel_branches", _parallel)
    wrap(stepfunctions, "_run_map_items", _map)
    wrap(stepfunctions, "_run_sub_machine", lambda _: _run_states)


def _parallel(run_branches: Callable[..., Any]) -> Callable[..., Any]:
    def run(
        state: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
    ) -> Any:
        if stepfunctions._state_query_language(state, context) != "JSONata":
            return run_branches(state, data, execution, context)
        input_data = stepfunctions._apply_jsonata_arguments(state, data, context)
        history.add_event("ParallelStateStarted", "parallelStateStarted")
        results = _run_concurrently(
            [
                _run_branch(branch, input_data, execution, dict(context))
                for branch in state["Branches"]
            ],
            len(state["Branches"]),
        )
        history.add_event("ParallelStateSucceeded", "parallelStateSucceeded")
        return _state_output(state, data, context, results)

    return run


def _map(run_items: Callable[..., Any]) -> Callable[..., Any]:
    def run(
        state: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
    ) -> Any:
        processor = state.get("ItemProcessor", {})
        distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        if distributed or stepfunctions._state_query_language(state, context) != "JSONata":
            return run_items(state, data, execution, context)
        input_data = {"Items": data, "MaxConcurrency": 0, **state}
        items = stepfunctions._jsonata_state_field(input_data, "Items", "array", data, context)
        max_concurrency = stepfunctions._jsonata_state_field(
            input_data, "MaxConcurrency", "number", data, context
        )
        history.add_event("MapStateStarted", "mapStateStarted", length=len(items))
        iterations = [
            _iteration(state, data, execution, context, number, item)
            for number, item in enumerate(items)
        ]
        results = _run_concurrently(
            iterations, min(max_concurrency or _MAX_CONCURRENCY, _MAX_CONCURRENCY)
        )
        history.add_event("MapStateSucceeded", "mapStateSucceeded")
        return _state_output(state, data, context, results)

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
        input_data = item
        if "ItemSelector" in state:
            input_data = stepfunctions._apply_jsonata_template(state["ItemSelector"], data, own)
        history.add_event("MapIterationStarted", "mapIterationStarted", **about)
        try:
            result = _run_branch(state["ItemProcessor"], input_data, execution, own)()
        except stepfunctions._ExecutionError:
            history.add_event("MapIterationFailed", "mapIterationFailed", **about)
            raise
        history.add_event("MapIterationSucceeded", "mapIterationSucceeded", **about)
        return result

    return run


def _run_branch(
    branch: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
) -> Callable[[], Any]:
    return lambda: _run_states(branch["States"], branch["StartAt"], data, execution, context)


def _run_concurrently(works: Sequence[Callable[[], Any]], max_concurrency: int) -> list[Any]:
    """Give what each work gives; as soon as one fails, the others are abandoned."""
    failed = threading.Event()

    def run(work: Callable[[], Any]) -> Any:
        with executions.cancelled_by(failed):
            executions.raise_if_cancelled()
            return work()

    pool = ThreadPoolExecutor(max(1, max_concurrency))
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


def _state_output(
    state: dict[str, Any], data: Any, context: dict[str, Any], results: list[Any]
) -> tuple[Any, str | None]:
    output = stepfunctions._apply_jsonata_output(
        state, data, context, result=results, default=results
    )
    stepfunctions._apply_state_assign(state, data, context, result=results)
    return output, stepfunctions._next_or_end(state)


def _run_states(
    states: dict[str, Any], start: str, data: Any, execution: dict[str, Any], context: Any
) -> Any:
    """Go from state to state to the branch's end; gives its output."""
    name: str | None = start
    data = copy.deepcopy(data)
    while name is not None:
        executions.raise_if_cancelled()
        state = states[name]
        kind = state["Type"]
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        history.add_event(
            f"{kind}StateEntered", "stateEntered", name=name, input=history.to_json(data)
        )
        output = name
        data, name = _execute_state(state, data, execution, context)
        history.add_event(
            f"{kind}StateExited", "stateExited", name=output, output=history.to_json(data)
        )
    return data


def _execute_state(
    state: dict[str, Any], data: Any, execution: dict[str, Any], context: dict[str, Any]
) -> tuple[Any, str | None]:
    match state["Type"]:
        case "Succeed":
            input_data = stepfunctions._apply_input_path(state, data, context)
            return stepfunctions._apply_output_path(state, input_data, context), None
        case "Fail":
            raise stepfunctions._ExecutionError(
                *stepfunctions._fail_state_error(state, data, context)
            )
        case kind:
            execute = getattr(stepfunctions, f"_execute_{kind.lower()}")
            of = (execution,) if kind in ("Task", "Parallel", "Map") else ()
            result: tuple[Any, str | None] = execute(state, data, *of, context)
            return result
