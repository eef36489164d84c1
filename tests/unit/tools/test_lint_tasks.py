"""A task whose errors nobody catches, or that its role does not allow, is found."""

import json
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from tools.lint_tasks import find_forbidden, find_uncaught

ROOT = Path(__file__).parents[3]
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
PROPERTIES = TEMPLATE["Resources"]["ClassifyStateMachine"]["Properties"]


@pytest.fixture
def definition() -> Any:
    return json.loads((ROOT / PROPERTIES["DefinitionUri"]).read_text(encoding="utf-8"))


def call(resource: str, **arguments: str) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": resource,
        "Arguments": arguments,
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Keep Event"}],
        "Next": "Publish Event",
    }


def in_a_map(task: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": {"StartAt": "New", "States": {"New": task}}}


def test_the_machines_as_they_are_have_no_findings(definition: Any) -> None:
    assert list(find_uncaught(definition)) == []
    assert list(find_forbidden(definition, PROPERTIES)) == []


@pytest.mark.parametrize("caught", [[], [{"ErrorEquals": ["States.Timeout"], "Next": "Later"}]])
def test_a_task_that_does_not_catch_every_error_is_found(
    definition: Any, caught: list[dict[str, Any]]
) -> None:
    definition["States"]["Classify"]["Catch"] = caught

    (finding,) = find_uncaught(definition)

    assert finding.startswith("state 'Classify' has no Catch for States.ALL")


def test_a_map_is_found_with_the_task_in_it() -> None:
    task = call("arn:aws:states:::lambda:invoke")
    del task["Catch"]

    assert len(list(find_uncaught({"States": {"Around": in_a_map(task)}}))) == 2


def test_a_map_that_catches_does_so_for_the_tasks_in_it() -> None:
    task = call("arn:aws:states:::lambda:invoke")
    around = in_a_map(task) | {"Catch": task.pop("Catch")}

    assert list(find_uncaught({"States": {"Around": around}})) == []


def test_a_task_before_a_fail_state_needs_no_catch() -> None:
    task = {"Type": "Task", "Next": "Failed"}

    assert list(find_uncaught({"States": {"Last": task, "Failed": {"Type": "Fail"}}})) == []


@pytest.mark.parametrize(
    ("resource", "arguments", "action"),
    [
        ("arn:aws:states:::dynamodb:deleteItem", {}, "dynamodb:DeleteItem"),
        ("arn:aws:states:::aws-sdk:sfn:listExecutions", {}, "states:ListExecutions"),
        ("arn:aws:states:::aws-sdk:s3:headObject", {}, "s3:GetObject"),
        ("arn:aws:states:::aws-sdk:s3:getObject", {"VersionId": "1"}, "s3:GetObjectVersion"),
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", {}, "sagemaker:CreateTrainingJob"),
    ],
)
def test_a_call_that_the_role_does_not_allow_is_found(
    definition: Any, resource: str, arguments: dict[str, str], action: str
) -> None:
    definition["States"]["New"] = call(resource, **arguments)

    assert list(find_forbidden(definition, PROPERTIES)) == [
        f"state 'New' needs {action}, which no statement of the role allows"
    ]


def test_a_function_that_the_role_does_not_name_is_found(definition: Any) -> None:
    properties = PROPERTIES | {
        "DefinitionSubstitutions": {"NewFunction": {"Fn::GetAtt": ["NewFunction", "Arn"]}}
    }
    task = call("arn:aws:states:::lambda:invoke", FunctionName="${NewFunction}")
    definition["States"] = {"Around": in_a_map(task)}

    assert list(find_forbidden(definition, properties)) == [
        "state 'New' calls NewFunction, which no statement of the role allows"
    ]


def test_a_statement_with_a_wildcard_allows_what_it_covers(definition: Any) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    definition["States"] = {"New": call("arn:aws:states:::aws-sdk:sqs:purgeQueue")}

    assert list(find_forbidden(definition, {"Policies": [policy]})) == []
