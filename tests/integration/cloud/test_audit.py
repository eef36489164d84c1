"""The cloud keeps a trail of what each role was asked for, and whether it might."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from scones_local.cloud.lifecycle import Cloud
from scones_local.sagemaker.validation import service_model
from tests.integration.cloud.test_sagemaker import permissions_to_train, sagemaker_arn, training_job
from tests.integration.cloud.tiny_app import TinyApp, allow


def trail(app: TinyApp, cloud: Cloud, machine: str) -> list[dict[str, Any]]:
    described = app.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    role = described["roleArn"].rpartition("/")[2]
    return [entry for entry in cloud.audit() if entry["role"] == role]


def test_a_job_asks_for_all_that_aws_asks_for(app: TinyApp, running: Cloud) -> None:
    role = app.role("sagemaker.amazonaws.com")
    arguments = training_job(app.name("job"), role)
    task = app.task("sagemaker:createTrainingJob.sync", arguments)
    statements = permissions_to_train(role)
    machine = app.machine({"Train": task}, *statements, kind="STANDARD")
    app.ended(app.start(machine))
    entries = trail(app, running, machine)
    allowed = {
        action for entry in statements for action in [entry["Action"]] if isinstance(action, str)
    }
    allowed |= {
        action
        for entry in statements
        if isinstance(entry["Action"], list)
        for action in entry["Action"]
    }
    assert {entry["action"] for entry in entries} == allowed
    assert all(entry["allowed"] for entry in entries)
    (made,) = [entry for entry in entries if "parameters" in entry]
    assert made["action"] == "sagemaker:CreateTrainingJob"
    assert made["resource"] == sagemaker_arn("training-job", arguments["TrainingJobName"])
    assert made["parameters"] == arguments
    shape = service_model().operation_model("CreateTrainingJob").input_shape
    assert not ParamValidator().validate(made["parameters"], shape).has_errors()


def test_a_request_over_http_leaves_its_parameters_too(app: TinyApp, running: Cloud) -> None:
    # A member that nobody knows would be lost on its way through the SDK: it is refused there.
    task = app.task("aws-sdk:sagemaker:describeEndpoint", {"EndpointName": "absent"})
    machine = app.machine({"Look": task}, allow("sagemaker:*"))
    app.run(machine)
    (entry,) = trail(app, running, machine)
    assert entry["action"] == entry["asked"]["action"] == "sagemaker:DescribeEndpoint"
    assert entry["resource"] == sagemaker_arn("endpoint", "absent")
    assert entry["asked"]["resource_arn"] == entry["resource"]
    assert entry["allowed"] is True
    assert entry["parameters"] == {"EndpointName": "absent"}


def test_what_is_denied_is_noted_as_denied(app: TinyApp, running: Cloud) -> None:
    table = app.table()
    put = {"TableName": table, "Item": {"id": {"S": "1"}}}
    machine = app.machine({"Put": app.task("dynamodb:putItem", put)})
    app.run(machine)
    (entry,) = trail(app, running, machine)
    assert entry["action"] == "dynamodb:PutItem"
    assert entry["resource"].endswith(f":table/{table}")
    assert entry["allowed"] is False
    assert "parameters" not in entry


def test_a_functions_role_leaves_a_trail(app: TinyApp, running: Cloud) -> None:
    bucket = app.bucket()
    code = (
        "import boto3\ndef handler(event, context):\n"
        f" boto3.client('s3').put_object(Bucket='{bucket}', Key='a', Body=b'b')"
    )
    function = app.function(code, [allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*")])
    assert not app.invoke(function).failed
    configured = app.client("lambda").get_function_configuration(FunctionName=function)
    role = configured["Role"].rpartition("/")[2]
    actions = {entry["action"] for entry in running.audit() if entry["role"] == role}
    assert "s3:PutObject" in actions


def test_a_user_leaves_a_trail_and_root_none(app: TinyApp, running: Cloud) -> None:
    iam, name = app.client("iam"), app.name("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = replace(running, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    with pytest.raises(ClientError):
        user.session().client("s3").list_buckets()

    asked = [entry["asked"] for entry in running.audit() if entry["role"] is None]

    principals = {entry["principal_arn"].split(":", 5)[5] for entry in asked}
    assert f"user/{name}" in principals
    assert "root" not in principals
