from collections.abc import Mapping
from typing import Any

import pytest

from scones_local.ministack.sagemaker_permissions import (
    permissions_for_action,
    permissions_to_invoke,
    permissions_to_wait,
)

ROLE = "arn:aws:iam::123456789012:role/r"
PREFIX = "arn:aws:sagemaker:us-east-1:123456789012:"
EXECUTION = PREFIX + "pipeline/p/execution/abc"


@pytest.mark.parametrize(
    ("action", "parameters", "resource"),
    [
        ("CreateTrainingJob", {"TrainingJobName": "Job"}, "training-job/job"),
        ("DescribeEndpointConfig", {"EndpointConfigName": "c"}, "endpoint-config/c"),
        ("DeleteModel", {"ModelName": "m"}, "model/m"),
        (
            "CreateModelPackageGroup",
            {"ModelPackageGroupName": "g"},
            "model-package-group/g",
        ),
        ("CreateModelPackage", {"ModelPackageGroupName": "g"}, "model-package/g/*"),
        (
            "CreateModelPackage",
            {"ModelPackageGroupName": PREFIX + "model-package-group/g"},
            "model-package/g/*",
        ),
        ("UpdateEndpointWeightsAndCapacities", {"EndpointName": "e"}, "endpoint/e"),
        ("UpdateModelPackage", {"ModelPackageArn": PREFIX + "model-package/g/1"}, None),
        ("DescribeModelPackage", {"ModelPackageName": PREFIX + "model-package/g/1"}, None),
        ("AddTags", {"ResourceArn": PREFIX + "model/m", "Tags": []}, None),
        ("ListModels", {}, "*"),
        ("CreateProcessingJob", {"ProcessingJobName": "j"}, "processing-job/j"),
        ("CreatePipeline", {"PipelineName": "P"}, "pipeline/p"),
        ("StartPipelineExecution", {"PipelineName": "P"}, "pipeline/p"),
        ("StartPipelineExecution", {"PipelineName": PREFIX + "pipeline/p"}, None),
        ("ListPipelineExecutions", {"PipelineName": "P"}, "pipeline/p"),
        ("StopPipelineExecution", {"PipelineExecutionArn": EXECUTION}, None),
        ("ListPipelineExecutionSteps", {"PipelineExecutionArn": EXECUTION}, None),
        ("DescribePipelineDefinitionForExecution", {"PipelineExecutionArn": EXECUTION}, None),
    ],
)
def test_an_action_needs_its_resource(
    action: str, parameters: Mapping[str, Any], resource: str | None
) -> None:
    if resource is None:
        expected = next(iter(parameters.values()))
    else:
        expected = resource if resource == "*" else PREFIX + resource
    (permission,) = permissions_for_action(action, parameters)
    assert permission.action == f"sagemaker:{action}"
    assert permission.resource == expected


def test_an_endpoint_needs_its_configuration_too() -> None:
    parameters = {"EndpointName": "e", "EndpointConfigName": "c"}
    resources = [
        permission.resource for permission in permissions_for_action("UpdateEndpoint", parameters)
    ]
    assert resources == [PREFIX + "endpoint/e", PREFIX + "endpoint-config/c"]


@pytest.mark.parametrize("member", ["RoleArn", "ExecutionRoleArn"])
def test_a_passed_role_must_be_allowed(member: str) -> None:
    *_, passing = permissions_for_action("CreateModel", {"ModelName": "m", member: ROLE})
    assert (passing.action, passing.resource) == ("iam:PassRole", ROLE)
    assert passing.context == {"iam:PassedToService": "sagemaker.amazonaws.com"}


def test_tags_of_a_new_resource_must_be_allowed() -> None:
    actions = [
        p.action for p in permissions_for_action("CreateModel", {"ModelName": "m", "Tags": []})
    ]
    assert actions == ["sagemaker:CreateModel", "sagemaker:AddTags"]


def test_invoking_needs_the_endpoint() -> None:
    assert permissions_to_invoke("E").resource == PREFIX + "endpoint/e"


def test_waiting_needs_the_rule_of_the_jobs_kind() -> None:
    permissions = list(permissions_to_wait("CreateTransformJob", {"TransformJobName": "t"}))
    assert {p.action for p in permissions} == {
        "sagemaker:DescribeTransformJob",
        "sagemaker:StopTransformJob",
        "sagemaker:AddTags",
        "sagemaker:ListTags",
        "events:PutTargets",
        "events:PutRule",
        "events:DescribeRule",
    }
    rules = {p.resource for p in permissions if p.action.startswith("events:")}
    (rule,) = rules
    assert rule.endswith(":rule/StepFunctionsGetEventsForSageMakerTransformJobsRule")
