"""What the machines ask SageMaker for with an existing VPC and an existing key, and without."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from tests.integration.cloud.tiny_app import TinyApp

ROOT = Path(__file__).parents[3]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1a2b"
NETWORK = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
PARAMETERS = {
    "KmsKeyArn": KEY,
    "SubnetIds": NETWORK["Subnets"],
    "SecurityGroupIds": NETWORK["SecurityGroupIds"],
}
VARIABLES = {
    "run": "run",
    "name": "scones-v1",
    "artifacts": "s3://data/model.tar.gz",
    "model_package_arn": None,
    "training": {"TrainingJobName": "run"},
}
MAP_INPUT = {
    "model": "run-champion",
    "container": {"Image": "image"},
    "run": "run",
    "who": "champion",
}


def expression(machine: str, *path: str) -> Any:
    """An expression of a state machine's definition."""
    found = json.loads((ROOT / "statemachine" / f"{machine}.asl.json").read_text("utf-8"))["States"]
    for name in path:
        found = found[name]
    return found


def substitution(machine: str, name: str, *, given: bool) -> str:
    """The text that the template puts into a definition, with the parameters or without."""
    resource = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Resources"][machine]
    _, with_them, without = resource["Properties"]["DefinitionSubstitutions"][name]["Fn::If"]
    if not given:
        return str(without)
    text, values = with_them["Fn::Sub"], {"KmsKeyArn": KEY}
    if isinstance(text, list):
        text, joined = text
        for variable, value in joined.items():
            separator, reference = value["Fn::Join"]
            values[variable] = separator.join(PARAMETERS[reference["Ref"]])
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


def asked(app: TinyApp, machine: str, value: Any, *, given: bool) -> Any:
    """What Step Functions makes of an expression."""
    resource = f"{machine.title()}StateMachine"
    given_texts = {
        name: substitution(resource, name, given=given)
        for name in ("VpcConfig", "OutputEncryption")
    }
    others = {"SpotTraining": "false", "CapturePercent": "100", "DataBucket": "data"}
    text = json.dumps(value)
    for name, replacement in {**others, **given_texts}.items():
        text = text.replace(f"${{{name}}}", replacement)
    states = {
        "Begin": {"Type": "Pass", "Assign": VARIABLES, "Output": MAP_INPUT, "Next": "Ask"},
        "Ask": {"Type": "Pass", "Output": json.loads(text), "End": True},
    }
    return app.run(app.machine(states))["output"]


PREDICT = ("Predict", "ItemProcessor", "States")


@pytest.mark.parametrize(
    ("machine", "path"),
    [
        ("retrain", ("Train", "Arguments")),
        ("retrain", ("Save Model", "Arguments")),
        ("retrain", (*PREDICT, "Save Champion", "Arguments")),
        ("promote", ("Create Model", "Arguments")),
    ],
)
def test_containers_run_in_the_vpc(app: TinyApp, machine: str, path: tuple[str, ...]) -> None:
    with_vpc = asked(app, machine, expression(machine, *path), given=True)
    without = asked(app, machine, expression(machine, *path), given=False)

    assert with_vpc == {**without, "VpcConfig": NETWORK}
    assert {"ModelName", "TrainingJobName"} & set(without)
    assert "VpcConfig" not in without


@pytest.mark.parametrize(
    ("machine", "path"),
    [
        ("retrain", ("Prepare Training", "Assign", "training", "OutputDataConfig")),
        ("retrain", (*PREDICT, "Transform", "Arguments", "TransformOutput")),
        ("promote", ("Create Config", "Arguments", "DataCaptureConfig")),
    ],
)
def test_output_is_encrypted_with_the_key(
    app: TinyApp, machine: str, path: tuple[str, ...]
) -> None:
    with_key = asked(app, machine, expression(machine, *path), given=True)
    without = asked(app, machine, expression(machine, *path), given=False)

    assert with_key == {**without, "KmsKeyId": KEY}
    assert {"S3OutputPath", "DestinationS3Uri"} & set(without)


def test_every_request_for_a_container_or_its_output_is_tested_here() -> None:
    text = "".join(
        (ROOT / "statemachine" / f"{name}.asl.json").read_text("utf-8")
        for name in ("retrain", "promote")
    )
    assert text.count("'ExecutionRoleArn'") + text.count('"RoleArn"') == text.count("${VpcConfig}")
    outputs = len(re.findall(r"S3OutputPath|DestinationS3Uri", text))
    assert outputs == text.count("${OutputEncryption}") == 3
