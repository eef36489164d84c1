"""Check that each task of a state machine may do what it does, and that its errors are caught."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

_RESOURCE = re.compile(r"^arn:aws:states:::(?:aws-sdk:)?(?P<service>\w+):(?P<action>\w+)")
_NAME = re.compile(r"^\$\{(\w+)\}")
# Step Functions names services and operations as the SDK does, IAM by its own prefixes and actions:
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_PREFIXES = {"sfn": "states", "cloudwatchlogs": "logs", "eventbridge": "events"}
_ACTIONS = {
    "lambda:invoke": "lambda:InvokeFunction",
    "s3:headObject": "s3:GetObject",
    "s3:listObjectsV2": "s3:ListBucket",
}


def find_uncaught(machine: Mapping[str, Any], caught: bool = False) -> Iterator[str]:
    """Yield a finding for each state whose errors end the execution without an outcome.

    A state that leads to a Fail state needs no Catch: the execution fails in either case.

    Parameters
    ----------
    machine
        A definition, or the part of one that a Map or Parallel state runs.
    caught
        Whether the state around it catches all errors.
    """
    states = machine.get("States", {})
    for name, state in states.items():
        own = any("States.ALL" in rule["ErrorEquals"] for rule in state.get("Catch", []))
        ends = states.get(state.get("Next"), {}).get("Type") == "Fail"
        if state["Type"] in {"Task", "Map", "Parallel"} and not (own or caught or ends):
            yield (
                f"state {name!r} has no Catch for States.ALL: an error in it would end the "
                "execution without an outcome"
            )
        for inner in _inner_machines(state):
            yield from find_uncaught(inner, caught or own)


def find_forbidden(definition: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    """Yield a finding for each task that calls what the machine's role does not allow.

    Of functions, the role must name each one. Of other services, only actions are compared; the
    end-to-end tests run the machines with their roles enforced.

    Parameters
    ----------
    definition
        The definition.
    properties
        Properties of its ``AWS::Serverless::StateMachine``, with ``Policies`` as documents.
    """
    allowed = [
        statement
        for policy in properties.get("Policies", [])
        for statement in policy.get("Statement", [])
        if statement["Effect"] == "Allow"
    ]
    for name, state in _tasks(definition):
        resource = _RESOURCE.match(state["Resource"])
        if resource is None:
            continue
        action = _action(resource["service"], resource["action"], state.get("Arguments"))
        granting = [statement for statement in allowed if _grants(statement, action)]
        if not granting:
            yield f"state {name!r} needs {action}, which no statement of the role allows"
        elif action == "lambda:InvokeFunction":
            function = _function(state, properties)
            if function and function not in set().union(*map(_resources, granting)):
                yield f"state {name!r} calls {function}, which no statement of the role allows"


def _inner_machines(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*state.get("Branches", []), state.get("ItemProcessor", {})]


def _tasks(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, state in machine.get("States", {}).items():
        if state["Type"] == "Task":
            yield name, state
        for inner in _inner_machines(state):
            yield from _tasks(inner)


def _action(service: str, operation: str, arguments: Any) -> str:
    """Return the action of IAM that a call needs."""
    named = f"{service}:{operation}"
    prefix = _PREFIXES.get(service, service)
    action = _ACTIONS.get(named, f"{prefix}:{operation[0].upper()}{operation[1:]}")
    of_a_version = service == "s3" and isinstance(arguments, Mapping) and "VersionId" in arguments
    return f"{action}Version" if of_a_version else action


def _grants(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in _as_list(statement["Action"]))


def _resources(statement: Mapping[str, Any]) -> set[str]:
    return {name for resource in _as_list(statement["Resource"]) if (name := _logical_id(resource))}


def _function(state: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """Return the logical ID of the function that a task calls; None if it is of another stack."""
    placeholder = _NAME.match(str(state["Arguments"]["FunctionName"]))
    substitutions = properties.get("DefinitionSubstitutions", {})
    return _logical_id(substitutions.get(placeholder[1])) if placeholder else None


def _logical_id(value: Any) -> str | None:
    """Return the logical ID that ``Ref`` or ``Fn::GetAtt`` refers to."""
    if not isinstance(value, Mapping):
        return None
    reference = value.get("Ref") or value.get("Fn::GetAtt")
    return reference[0] if isinstance(reference, list) else reference


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
