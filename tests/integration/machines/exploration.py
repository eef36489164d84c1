"""Explore a state machine: evaluate its expressions along every transition, with every result.

No service is called. A task gets each of the results and each of the errors that a test gives for
it, and the exploration goes on from all of them.
"""

import itertools
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from ministack.services import stepfunctions

ACCOUNT = "us-east-1:123456789012"
EXECUTION = f"arn:aws:states:{ACCOUNT}:execution:machine:this"
STARTED = "2026-01-02T03:04:05.678Z"

OUTCOMES = 4
"""How many outputs of one item or branch go on into the results of a Map or Parallel state."""

_EXPRESSION = re.compile(r"^\{%.*%\}$", re.DOTALL)
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
_RANDOM = re.compile(r"\d{14}-[0-9a-f]{6}|[0-9a-f-]{36}")
_SHORT = 64
_SERVICES = {"sfn": "stepfunctions"}

Results = Mapping[str, Sequence[Any] | Callable[[Mapping[str, Any]], Sequence[Any]]]


class EvaluationError(AssertionError):
    """An expression of a state fails, or gives what its field does not take."""


@dataclass
class Visit:
    """One evaluation of a state.

    Attributes
    ----------
    state
        Its name.
    variables
        The variables before it.
    arguments
        What a task was called with; None for other states.
    """

    state: str
    variables: dict[str, Any]
    arguments: Any = None


@dataclass
class Exploration:
    """What was found.

    Attributes
    ----------
    visits
        All evaluations.
    evaluated
        The fields, such as ``Failed.Assign.outcome``, whose expressions were evaluated.
    transitions
        From which state to which, and the cause of the error that led there, or None.
    ends
        Outputs of states that end the machine, and for Fail states error and cause.
    """

    visits: list[Visit] = field(default_factory=list)
    evaluated: set[str] = field(default_factory=set)
    transitions: set[tuple[str, str, str | None]] = field(default_factory=set)
    ends: list[Any] = field(default_factory=list)


def load(name: str, substitutions: Mapping[str, str]) -> dict[str, Any]:
    """Read a definition of ``statemachine/`` with its placeholders substituted.

    Parameters
    ----------
    name
        Such as ``retrain``.
    substitutions
        Values by placeholder; others get an ARN.
    """
    text = Path(f"statemachine/{name}.asl.json").read_text("utf-8")
    replaced = re.sub(
        r"\$\{(\w+)\}",
        lambda match: substitutions.get(match[1], f"arn:aws:::{match[1]:->20}"),
        text,
    )
    definition: dict[str, Any] = json.loads(replaced)
    return definition


def expressions(states: Mapping[str, Any]) -> Iterator[str]:
    """Yield the path of each expression in a machine's states, those of nested states included."""
    for name, state in states.items():
        for nested in _nested(state):
            yield from expressions(nested["States"])
        own = {key: value for key, value in state.items() if key not in _NESTED}
        for path, value in _leaves(own, name):
            if isinstance(value, str) and _EXPRESSION.match(value):
                yield path


def explore(
    definition: Mapping[str, Any],
    inputs: Sequence[Any],
    results: Results,
    errors: Sequence[Mapping[str, str]],
) -> Exploration:
    """Explore a machine.

    Parameters
    ----------
    definition
        With substituted placeholders.
    inputs
        What it may be started with.
    results
        What the tasks may result in, by the state's name: a list, or what makes one of the
        variables. Others result in an empty object.
    errors
        What a state may fail with where it catches ``States.ALL``: `Error` and perhaps `Cause`.

    Raises
    ------
    EvaluationError
        If an expression fails.
    """
    found = Exploration()
    for given in inputs:
        _Explorer(results, errors, found, given).run(definition, given, {})
    return found


class _Failure(Exception):
    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error)
        self.output = {"Error": error, "Cause": cause}


class _Explorer:
    def __init__(
        self, results: Results, errors: Sequence[Mapping[str, str]], found: Exploration, given: Any
    ) -> None:
        self._results = results
        self._errors = errors
        self._found = found
        self._context = {
            "Execution": {"Id": EXECUTION, "StartTime": STARTED, "Input": given},
            "StateMachine": {"Id": f"arn:aws:states:{ACCOUNT}:stateMachine:machine"},
            "State": {"EnteredTime": STARTED, "RetryCount": 0},
            "Task": {"Token": "token"},
        }
        self._seen: set[str] = set()

    def run(
        self, machine: Mapping[str, Any], given: Any, variables: dict[str, Any]
    ) -> list[Any | _Failure]:
        """Explore states from their start; give what they may end with."""
        ends: list[Any | _Failure] = []
        read = _read_later(machine["States"])
        waiting = deque([(machine["StartAt"], given, variables)])
        while waiting:
            name, value, bound = waiting.popleft()
            state = machine["States"][name]
            for following, output, assigned in self._ways(name, state, value, bound):
                if following is None:
                    ends.append(output)
                    continue
                self._found.transitions.add((name, following, None))
                later = {key: assigned[key] for key in read[following] & assigned.keys()}
                kind = json.dumps([following, _kind(output), _kind(later)], sort_keys=True)
                if kind not in self._seen:
                    self._seen.add(kind)
                    waiting.append((following, output, assigned))
        self._found.ends += [end.output if isinstance(end, _Failure) else end for end in ends]
        return ends

    def _ways(
        self, name: str, state: Mapping[str, Any], value: Any, bound: dict[str, Any]
    ) -> Iterator[tuple[str | None, Any, dict[str, Any]]]:
        match state["Type"]:
            case "Choice":
                yield self._choose(name, state, value, bound)
            case "Task":
                yield from self._task(name, state, value, bound)
            case "Map" | "Parallel":
                yield from self._together(name, state, value, bound)
            case "Fail":
                error, cause = (
                    self._text(name, state, part, value, bound) for part in ("Error", "Cause")
                )
                self._found.visits.append(Visit(name, bound))
                yield None, _Failure(error, cause), bound
            case kind:
                self._found.visits.append(Visit(name, bound))
                if kind == "Wait" and "Seconds" in state:
                    seconds = self._value(name, state["Seconds"], value, bound, "Seconds")
                    _require(isinstance(seconds, int | float), f"{name}: Seconds is {seconds!r}")
                output, assigned = self._leave(name, state, value, bound, value)
                yield state.get("Next"), output, assigned

    def _choose(
        self, name: str, state: Mapping[str, Any], value: Any, bound: dict[str, Any]
    ) -> tuple[str, Any, dict[str, Any]]:
        self._found.visits.append(Visit(name, bound))
        for number, rule in enumerate(state["Choices"]):
            where = f"Choices.{number}"
            holds = self._value(name, rule["Condition"], value, bound, f"{where}.Condition")
            _require(isinstance(holds, bool), f"{name}: {where} is {holds!r}, not a Boolean")
            if holds:
                return rule["Next"], *self._leave(name, rule, value, bound, value, where)
        return state["Default"], *self._leave(name, state, value, bound, value)

    def _task(
        self, name: str, state: Mapping[str, Any], value: Any, bound: dict[str, Any]
    ) -> Iterator[tuple[str | None, Any, dict[str, Any]]]:
        if "TimeoutSeconds" in state:
            self._value(name, state["TimeoutSeconds"], value, bound, "TimeoutSeconds")
        arguments = self._value(name, state["Arguments"], value, bound, "Arguments")
        _check_arguments(name, state["Resource"], arguments)
        self._found.visits.append(Visit(name, bound, arguments))
        results = self._results.get(name, [{}])
        for result in results(bound) if callable(results) else results:
            output, assigned = self._leave(name, state, value, bound, result, result=result)
            yield state.get("Next"), output, assigned
        yield from self._caught(name, state, value, bound, self._errors)

    def _caught(
        self,
        name: str,
        state: Mapping[str, Any],
        value: Any,
        bound: dict[str, Any],
        errors: Sequence[Mapping[str, str]],
    ) -> Iterator[tuple[str | None, Any, dict[str, Any]]]:
        for number, catch in enumerate(state.get("Catch", [])):
            named = [error for error in catch["ErrorEquals"] if error != "States.ALL"]
            given = [{"Error": error, "Cause": CAUSE_OF_A_FUNCTION} for error in named] or errors
            for error in given:
                output, assigned = self._leave(
                    name, catch, value, bound, dict(error), f"Catch.{number}", error=dict(error)
                )
                self._found.transitions.add((name, catch["Next"], error.get("Cause")))
                yield catch["Next"], output, assigned

    def _together(
        self, name: str, state: Mapping[str, Any], value: Any, bound: dict[str, Any]
    ) -> Iterator[tuple[str | None, Any, dict[str, Any]]]:
        self._found.visits.append(Visit(name, bound))
        parts = list(self._parts(name, state, value, bound))
        ends = [self.run(machine, given, dict(bound)) for machine, given in parts]
        failures = [end.output for some in ends for end in some if isinstance(end, _Failure)]
        outputs = [
            _different([end for end in some if not isinstance(end, _Failure)]) for some in ends
        ]
        for result in itertools.islice(itertools.product(*outputs), OUTCOMES**2):
            output, assigned = self._leave(
                name, state, value, bound, list(result), result=list(result)
            )
            yield state.get("Next"), output, assigned
        yield from self._caught(name, state, value, bound, [*_different(failures), *self._errors])

    def _parts(
        self, name: str, state: Mapping[str, Any], value: Any, bound: dict[str, Any]
    ) -> Iterator[tuple[Mapping[str, Any], Any]]:
        if state["Type"] == "Parallel":
            given = self._value(name, state.get("Arguments", value), value, bound, "Arguments")
            yield from ((branch, given) for branch in state["Branches"])
            return
        items = self._value(name, state.get("Items", value), value, bound, "Items")
        _require(isinstance(items, list), f"{name}: Items is {items!r}, not a list")
        for index, item in enumerate(items):
            self._context["Map"] = {"Item": {"Index": index, "Value": item}}
            selector = state.get("ItemSelector")
            given = self._value(name, selector, value, bound, "ItemSelector") if selector else item
            yield state["ItemProcessor"], given

    def _leave(
        self,
        name: str,
        part: Mapping[str, Any],
        value: Any,
        bound: dict[str, Any],
        default: Any,
        where: str = "",
        **more: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Give the output and the variables after a state, a rule or a catcher."""
        prefix = f"{where}." if where else ""
        assigned = self._value(
            name, part.get("Assign", {}), value, bound, f"{prefix}Assign", **more
        )
        output = default
        if "Output" in part:
            output = self._value(name, part["Output"], value, bound, f"{prefix}Output", **more)
        return output, {**bound, **assigned}

    def _text(
        self, name: str, state: Mapping[str, Any], part: str, value: Any, bound: dict[str, Any]
    ) -> str:
        text = self._value(name, state[part], value, bound, part)
        _require(isinstance(text, str), f"{name}: {part} is {text!r}, not a string")
        return str(text)

    def _value(
        self, name: str, template: Any, value: Any, bound: dict[str, Any], where: str, **more: Any
    ) -> Any:
        self._found.evaluated |= {
            path for path, leaf in _leaves(template, f"{name}.{where}") if _is_expression(leaf)
        }
        try:
            return stepfunctions._apply_jsonata_template(
                template,
                value,
                {**self._context, "variables": bound},
                more.get("result"),
                more.get("error"),
            )
        except stepfunctions._ExecutionError as error:
            raise EvaluationError(
                f"{name}.{where}: {error.error}: {error.cause}\nvariables: {json.dumps(bound)}\n"
                f"result: {json.dumps(more)}"
            ) from None


CAUSE_OF_A_FUNCTION = json.dumps(
    {
        "errorMessage": json.dumps(
            {
                "label": "car",
                "confidence": 0.5,
                "threshold": 0.9,
                "loading_bay": None,
                "familiarity": None,
                "familiarity_limit": None,
                "probabilities": {"car": 0.5},
                "reason": None,
            }
        ),
        "errorType": "ConfidenceBelowThreshold",
    }
)
"""The cause that Step Functions gives for an error raised by a Python function."""

_NESTED = ("Branches", "ItemProcessor")


def _nested(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    branches: list[Mapping[str, Any]] = list(state.get("Branches", []))
    return [*branches, state["ItemProcessor"]] if "ItemProcessor" in state else branches


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{path}.{number}")
    else:
        yield path, value


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and _EXPRESSION.match(value) is not None


def _read_later(states: Mapping[str, Any]) -> dict[str, set[str]]:
    """Give for each state the variables that its expressions or later ones may read."""
    read = {name: set(_VARIABLE.findall(json.dumps(state))) for name, state in states.items()}
    for _ in states:
        for name, state in states.items():
            for following in _followers(state):
                read[name] |= read[following]
    return read


def _followers(state: Mapping[str, Any]) -> list[str]:
    parts = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return [part[key] for part in parts for key in ("Next", "Default") if key in part]


def _kind(value: Any) -> Any:
    """Leave out of a value what no expression decides by: long messages, and numbers."""
    match value:
        case dict():
            return {name: _kind(part) for name, part in value.items()}
        case list():
            return [_kind(part) for part in value[:2]]
        case bool() | None:
            return value
        case str() if len(value) <= _SHORT:
            return _RANDOM.sub("", value)
        case _:
            return type(value).__name__


def _different(values: Sequence[Any]) -> list[Any]:
    return list({json.dumps(value): value for value in values}.values())[:OUTCOMES]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise EvaluationError(message)


def _check_arguments(name: str, resource: str, arguments: Any) -> None:
    """Hold a task's arguments against the input of its API operation, as botocore models it."""
    *_, service, action = resource.split(":")
    operation = action.split(".")[0]
    operation = operation[0].upper() + operation[1:]
    shape = _model(_SERVICES.get(service, service)).operation_model(operation).input_shape
    given = _as_botocore_names(arguments, shape)
    if service == "events":  # Step Functions writes the details as JSON.
        for entry in given["Entries"]:
            entry["Detail"] = json.dumps(entry["Detail"])
    if (service, operation) == ("lambda", "Invoke"):
        given["Payload"] = json.dumps(given["Payload"])
    if (service, operation) == ("s3", "PutObject"):
        given["Body"] = json.dumps(given["Body"])
    report = ParamValidator().validate(given, shape)
    _require(not report.has_errors(), f"{name}: {report.generate_report()}")


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _as_botocore_names(arguments: Any, shape: Any) -> dict[str, Any]:
    """Step Functions writes all names in Pascal case, where some models have camel case."""
    by_name = {member[0].upper() + member[1:]: member for member in shape.members}
    return {by_name.get(name, name): value for name, value in arguments.items()}
