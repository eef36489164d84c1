"""Lint the state machines as CloudFormation gets them.

cfn-lint does not look into ``AWS::Serverless::StateMachine``, so each definition is put, with its
substitutions, into the ``AWS::StepFunctions::StateMachine`` that SAM makes of it. What cfn-lint
leaves out is checked here: that every transition has a target and every state is reached, that
every JSONata expression parses, that every placeholder is substituted, and what
`tools.lint_tasks` finds.
"""

import json
import re
import sys
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from jsonata import Jsonata
from samcli.yamlhelper import yaml_parse

from tools.lint_tasks import find_forbidden, find_uncaught

REGION = "us-east-1"
_EXPRESSION = re.compile(r"^\{%(.*)%\}$", re.DOTALL)
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
_BOUND_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)\s*:=")
_PARAMETERS = re.compile(r"function\(([^)]*)\)")
# https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html: Step Functions adds
# these to JSONata's functions, and takes $eval away.
_STEP_FUNCTIONS_BUILTINS = {"states", "partition", "range", "hash", "random", "uuid", "parse"}
_BUILTINS = (set(Jsonata.static_frame.bindings) | _STEP_FUNCTIONS_BUILTINS) - {"eval"}
_TIMEOUTS = {"TimeoutSeconds", "HeartbeatSeconds"}
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def lint_template(template: Path) -> list[str]:
    """Lint every state machine of a SAM template.

    Parameters
    ----------
    template
        The SAM template; ``DefinitionUri`` is relative to its folder.

    Returns
    -------
    list of str
        One line for each finding; none if all is well.
    """
    resources = yaml_parse(template.read_text(encoding="utf-8"))["Resources"]
    findings: list[str] = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::StateMachine":
            continue
        properties = resource["Properties"]
        source = template.parent / properties["DefinitionUri"]
        text = source.read_text(encoding="utf-8")
        given = set(properties.get("DefinitionSubstitutions", {}))
        kind = properties.get("Type", "STANDARD")
        findings += [f"{name}: {finding}" for finding in lint_definition(text, given, kind)]
        findings += [f"{name}: {finding}" for finding in _lint_tasks(text, properties)]
    return findings


def lint_definition(text: str, substitutions: set[str], kind: str) -> list[str]:
    """Lint one definition.

    Parameters
    ----------
    text
        The definition, JSON.
    substitutions
        Names that are substituted in it.
    kind
        ``STANDARD`` or ``EXPRESS``.

    Returns
    -------
    list of str
        One line for each finding.
    """
    try:
        definition = json.loads(text)
    except ValueError as error:
        return [f"not JSON: {error}"]
    unused = sorted(substitutions - set(_PLACEHOLDER.findall(text)))
    return [
        *find_errors(text, substitutions),
        *(f"substitution {name} is not used" for name in unused),
        *_lint_with_cfn_lint(definition, substitutions, kind),
    ]


def _lint_tasks(text: str, properties: dict[str, Any]) -> list[str]:
    try:
        definition = json.loads(text)
    except ValueError:
        return []  # `lint_definition` reports it
    return [*find_uncaught(definition), *find_forbidden(definition, properties)]


def find_errors(text: str, substitutions: Set[str]) -> list[str]:
    """Find what keeps a definition from running, in milliseconds.

    Parameters
    ----------
    text
        The definition, JSON.
    substitutions
        Names that are substituted in it.

    Returns
    -------
    list of str
        One line for each fault: no JSON, placeholders that stay, transitions to nowhere, states
        that are never reached, and expressions that do not parse.
    """
    try:
        definition = json.loads(text)
    except ValueError as error:
        return [f"not JSON: {error}"]
    if not isinstance(definition, dict):
        return ["not a JSON object"]
    unresolved = sorted(set(_PLACEHOLDER.findall(text)) - substitutions)
    return [
        *(f"${{{name}}} is not substituted" for name in unresolved),
        *_lint_transitions(definition, "$"),
        *_lint_expressions(definition),
    ]


def _lint_transitions(machine: dict[str, Any], path: str) -> Iterator[str]:
    """Walk from the first state, and compare where that leads with the states there are."""
    states = machine.get("States", {})
    reached: set[str] = set()
    ahead = [machine.get("StartAt", "")] if states else []
    while ahead:
        name = ahead.pop()
        if name not in reached and name in states:
            ahead += _next_states(states[name])
        reached.add(name)
    yield from (f"{path}: there is no state {name!r} to go to" for name in reached - states.keys())
    yield from (f"{path}: state {name!r} is never reached" for name in states.keys() - reached)
    for name, state in states.items():
        inner = [*state.get("Branches", []), state.get("ItemProcessor", {})]
        for index, sub_machine in enumerate(inner):
            yield from _lint_transitions(sub_machine, f"{path}.{name}[{index}]")


def _next_states(state: dict[str, Any]) -> list[str]:
    rules = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return [rule[field] for rule in rules for field in ("Next", "Default") if field in rule]


def _lint_expressions(definition: Any) -> list[str]:
    findings: list[str] = []
    assigned = _assigned_variables(definition)
    for path, value in _strings(definition, "$"):
        found = _EXPRESSION.match(value)
        if found:
            findings += _lint_expression(found[1], path, assigned)
        elif "{%" in value or "%}" in value:
            findings.append(f"{path}: an expression must be the whole string: {value}")
    return findings


def _lint_expression(text: str, path: str, assigned: set[str]) -> list[str]:
    try:
        # A placeholder stands for text in a string, or for an expression.
        Jsonata(_PLACEHOLDER.sub("null", text))
    except Exception as error:  # the parser raises many kinds
        return [f"{path}: not JSONata: {error}"]
    parameters = {name for group in _PARAMETERS.findall(text) for name in _VARIABLE.findall(group)}
    known = _BUILTINS | assigned | parameters | set(_BOUND_VARIABLE.findall(text))
    return [
        f"{path}: ${name} is assigned nowhere"
        for name in sorted(set(_VARIABLE.findall(text)) - known)
    ]


def _assigned_variables(value: Any) -> set[str]:
    """Return the names of all variables that are assigned anywhere in a definition."""
    if isinstance(value, list):
        return set().union(*map(_assigned_variables, value))
    if not isinstance(value, dict):
        return set()
    names = set(value["Assign"]) if isinstance(value.get("Assign"), dict) else set()
    return names.union(*map(_assigned_variables, value.values()))


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every string in a JSON value with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, f"{path}[{index}]")


def _lint_with_cfn_lint(definition: Any, substitutions: set[str], kind: str) -> list[str]:
    # Imported here: it takes seconds, which whoever finds faults only does not need.
    from cfnlint.api import ManualArgs, lint  # noqa: PLC0415

    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            "StateMachine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": f"arn:aws:iam::123456789012:role/{REGION}",
                    "StateMachineType": kind,
                    "Definition": _with_plain_timeouts(definition),
                    "DefinitionSubstitutions": dict.fromkeys(sorted(substitutions), "value"),
                },
            }
        },
    }
    matches = lint(json.dumps(template), config=ManualArgs(regions=[REGION]))
    return [f"{match.rule.id} {match.message}" for match in matches]


def _with_plain_timeouts(value: Any) -> Any:
    """Return a definition with a number for each timeout that is an expression.

    Step Functions takes expressions there, cfn-lint does not know it.
    """
    if isinstance(value, list):
        return [_with_plain_timeouts(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: 1
        if key in _TIMEOUTS and isinstance(inner, str) and _EXPRESSION.match(inner)
        else _with_plain_timeouts(inner)
        for key, inner in value.items()
    }


def main() -> int:
    """Lint the template that is named, or template.yaml; exit code 1 with findings."""
    template = Path(sys.argv[1] if len(sys.argv) > 1 else "template.yaml")
    findings = lint_template(template)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
