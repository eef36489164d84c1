"""A stack is deleted with all that people and machines made for it, in the local cloud."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.aws import stack_deletion
from scones_operator.aws.stack_deletion import DeletionPlan, StackResource
from scones_operator.errors import PreconditionError
from tests.integration.cloud.tiny_app import TinyApp
from tests.integration.cloud.tiny_model import IMAGE, TinyModels

RETAIN = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
NOTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
}
STAMP = "20261128090000-0a1b2c"


def template(machine_role: str) -> dict[str, Any]:
    """A stack of the types that matter, with the logical IDs of template.yaml."""
    key = [{"AttributeName": "photo", "KeyType": "HASH"}]
    bucket = {
        "Type": "AWS::S3::Bucket",
        **RETAIN,
        "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
    }
    definition = {
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}},
    }
    return {
        "Parameters": {"EndpointName": {"Type": "String"}, "ClassNames": {"Type": "String"}},
        "Resources": {
            "PhotosBucket": bucket,
            "DataBucket": bucket,
            "ResultsTable": {
                "Type": "AWS::DynamoDB::Table",
                **RETAIN,
                "Properties": {
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "photo", "AttributeType": "S"}],
                    "KeySchema": key,
                },
            },
            "EventBus": {
                "Type": "AWS::Events::EventBus",
                "Properties": {"Name": {"Ref": "AWS::StackName"}},
            },
            "Ours": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "EventBusName": {"Ref": "EventBus"},
                    "EventPattern": {"source": ["scones"]},
                },
            },
            "OperatorPolicy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": NOTHING},
            },
            "ModelPackages": {
                "Type": "AWS::SageMaker::ModelPackageGroup",
                **RETAIN,
                "Properties": {"ModelPackageGroupName": {"Ref": "EndpointName"}},
            },
            "RetrainStateMachine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "StateMachineName": {"Fn::Sub": "${AWS::StackName}-retrain"},
                    "RoleArn": machine_role,
                    "DefinitionString": json.dumps(definition),
                },
            },
        },
    }


@dataclass
class Used:
    """A stack that was in use."""

    app: TinyApp
    name: str
    ids: dict[str, str]

    def find(self) -> DeletionPlan:
        return stack_deletion.plan_deletion(self.app.session, self.name)


@pytest.fixture(scope="module")
def models(app: TinyApp) -> TinyModels:
    return TinyModels.made(app)


@pytest.fixture
def used(app: TinyApp, models: TinyModels) -> Used:
    name = app.name("deleted")
    client = app.client("cloudformation")
    client.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template(app.role("states.amazonaws.com"))),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": "EndpointName", "ParameterValue": name},
            {"ParameterKey": "ClassNames", "ParameterValue": "bicycle,motorcycle"},
        ],
    )
    client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    found = client.describe_stack_resources(StackName=name)["StackResources"]
    stack = Used(app, name, {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found})
    fill(stack)
    host(stack, models, name)
    # A stack with a longer endpoint name, whose resources begin with the same letters.
    host(stack, models, f"{name}-staging")
    return stack


def fill(stack: Used) -> None:
    app, name = stack.app, stack.name
    s3, iam, events = app.client("s3"), app.client("iam"), app.client("events")
    for body in (b"first", b"second"):
        s3.put_object(Bucket=stack.ids["PhotosBucket"], Key="incoming/1.jpg", Body=body)
    s3.delete_object(Bucket=stack.ids["PhotosBucket"], Key="incoming/1.jpg")
    s3.create_multipart_upload(Bucket=stack.ids["PhotosBucket"], Key="incoming/2.jpg")
    s3.put_object(Bucket=stack.ids["DataBucket"], Key="dataset/bicycle/1.jpg", Body=b"photo")
    policy = stack.ids["OperatorPolicy"]
    iam.create_user(UserName=f"{name}-anna")
    iam.attach_user_policy(UserName=f"{name}-anna", PolicyArn=policy)
    iam.create_group(GroupName=f"{name}-operators")
    iam.attach_group_policy(GroupName=f"{name}-operators", PolicyArn=policy)
    role = app.role("lambda.amazonaws.com").rpartition("/")[2]
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    pattern = json.dumps({"source": ["scones"]})
    events.put_rule(Name="theirs", EventBusName=name, EventPattern=pattern)
    target = {"Id": "1", "Arn": app.queue_arn(app.queue())}
    events.put_targets(Rule="theirs", EventBusName=name, Targets=[target])
    app.client("ssm").put_parameter(
        Name=f"/scones/{name}/threshold/0.93", Value="0.97", Type="String"
    )
    app.client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{name}")
    app.client("sagemaker").create_model_package(
        ModelPackageGroupName=name,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": IMAGE}],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    app.start(stack.ids["RetrainStateMachine"])


def host(stack: Used, models: TinyModels, endpoint: str) -> None:
    client = stack.app.client("sagemaker")
    name = f"{endpoint}-v1-{STAMP}"
    client.create_model(
        ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer=models.container()
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=endpoint, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(
        EndpointName=endpoint, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


class Stopped(Exception):
    """The command was stopped."""


def interrupted_after(count: int) -> Callable[[StackResource], None]:
    told: list[StackResource] = []

    def tell(item: StackResource) -> None:
        told.append(item)
        if len(told) == count:
            raise Stopped

    return tell


def test_a_stack_is_deleted_with_all_that_was_made_for_it(used: Used) -> None:
    found = used.find()
    assert Counter(item.kind for item in found.items) == {
        "execution": 1,
        "endpoint": 1,
        "endpoint configuration": 1,
        "model": 1,
        "log group": 1,
        "parameter": 1,
        "attached policy": 3,
        "rule": 1,
        "model version": 1,
        "model package group": 1,
        "bucket": 2,
        "table": 1,
        "stack": 1,
    }

    # Each run is stopped later than the one before, and each continues.
    for removed in (2, 4, 5):
        with pytest.raises(Stopped):
            stack_deletion.delete_stack(used.app.session, used.find(), interrupted_after(removed))
    left = used.find()
    assert len(left.items) == len(found.items) - 11
    stack_deletion.delete_stack(used.app.session, left, lambda item: None)

    assert_gone(used)
    assert_others_stay(used)
    with pytest.raises(PreconditionError, match="does not exist"):
        used.find()


def assert_gone(used: Used) -> None:
    app, name = used.app, used.name
    buckets = {bucket["Name"] for bucket in app.client("s3").list_buckets()["Buckets"]}
    assert not buckets & {used.ids["PhotosBucket"], used.ids["DataBucket"]}
    assert used.ids["ResultsTable"] not in app.client("dynamodb").list_tables()["TableNames"]
    sagemaker = app.client("sagemaker")
    for describe in (
        lambda: sagemaker.describe_endpoint(EndpointName=name),
        lambda: sagemaker.describe_endpoint_config(EndpointConfigName=f"{name}-v1-{STAMP}"),
        lambda: sagemaker.describe_model(ModelName=f"{name}-v1-{STAMP}"),
        lambda: sagemaker.describe_model_package_group(ModelPackageGroupName=name),
        lambda: app.client("iam").get_policy(PolicyArn=used.ids["OperatorPolicy"]),
        lambda: app.client("events").describe_event_bus(Name=name),
        lambda: app.client("ssm").get_parameter(Name=f"/scones/{name}/threshold/0.93"),
    ):
        with pytest.raises(ClientError):
            describe()
    groups = app.client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker/Endpoints/")
    assert f"/aws/sagemaker/Endpoints/{name}" not in [
        g["logGroupName"] for g in groups["logGroups"]
    ]


def assert_others_stay(used: Used) -> None:
    sagemaker, other = used.app.client("sagemaker"), f"{used.name}-staging"
    assert sagemaker.describe_endpoint(EndpointName=other)["EndpointStatus"] == "InService"
    sagemaker.describe_endpoint_config(EndpointConfigName=f"{other}-v1-{STAMP}")
    sagemaker.describe_model(ModelName=f"{other}-v1-{STAMP}")
    users = [user["UserName"] for user in used.app.client("iam").list_users()["Users"]]
    assert f"{used.name}-anna" in users


def test_a_stack_of_another_application_is_refused(app: TinyApp) -> None:
    name = app.name("another")
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    app.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(topic))

    with pytest.raises(PreconditionError, match="not one of this application"):
        stack_deletion.plan_deletion(app.session, name)
