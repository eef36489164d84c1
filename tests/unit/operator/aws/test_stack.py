import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from scones_operator.aws.stack import _OUTPUTS, Stack, StackError

TEMPLATE = Path(__file__).parents[4] / "template.yaml"


def deploy(session: Any, outputs: dict[str, str]) -> None:
    template = {
        "Parameters": {
            "ClassNames": {"Type": "String", "Default": "van,bicycle"},
            "LoadingBays": {"Type": "String", "Default": "bicycle=A"},
        },
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    session.client("cloudformation").create_stack(
        StackName="mine", TemplateBody=json.dumps(template)
    )


def test_outputs_are_read(session: Any) -> None:
    deploy(session, {output: f"the {output}" for output in _OUTPUTS.values()})
    stack = Stack.read(session, "mine")
    assert stack.promote_state_machine == "the PromoteStateMachine"
    assert stack.endpoint == "the EndpointName"
    assert stack.class_names == ("van", "bicycle")
    assert stack.loading_bays == {"bicycle": "A"}


def test_the_template_has_every_output() -> None:
    template = yaml_parse(TEMPLATE.read_text())
    assert set(_OUTPUTS.values()) <= template["Outputs"].keys()
    assert [field.name for field in fields(Stack)] == [*_OUTPUTS, "parameters"]
    assert {"ClassNames", "LoadingBays", "ImageShape"} <= template["Parameters"].keys()


def test_a_stack_that_is_not_there(session: Any) -> None:
    with pytest.raises(StackError, match=r"stack mine does not exist in us-east-1.*--stack"):
        Stack.read(session, "mine")


def test_a_stack_of_an_older_template(session: Any) -> None:
    deploy(
        session, {output: "x" for output in _OUTPUTS.values() if output != "RetrainStateMachine"}
    )
    with pytest.raises(StackError, match=r"no output RetrainStateMachine: deploy the current"):
        Stack.read(session, "mine")
