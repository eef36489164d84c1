"""What services do by the role that they are given, they do only as far as it may."""

import json
from typing import Any

import pytest

from tests.integration.cloud.test_sagemaker import training_job
from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

READS = """
import boto3
def handler(event, context):
    boto3.client("s3").get_object(Bucket=event["bucket"], Key="absent")
"""


@pytest.mark.parametrize(
    ("statements", "error"), [((), "AccessDenied"), ((allow("s3:ListBucket"),), "NoSuchKey")]
)
def test_an_absent_object_is_told_only_to_who_may_list(
    app: TinyApp, statements: tuple[Any, ...], error: str
) -> None:
    function = app.function(READS, (allow("s3:GetObject"), *statements))

    answer = app.invoke(function, {"bucket": app.bucket()})

    assert error in answer.payload["errorMessage"]


@pytest.mark.parametrize("allowed", [True, False])
def test_tags_of_an_object_need_a_permission_of_their_own(app: TinyApp, allowed: bool) -> None:
    code = (
        "import boto3\ndef handler(event, context):\n"
        " boto3.client('s3').put_object(Bucket=event['bucket'], Key='a/b c', Tagging='kept=short')"
    )
    tagging = [allow("s3:PutObjectTagging", "arn:aws:s3:::*/a/b c")] if allowed else []

    answer = app.invoke(
        app.function(code, [allow("s3:PutObject"), *tagging]), {"bucket": app.bucket()}
    )

    assert answer.failed != allowed, answer.payload


RULE = "arn:aws:events:us-east-1:123456789012:rule"


@pytest.mark.parametrize(
    ("bus", "resource", "allowed"),
    [
        ("default", f"{RULE}/mine", True),
        ("default", f"{RULE}/default/mine", False),
        ("default", f"{RULE}/other", False),
        ("parcels", f"{RULE}/parcels/mine", True),
        ("parcels", f"{RULE}/mine", False),
    ],
)
def test_a_rule_is_named_with_its_bus_unless_that_is_the_default_one(
    app: TinyApp, bus: str, resource: str, allowed: bool
) -> None:
    code = (
        "import boto3\ndef handler(event, context):\n"
        f" boto3.client('events').describe_rule(Name='mine', EventBusName='{bus}')"
    )

    answer = app.invoke(app.function(code, [allow("events:DescribeRule", resource)]))

    error = "ResourceNotFoundException" if allowed else "AccessDenied"
    assert error in answer.payload["errorMessage"]


def test_a_function_that_may_not_log_leaves_no_log(app: TinyApp) -> None:
    function = app.function("def handler(event, context): print('seen')")
    role = app.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    app.client("iam").delete_role_policy(RoleName=role.split("/")[1], PolicyName="policy")

    assert not app.invoke(function).failed

    groups = app.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    assert f"/aws/lambda/{function.split(':')[-1]}" not in [it["logGroupName"] for it in groups]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_failed_event_is_kept_where_the_functions_role_may_send(
    app: TinyApp, allowed: bool
) -> None:
    queue = app.queue()
    send = [allow("sqs:SendMessage", app.queue_arn(queue))] if allowed else []
    function = app.function("def handler(event, context): 1 / 0", send)
    client = app.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": app.queue_arn(queue)}},
    )

    client.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"a": 1}')

    kept = app.messages(queue, 10 if allowed else 2)
    assert [json.loads(one["Body"])["requestPayload"] for one in kept] == [{"a": 1}] * allowed


def test_a_topics_own_policy_lets_nobody_publish(app: TinyApp) -> None:
    stacks, name = app.client("cloudformation"), app.name("stack")
    resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
    stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    (made,) = stacks.list_stack_resources(StackName=name)["StackResourceSummaries"]
    function = app.function(
        "import boto3\ndef handler(event, context):\n"
        f" boto3.client('sns').publish(TopicArn='{made['PhysicalResourceId']}', Message='hello')"
    )

    message = app.invoke(function).payload["errorMessage"]

    assert "no identity-based policy allows the sns:Publish action" in message


def test_a_role_that_may_not_pull_the_image_trains_nothing(app: TinyApp) -> None:
    bucket, client = app.bucket(), app.client("sagemaker")
    role = app.role("sagemaker.amazonaws.com", allow("s3:*"), allow("logs:*"))
    job = training_job(app.name("job"), role)
    job["OutputDataConfig"] = {"S3OutputPath": f"s3://{bucket}/output"}

    client.create_training_job(**job)

    def look() -> Any:
        described = client.describe_training_job(TrainingJobName=job["TrainingJobName"])
        return described if described["TrainingJobStatus"] == "Failed" else None

    reason = eventually(look, 30)["FailureReason"]
    assert "Cannot pull algorithm container" in reason
    assert "ecr:GetAuthorizationToken" in reason
