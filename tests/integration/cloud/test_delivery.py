"""Events reach their targets as on AWS, and only with their role's permission."""

import json
from typing import Any

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

KEY = "incoming/a b+c (1) %41 é.jpg"


def recorder(app: TinyApp) -> tuple[str, str]:
    """Make a machine that records its input in a table; gives both."""
    table = app.table()
    item = {
        "id": {"S": "{% $states.context.Execution.Name %}"},
        "event": {"S": "{% $string($states.input) %}"},
    }
    task = app.task("dynamodb:putItem", {"TableName": table, "Item": item})
    return app.machine({"Record": task}, allow("dynamodb:PutItem")), table


def recorded(app: TinyApp, table: str, seconds: float) -> list[dict[str, Any]]:
    def scan() -> list[dict[str, Any]]:
        items = app.client("dynamodb").scan(TableName=table)["Items"]
        return [json.loads(item["event"]["S"]) for item in items]

    found: list[dict[str, Any]] = eventually(scan, seconds)
    return found


def test_an_upload_starts_a_machine_with_the_event_of_aws(app: TinyApp) -> None:
    machine, table = recorder(app)
    bucket = app.bucket()
    app.uploads_start(bucket, machine, allow("states:StartExecution", machine))
    put = app.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"photo")
    (event,) = recorded(app, table, 15)
    assert event["source"] == "aws.s3"
    assert event["detail-type"] == "Object Created"
    assert event["detail"]["bucket"]["name"] == bucket
    assert event["detail"]["reason"] == "PutObject"
    described = event["detail"]["object"]
    assert described["key"] == KEY
    assert described["size"] == 5
    assert described["etag"] == put["ETag"].strip('"')
    assert described["version-id"] == put["VersionId"]
    assert int(described["sequencer"], 16) > 0


def test_without_permission_an_event_is_delivered_to_the_dead_letters(app: TinyApp) -> None:
    machine, table = recorder(app)
    bucket = app.bucket()
    dead = app.uploads_start(bucket, machine, allow("states:StartExecution", machine + "-other"))
    app.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"photo")
    (message,) = app.messages(dead)
    assert json.loads(message["Body"])["detail"]["object"]["key"] == KEY
    attributes = message["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert "states:StartExecution" in attributes["ERROR_MESSAGE"]["StringValue"]
    assert recorded(app, table, 1) == []


def test_a_schedule_needs_its_roles_permission(app: TinyApp) -> None:
    scheduler = app.client("scheduler")
    tables = []
    for statements in ([allow("states:StartExecution")], []):
        machine, table = recorder(app)
        tables.append(table)
        scheduler.create_schedule(
            Name=app.name("schedule"),
            ScheduleExpression="at(2020-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": machine,
                "RoleArn": app.role("scheduler.amazonaws.com", *statements),
                "Input": json.dumps({"scheduled": True}),
            },
        )
    allowed, denied = tables
    assert recorded(app, allowed, 30) == [{"scheduled": True}]
    assert recorded(app, denied, 1) == []


def telling(app: TinyApp) -> str:
    """Make a Standard machine whose output is its input."""
    return app.machine({"Tell": {"Type": "Pass", "End": True}}, kind="STANDARD")


def outputs(app: TinyApp, machine: str, seconds: float = 15) -> list[Any]:
    """Wait for a machine's executions; gives what they put out."""
    client = app.client("stepfunctions")

    def ended() -> list[str]:
        found = client.list_executions(stateMachineArn=machine, statusFilter="SUCCEEDED")
        return [execution["executionArn"] for execution in found["executions"]]

    return [app.ended(execution)["output"] for execution in eventually(ended, seconds)]


def approval_starts(app: TinyApp, machine: str, group: str, *statements: dict[str, Any]) -> None:
    app.rule(
        {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Model Package State Change"],
            "detail": {
                "ModelPackageGroupName": [group],
                "ModelApprovalStatus": ["Approved"],
            },
        },
        {"Arn": machine, "RoleArn": app.role("events.amazonaws.com", *statements)},
    )


def test_an_approval_starts_a_machine(app: TinyApp) -> None:
    sagemaker = app.client("sagemaker")
    machine, denied = telling(app), telling(app)
    group, other = app.name("group"), app.name("group")
    approval_starts(app, machine, group, allow("states:StartExecution", machine))
    approval_starts(app, denied, group)
    packages = []
    for name in (group, other):
        sagemaker.create_model_package_group(ModelPackageGroupName=name)
        packages.append(
            sagemaker.create_model_package(
                ModelPackageGroupName=name,
                CustomerMetadataProperties={"run": "r"},
                InferenceSpecification={
                    "Containers": [{"Image": "i", "ModelDataUrl": "s3://b/k"}],
                    "SupportedContentTypes": ["image/png"],
                    "SupportedResponseMIMETypes": ["application/json"],
                },
            )["ModelPackageArn"]
        )
    for package in packages:
        sagemaker.update_model_package(
            ModelPackageArn=package,
            ModelApprovalStatus="Approved",
            ApprovalDescription="by Ada: good",
        )
    (event,) = outputs(app, machine)
    assert event["detail-type"] == "SageMaker Model Package State Change"
    assert event["resources"] == [packages[0]]
    detail = event["detail"]
    assert detail["ModelPackageArn"] == packages[0]
    assert detail["ModelPackageGroupName"] == group
    assert detail["ModelPackageVersion"] == 1
    assert detail["ModelPackageStatus"] == "Completed"
    assert detail["ModelApprovalStatus"] == "Approved"
    assert detail["ApprovalDescription"] == "by Ada: good"
    assert detail["CustomerMetadataProperties"] == {"run": "r"}
    assert outputs(app, denied, 1) == []


def test_an_event_on_a_bus_of_ones_own_starts_a_machine(app: TinyApp) -> None:
    events, machine, bus = app.client("events"), telling(app), app.name("bus")
    events.create_event_bus(Name=bus)
    role = app.role("events.amazonaws.com", allow("states:StartExecution", machine))
    app.rule({"source": ["tiny.drift"]}, {"Arn": machine, "RoleArn": role}, bus)
    for name in ("default", bus):
        entry = {"Source": "tiny.drift", "DetailType": "Drift", "Detail": json.dumps({"on": name})}
        events.put_events(Entries=[{**entry, "EventBusName": name}])
    (event,) = outputs(app, machine)
    assert event["detail"] == {"on": bus}


def scheduled(expression: str) -> dict[str, Any]:
    definition = {"StartAt": "Tell", "States": {"Tell": {"Type": "Pass", "End": True}}}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Machine": {
                "Type": "AWS::Serverless::StateMachine",
                "Properties": {
                    "Type": "STANDARD",
                    "Definition": definition,
                    "Events": {
                        "Weekly": {
                            "Type": "ScheduleV2",
                            "Properties": {
                                "ScheduleExpression": expression,
                                "Input": json.dumps({"requested_by": "schedule"}),
                                "FlexibleTimeWindow": {"Mode": "OFF"},
                                "RetryPolicy": {"MaximumRetryAttempts": 2},
                            },
                        }
                    },
                },
            }
        },
        "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}},
    }


def test_a_templates_schedule_starts_its_machine(app: TinyApp) -> None:
    formation, stack = app.client("cloudformation"), app.name("stack")
    formation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(scheduled("at(2020-01-01T00:00:00)")),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    (described,) = formation.describe_stacks(StackName=stack)["Stacks"]
    machine = described["Outputs"][0]["OutputValue"]
    (given,) = outputs(app, machine, 30)
    assert given == {"requested_by": "schedule"}
