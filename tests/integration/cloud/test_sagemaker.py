"""SageMaker is a service like the others: over HTTP, from machines and templates, under IAM."""

import json
from typing import Any

import pytest

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scones-training:latest"
PASSED = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def sagemaker_arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:us-east-1:123456789012:{kind}/{name}"


def training_job(name: str, role: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": role,
        "OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/models"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def permissions_to_train(role: str) -> list[dict[str, Any]]:
    """Give what AWS's documentation asks for ``createTrainingJob.sync``."""
    return [
        allow(
            [
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopTrainingJob",
            ],
            sagemaker_arn("training-job", "*"),
        ),
        allow(["sagemaker:AddTags", "sagemaker:ListTags"], sagemaker_arn("training-job", "*")),
        {**allow("iam:PassRole", role), "Condition": PASSED},
        allow(
            ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
            "arn:aws:events:*:*:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule",
        ),
    ]


def train(app: TinyApp, *statements: dict[str, Any], role: str) -> dict[str, Any]:
    arguments = training_job(app.name("job"), role)
    task = app.task("sagemaker:createTrainingJob.sync", arguments)
    return app.run(app.machine({"Train": task}, *statements, kind="STANDARD"))


@pytest.fixture(scope="module")
def role(app: TinyApp) -> str:
    return app.role("sagemaker.amazonaws.com")


def test_a_machine_waits_for_a_job_and_tells_why_it_failed(app: TinyApp, role: str) -> None:
    result = train(app, *permissions_to_train(role), role=role)
    assert result["error"] == "States.TaskFailed"
    described = json.loads(result["cause"])
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"]
    assert isinstance(described["CreationTime"], int)


def test_an_image_of_another_repository_is_refused(app: TinyApp, role: str) -> None:
    client, job = app.client("sagemaker"), training_job(app.name("job"), role)
    job["AlgorithmSpecification"]["TrainingImage"] = IMAGE.replace("scones-training", "other")
    with pytest.raises(client.exceptions.ClientError, match=r"repository .* isn't known here"):
        client.create_training_job(**job)


@pytest.mark.parametrize("missing", range(4))
def test_each_permission_to_train_is_needed(app: TinyApp, role: str, missing: int) -> None:
    statements = permissions_to_train(role)
    removed = statements.pop(missing)
    actions = removed["Action"] if isinstance(removed["Action"], list) else [removed["Action"]]
    result = train(app, *statements, role=role)
    assert result["error"] == "SageMaker.AmazonSageMakerException"
    assert any(f"to perform: {action} on" in result["cause"] for action in actions)


def test_a_role_is_passed_only_where_the_policy_lets_it(app: TinyApp, role: str) -> None:
    other = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    statements = permissions_to_train(role)
    statements[2]["Condition"] = other
    result = train(app, *statements, role=role)
    assert "iam:PassRole" in result["cause"]


@pytest.fixture(scope="module")
def artifacts(app: TinyApp) -> str:
    bucket = app.bucket()
    app.client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=b"")
    return f"s3://{bucket}/model.tar.gz"


@pytest.fixture(scope="module")
def hosting_role(app: TinyApp, artifacts: str) -> str:
    bucket = artifacts.split("/")[2]
    return app.role(
        "sagemaker.amazonaws.com",
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
    )


def test_a_model_needs_a_role_that_reads_its_artifacts(
    app: TinyApp, role: str, artifacts: str
) -> None:
    client = app.client("sagemaker")
    with pytest.raises(client.exceptions.ClientError, match="Could not access model data"):
        client.create_model(
            ModelName=app.name("model"),
            ExecutionRoleArn=role,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artifacts},
        )


def test_a_machine_makes_a_model_and_reads_it_with_the_sdk(
    app: TinyApp, hosting_role: str, artifacts: str
) -> None:
    name = app.name("model")
    model = {
        "ModelName": name,
        "ExecutionRoleArn": hosting_role,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": artifacts},
    }
    named = {"ModelName": name}
    states = {
        "Make": app.task("sagemaker:createModel", model, Next="Read"),
        "Read": app.task("aws-sdk:sagemaker:describeModel", named, Output="{% $states.result %}"),
    }
    arn = sagemaker_arn("model", name)
    actions = ["sagemaker:CreateModel", "sagemaker:DescribeModel"]
    machine = app.machine(states, allow(actions, arn), allow("iam:PassRole", hosting_role))
    output = app.run(machine)["output"]
    assert output["ModelArn"] == arn
    assert output["PrimaryContainer"]["ModelDataUrl"] == artifacts
    assert output["CreationTime"].endswith("Z")


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        ("aws-sdk:sagemaker:describeEndpoint", "SageMaker.SageMakerException"),
        ("sagemaker:updateEndpoint", "SageMaker.AmazonSageMakerException"),
    ],
)
def test_a_missing_endpoint_has_the_error_of_the_integration(
    app: TinyApp, resource: str, error: str
) -> None:
    arguments = {"EndpointName": "absent"}
    if "update" in resource:
        arguments["EndpointConfigName"] = "absent"
    machine = app.machine({"Call": app.task(resource, arguments)}, allow("sagemaker:*"))
    assert app.run(machine)["error"] == error


def test_a_function_needs_permission_to_ask_an_endpoint(app: TinyApp) -> None:
    code = (
        "import boto3\ndef handler(event, context):\n"
        " boto3.client('sagemaker-runtime').invoke_endpoint(EndpointName='absent', Body=b'x')"
    )
    denied = app.invoke(app.function(code)).payload
    endpoint = sagemaker_arn("endpoint", "absent")
    assert f"sagemaker:InvokeEndpoint on resource: {endpoint}" in denied["errorMessage"]
    allowed = app.function(code, [allow("sagemaker:InvokeEndpoint", endpoint)])
    assert "(ValidationError)" in app.invoke(allowed).payload["errorMessage"]


def test_a_job_told_of_reaches_a_rule(app: TinyApp, role: str) -> None:
    queue, name = app.queue(), app.name("job")
    app.rule(
        {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Training Job State Change"],
            "detail": {"TrainingJobName": [name], "TrainingJobStatus": ["Failed"]},
        },
        {"Arn": app.queue_arn(queue)},
    )
    app.client("sagemaker").create_training_job(**training_job(name, role))
    (message,) = app.messages(queue, 30)
    assert json.loads(message["Body"])["resources"] == [sagemaker_arn("training-job", name)]


def test_a_template_makes_and_deletes_what_it_names(
    app: TinyApp, hosting_role: str, artifacts: str
) -> None:
    variant = {
        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "VariantName": "main",
        "InitialInstanceCount": "1",
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": "1",
    }
    template = {
        "Resources": {
            "Model": {
                "Type": "AWS::SageMaker::Model",
                "Properties": {
                    "ExecutionRoleArn": hosting_role,
                    "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": artifacts},
                },
            },
            "Config": {
                "Type": "AWS::SageMaker::EndpointConfig",
                "Properties": {"ProductionVariants": [variant]},
            },
            "Group": {
                "Type": "AWS::SageMaker::ModelPackageGroup",
                "Properties": {"ModelPackageGroupName": "tiny-group"},
            },
        },
        "Outputs": {"Config": {"Value": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}}},
    }
    formation, sagemaker = app.client("cloudformation"), app.client("sagemaker")
    stack = app.name("stack")
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    formation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    (described,) = formation.describe_stacks(StackName=stack)["Stacks"]
    name = described["Outputs"][0]["OutputValue"]
    config = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert config["ProductionVariants"][0]["InitialInstanceCount"] == 1

    # A property that can't be changed makes a new resource take the place of the old one.
    template["Resources"]["Config"]["Properties"]["ProductionVariants"][0][
        "InitialVariantWeight"
    ] = "2"  # type: ignore[index]
    formation.update_stack(StackName=stack, TemplateBody=json.dumps(template))
    formation.get_waiter("stack_update_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    (described,) = formation.describe_stacks(StackName=stack)["Stacks"]
    renamed = described["Outputs"][0]["OutputValue"]
    assert renamed != name
    configs = sagemaker.list_endpoint_configs(NameContains=stack)["EndpointConfigs"]
    assert [config["EndpointConfigName"] for config in configs] == [renamed]
    config = sagemaker.describe_endpoint_config(EndpointConfigName=renamed)
    assert config["ProductionVariants"][0]["InitialVariantWeight"] == 2

    # What somebody deleted by hand is no obstacle.
    sagemaker.delete_endpoint_config(EndpointConfigName=renamed)
    formation.delete_stack(StackName=stack)
    formation.get_waiter("stack_delete_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )

    def left() -> list[str]:
        models = sagemaker.list_models(NameContains=stack)["Models"]
        groups = sagemaker.list_model_package_groups(NameContains="tiny-group")
        configs = sagemaker.list_endpoint_configs(NameContains=stack)["EndpointConfigs"]
        return [*models, *groups["ModelPackageGroupSummaryList"], *configs]

    assert eventually(lambda: not left())
