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
