import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.protocol import ServiceError
from scones_local.sagemaker.validation import check

MODEL = {"ModelName": "name", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/x"}
VARIANT = {"VariantName": "A", "ModelName": "m", "InitialInstanceCount": 1}


def refused(action: str, parameters: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        check(action, parameters)
    return caught.value


def test_takes_what_is_right_and_ignores_what_it_does_not_know() -> None:
    check("CreateModel", {**MODEL, "Surprise": 1})


def test_names_every_violation_with_its_path() -> None:
    variant = {"VariantName": "a_b", "InstanceType": "ml.nothing", "InitialInstanceCount": 0}
    error = refused("CreateEndpointConfig", {"ProductionVariants": [VARIANT, variant]})
    assert error.code == "ValidationException"
    assert error.message.startswith("4 validation errors detected: Value null at ")
    for part in (
        "Value null at 'endpointConfigName' failed to satisfy constraint: Member must not be null",
        "Value 'a_b' at 'productionVariants.2.member.variantName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ",
        "Value '0' at 'productionVariants.2.member.initialInstanceCount' failed to satisfy "
        "constraint: Member must have value greater than or equal to 1",
        "Value 'ml.nothing' at 'productionVariants.2.member.instanceType' failed to satisfy "
        "constraint: Member must satisfy enum value set: [ml.",
    ):
        assert part in error.message


@pytest.mark.parametrize(
    "parameters",
    [{**MODEL, "ModelName": 7}, {**MODEL, "EnableNetworkIsolation": 1}, [], {**MODEL, "Tags": {}}],
)
def test_a_wrong_type_is_a_serialization_error(parameters: Any) -> None:
    assert refused("CreateModel", parameters).code == "SerializationException"


def test_a_truth_value_is_no_number() -> None:
    config = {"EndpointConfigName": "c"}
    variant = {**VARIANT, "InitialInstanceCount": True}
    error = refused("CreateEndpointConfig", {**config, "ProductionVariants": [variant]})
    assert "initialInstanceCount" in error.message


def test_an_unknown_action() -> None:
    assert refused("CreateScone", {}).code == "UnknownOperationException"


@given(st.text("aB1-_ ", max_size=70))
def test_a_name_is_taken_if_it_matches_the_published_rule(name: str) -> None:
    allowed = re.fullmatch(r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?", name) and len(name) <= 63
    if allowed:
        check("CreateModel", {**MODEL, "ModelName": name})
    else:
        assert "modelName" in refused("CreateModel", {**MODEL, "ModelName": name}).message
