"""Machines put models into service and take them out again, with the SDK's integrations."""

import itertools
from typing import Any

import pytest

from tests.integration.cloud.test_sagemaker import PASSED, sagemaker_arn
from tests.integration.cloud.tiny_app import TinyApp, allow
from tests.integration.cloud.tiny_model import TinyModels

NAME = "{% $states.context.Execution.Name %}"
CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            "WaitIntervalInSeconds": 1,
        },
        "TerminationWaitInSeconds": 0,
        "MaximumExecutionTimeoutInSeconds": 1200,
    },
}


@pytest.fixture(scope="module")
def models(app: TinyApp) -> TinyModels:
    return TinyModels.made(app)


def call(app: TinyApp, action: str, arguments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return app.task(f"aws-sdk:sagemaker:{action}", arguments, **fields)


def until_settled(app: TinyApp, prefix: str, *, then: str) -> dict[str, Any]:
    """Give the states that ask for the endpoint until it has come to rest."""
    look = call(app, "describeEndpoint", {"EndpointName": NAME}, Next=f"{prefix} Settled")
    moving = "{% $not($states.input.EndpointStatus in ['InService', 'Failed']) %}"
    return {
        f"{prefix} Look": look,
        f"{prefix} Settled": {
            "Type": "Choice",
            "Choices": [{"Condition": moving, "Next": f"{prefix} Wait"}],
            "Assign": {prefix.lower(): "{% $states.input %}"},
            "Default": then,
        },
        f"{prefix} Wait": {"Type": "Wait", "Seconds": 1, "Next": f"{prefix} Look"},
    }


def in_order(states: dict[str, Any]) -> dict[str, Any]:
    """Let each task that says not what comes next go on to the one after it."""
    names = list(states)
    for name, following in itertools.pairwise(names):
        if states[name].pop("End", False):
            states[name]["Next"] = following
    return states


def allowed(models: TinyModels) -> list[dict[str, Any]]:
    verbs = {
        "endpoint": ["Create", "Describe", "Update", "Delete"],
        "endpoint-config": ["Create", "Describe", "Delete"],
        "model": ["Create", "Describe", "Delete"],
        "model-package": ["Create", "Describe"],
    }
    statements = [
        allow(
            [f"sagemaker:{verb}{kind.title().replace('-', '')}" for verb in known],
            sagemaker_arn(kind, "*"),
        )
        for kind, known in verbs.items()
    ]
    on_config = allow(
        ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"],
        sagemaker_arn("endpoint-config", "*"),
    )
    return [*statements, on_config, {**allow("iam:PassRole", models.role), "Condition": PASSED}]


def variants(model: str) -> list[dict[str, Any]]:
    return [
        {
            "VariantName": "AllTraffic",
            "ModelName": model,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
    ]


def lifecycle(app: TinyApp, models: TinyModels, group: str) -> dict[str, Any]:
    package = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": "bright or dark",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [models.container()],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {"ContentType": "application/json", "S3Uri": models.uri("e.json")}
            }
        },
        "CustomerMetadataProperties": {"run": NAME, "accuracy": "{% $string(0.95) %}"},
    }
    first, second = (
        "{% $states.context.Execution.Name & '-first' %}",
        "{% $states.context.Execution.Name & '-second' %}",
    )
    from_package = {
        "ModelName": first,
        "ExecutionRoleArn": models.role,
        "PrimaryContainer": {"ModelPackageName": "{% $package %}"},
    }
    from_artifacts = {
        "ModelName": second,
        "ExecutionRoleArn": models.role,
        "PrimaryContainer": models.container(),
    }
    described = {"ModelPackageName": "{% $package %}"}
    keep = {"package": "{% $states.result.ModelPackageArn %}"}
    kept = {"registered": "{% $states.result %}"}
    update = {"EndpointName": NAME, "EndpointConfigName": second, "DeploymentConfig": CANARY}
    output = (
        "{% {'package': $registered, 'created': $created, 'updated': $updated, "
        "'config': $config, 'model': $model} %}"
    )
    return in_order(
        {
            "Register": call(app, "createModelPackage", package, Assign=keep),
            "Read Package": call(app, "describeModelPackage", described, Assign=kept),
            "Make First": call(app, "createModel", from_package),
            "Make Second": call(app, "createModel", from_artifacts),
            "Configure First": call(
                app,
                "createEndpointConfig",
                {"EndpointConfigName": first, "ProductionVariants": variants(first)},
            ),
            "Configure Second": call(
                app,
                "createEndpointConfig",
                {"EndpointConfigName": second, "ProductionVariants": variants(second)},
            ),
            "Create": call(
                app, "createEndpoint", {"EndpointName": NAME, "EndpointConfigName": first}
            ),
            **until_settled(app, "Created", then="Update"),
            "Update": call(app, "updateEndpoint", update, Next="Updated Look"),
            **until_settled(app, "Updated", then="Read Config"),
            "Read Config": call(
                app,
                "describeEndpointConfig",
                {"EndpointConfigName": "{% $updated.EndpointConfigName %}"},
                Assign={"config": "{% $states.result %}"},
            ),
            "Read Model": call(
                app,
                "describeModel",
                {"ModelName": "{% $config.ProductionVariants[0].ModelName %}"},
                Assign={"model": "{% $states.result %}"},
            ),
            "Delete": call(app, "deleteEndpoint", {"EndpointName": NAME}),
            "Delete First": call(app, "deleteEndpointConfig", {"EndpointConfigName": first}),
            "Delete Second": call(app, "deleteEndpointConfig", {"EndpointConfigName": second}),
            "Forget First": call(app, "deleteModel", {"ModelName": first}),
            "Forget Second": call(app, "deleteModel", {"ModelName": second}, Output=output),
        }
    )


def test_a_machine_leads_a_model_through_its_life(app: TinyApp, models: TinyModels) -> None:
    group = app.name("group")
    app.client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    machine = app.machine(lifecycle(app, models, group), *allowed(models), kind="STANDARD")
    execution = app.start(machine)
    result = app.ended(execution, 60)
    assert result["status"] == "SUCCEEDED", (result["error"], result["cause"])
    name, seen = execution.rpartition(":")[2], result["output"]
    assert seen["package"]["ModelPackageArn"] == sagemaker_arn("model-package", f"{group}/1")
    assert seen["package"]["ModelPackageVersion"] == 1
    assert seen["package"]["ModelApprovalStatus"] == "PendingManualApproval"
    assert seen["package"]["CustomerMetadataProperties"] == {"run": name, "accuracy": "0.95"}
    assert seen["package"]["CreationTime"].endswith("Z")
    # The acronym as AWS's Java SDK spells it.
    containers = seen["package"]["InferenceSpecification"]["Containers"]
    assert containers[0]["ModelDataUrl"] == models.uri("good.tar.gz")
    assert seen["created"]["EndpointStatus"] == seen["updated"]["EndpointStatus"] == "InService"
    assert seen["created"]["EndpointConfigName"] == f"{name}-first"
    assert seen["updated"]["EndpointConfigName"] == f"{name}-second"
    assert seen["updated"]["LastModifiedTime"] > seen["created"]["LastModifiedTime"]
    assert seen["config"]["ProductionVariants"][0]["VariantName"] == "AllTraffic"
    assert seen["model"]["PrimaryContainer"]["ModelDataUrl"] == models.uri("good.tar.gz")
    left = app.client("sagemaker").list_endpoint_configs(NameContains=name)["EndpointConfigs"]
    assert left == []


@pytest.mark.parametrize(
    ("action", "arguments", "error", "message"),
    [
        (
            "describeEndpoint",
            {"EndpointName": "absent"},
            "SageMaker.SageMakerException",
            "Could not find endpoint",
        ),
        (
            "updateEndpoint",
            {"EndpointName": "absent", "EndpointConfigName": "absent"},
            "SageMaker.SageMakerException",
            "Could not find endpoint",
        ),
        (
            "describeModelPackage",
            {"ModelPackageName": sagemaker_arn("model-package", "absent/1")},
            "SageMaker.SageMakerException",
            "absent/1",
        ),
        (
            "describeTrainingJob",
            {"TrainingJobName": "absent"},
            "SageMaker.SageMakerException",
            "training-job/absent",
        ),
    ],
)
def test_what_is_missing_is_caught_by_the_name_of_aws(
    app: TinyApp, action: str, arguments: dict[str, Any], error: str, message: str
) -> None:
    task = call(
        app,
        action,
        arguments,
        Catch=[
            {"ErrorEquals": [error], "Output": "{% $states.errorOutput.Cause %}", "Next": "Missing"}
        ],
    )
    states = {"Ask": task, "Missing": {"Type": "Succeed"}}
    result = app.run(app.machine(states, allow("sagemaker:*")))
    assert result["status"] == "SUCCEEDED", result
    assert message in result["output"]
