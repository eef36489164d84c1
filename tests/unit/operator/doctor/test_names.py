from collections.abc import Callable
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from scones_operator.application import CHECKOUT
from scones_operator.aws.stack import staging_endpoint_name
from scones_operator.doctor import names
from scones_operator.doctor.findings import Finding
from tests.unit.operator.doctor.stubbed import NOW, Stubbed, subject

# As SageMaker words it; there is no error code of its own.
MISSING = ("ValidationException", "Could not find endpoint")
GROUP = {
    "ModelPackageGroupName": "scones",
    "ModelPackageGroupArn": "arn:aws:sagemaker:eu-central-1:1:model-package-group/scones",
    "CreationTime": NOW,
    "CreatedBy": {},
    "ModelPackageGroupStatus": "Completed",
}
ENDPOINT = {
    "EndpointName": "scones--staging",
    "EndpointArn": "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/scones--staging",
    "EndpointStatus": "InService",
    "CreationTime": NOW,
    "LastModifiedTime": NOW,
}


def test_names_that_are_free(session: Stubbed) -> None:
    session.refuse("sagemaker", "describe_model_package_group", *MISSING)
    session.refuse("sagemaker", "describe_endpoint", *MISSING)
    session.refuse("sagemaker", "describe_endpoint", *MISSING)
    session.refuse("events", "describe_event_bus", "ResourceNotFoundException")
    session.answer("ssm", "get_parameters", {"Parameters": []})

    checks: list[Callable[[Any], Finding]] = [
        names.check_new_group,
        names.check_new_endpoint,
        names.check_new_bus,
        names.check_new_limits,
    ]

    assert [check(subject(session)).status for check in checks] == ["ok"] * 4


def test_a_model_package_group_of_the_name(session: Stubbed) -> None:
    asked = {"ModelPackageGroupName": "vans"}
    session.answer("sagemaker", "describe_model_package_group", GROUP, asked)

    found = names.check_new_group(subject(session, EndpointName="vans"))

    assert found.status == "problem"
    assert "model package group vans" in found.message


def test_a_staging_endpoint_of_the_name(session: Stubbed) -> None:
    session.refuse("sagemaker", "describe_endpoint", *MISSING)
    session.answer("sagemaker", "describe_endpoint", ENDPOINT, {"EndpointName": "scones--staging"})

    found = names.check_new_endpoint(subject(session))

    assert found.status == "problem"
    assert "an endpoint scones--staging already" in found.message


def test_an_event_bus_of_the_name(session: Stubbed) -> None:
    session.answer("events", "describe_event_bus", {"Name": "scones"}, {"Name": "scones"})

    assert names.check_new_bus(subject(session)).status == "problem"


def test_a_limit_that_an_earlier_stack_left(session: Stubbed) -> None:
    name = "/scones/scones/familiarity-limit/0.05"
    asked = {"Names": ["/scones/scones/threshold/0.93", name]}
    answer = {"Parameters": [{"Name": name, "Type": "String", "Value": "0.2"}]}
    session.answer("ssm", "get_parameters", answer, asked)

    found = names.check_new_limits(subject(session))

    assert (found.status, found.message) == ("warning", f"of an earlier stack: {name} is 0.2")
    assert found.command.endswith(f"--names {name}")


def test_the_names_are_those_of_the_template() -> None:
    outputs = yaml_parse((CHECKOUT / "template.yaml").read_text("utf-8"))["Outputs"]
    text = (CHECKOUT / "statemachine" / "promote.asl.json").read_text("utf-8")

    assert outputs["ThresholdParameter"]["Value"] == {
        "Fn::Sub": "/scones/${AWS::StackName}/threshold/${Threshold}"
    }
    assert outputs["FamiliarityLimitParameter"]["Value"] == {
        "Fn::Sub": "/scones/${AWS::StackName}/familiarity-limit/${FamiliarityLimit}"
    }
    assert staging_endpoint_name("${EndpointName}") in text


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_what_can_not_be_read_is_not_free(session: Stubbed, code: str) -> None:
    session.refuse("events", "describe_event_bus", code)

    with pytest.raises(Exception, match=code):
        names.check_new_bus(subject(session))
