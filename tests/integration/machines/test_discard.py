"""The `discard` state machine and its rule: which originals are deleted, and what if one is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually
from tests.unit.results_table import decided

ROOT = Path(__file__).parents[3]
DECIDED, REVIEWED = "Photo Decided", "Photo Reviewed"
KEPT = {
    "needs_review": (DECIDED, {"status": "needs_review"}),
    "failed": (DECIDED, {"status": "failed"}),
    "withdrawn": (REVIEWED, {"outcome": "withdrawn"}),
    "later version": ("Drift Checked", {"status": "classified"}),
}
FORGED = {
    "review of a failed photo": ("failed", "{}"),
    "review of a photo without a review": ("needs_review", None),
    "review of an unknown photo": (None, None),
}
DELETED = {
    "classified": (DECIDED, {"status": "classified"}),
    "rejected": (DECIDED, {"status": "rejected"}),
    "labelled": (REVIEWED, {"outcome": "labelled"}),
    "not_a_vehicle": (REVIEWED, {"outcome": "not_a_vehicle"}),
}


STATEMENTS = ("ReadRecords", "DeleteOriginals", "KeepEvents", "DeliverLogs")


def results_table(app: TinyApp) -> str:
    name, keys = app.name("results"), ("photo", "version")
    app.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[
            {"AttributeName": key, "KeyType": kind}
            for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)
        ],
    )
    return name


def record(app: TinyApp, table: str, photo: Any, status: str, review: str | None) -> None:
    """Record a photo's decision, and its review if it has one."""
    item = {
        "photo": {"S": f"s3://{photo['bucket']}/{photo['key']}"},
        "version": {"S": photo["version_id"]},
        "status": {"S": status},
        **({"review": {"S": review}} if review else {}),
    }
    app.client("dynamodb").put_item(TableName=table, Item=item)


def permissions(app: TinyApp, bucket: str, queue: str, table: str) -> list[Any]:
    """The statements of the template's own role, for these resources."""
    arns = {
        "ResultsTable": f"arn:aws:dynamodb:{app.region}:{app.account}:table/{table}",
        "MissedMeasurements": app.queue_arn(queue),
        "PhotosBucket": f"arn:aws:s3:::{bucket}",
    }
    (policy,) = template()["DiscardStateMachine"]["Properties"]["Policies"]
    text = json.dumps(policy["Statement"])
    for name, arn in arns.items():
        text = text.replace(json.dumps({"Fn::GetAtt": [name, "Arn"]}), json.dumps(arn))
        text = text.replace(
            json.dumps({"Fn::Sub": f"${{{name}.Arn}}/incoming/*"}), f'"{arn}/incoming/*"'
        )
    assert "Fn::" not in text
    return list(json.loads(text))


def template() -> Any:
    return yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Resources"]


def machine(app: TinyApp, bucket: str, queue: str, table: str, without: str = "") -> str:
    text = (ROOT / "statemachine" / "discard.asl.json").read_text("utf-8")
    text = text.replace("${PhotosBucket}", bucket).replace("${MissedMeasurements}", queue)
    text = text.replace('"IntervalSeconds": 1', '"IntervalSeconds": 0')
    states = json.loads(text.replace("${ResultsTable}", table))["States"]
    group = f"arn:aws:logs:{app.region}:{app.account}:log-group:{log_group(bucket)}:*"
    app.client("logs").create_log_group(logGroupName=log_group(bucket))
    return app.machine(
        states,
        *(it for it in permissions(app, bucket, queue, table) if it["Sid"] != without),
        loggingConfiguration={
            "level": "ALL",
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
        },
    )


def log_group(bucket: str) -> str:
    return f"/aws/vendedlogs/states/discard-{bucket}"


def pattern(bucket: str) -> Any:
    events = template()["DiscardStateMachine"]["Properties"]["Events"]
    found = events["Finished"]["Properties"]["Pattern"]
    found["detail"]["photo"]["bucket"] = [bucket]
    return found


def upload(app: TinyApp, bucket: str, key: str) -> dict[str, Any]:
    put = app.client("s3").put_object(Bucket=bucket, Key=key, Body=b"photo")
    return {"bucket": bucket, "key": key, "version_id": put["VersionId"], "etag": "e", "size": 5}


def test_what_is_decided_or_reviewed_is_deleted_and_nothing_else(app: TinyApp) -> None:
    bucket, queue, bus = app.bucket(), app.queue(), app.name("bus")
    app.client("events").create_event_bus(Name=bus)
    table = results_table(app)
    arn = machine(app, bucket, queue, table)
    role = app.role("events.amazonaws.com", allow("states:StartExecution"))
    app.rule(pattern(bucket), {"Arn": arn, "RoleArn": role, "InputPath": "$.detail"}, bus)
    entries = [
        entry(bus, kind, fields, upload(app, bucket, key))
        for name, (kind, fields) in (KEPT | DELETED).items()
        for key in (f"incoming/{name}", f"elsewhere/{name}")
    ]
    for item in entries:
        detail = json.loads(item["Detail"])
        reviewed = item["DetailType"] == REVIEWED
        status = "needs_review" if reviewed else detail["status"]
        record(app, table, detail["photo"], status, "{}" if reviewed else None)
    upload(app, bucket, "incoming/classified")
    for name, (status, review) in FORGED.items():
        photo = upload(app, bucket, f"incoming/{name}")
        if status:
            record(app, table, photo, status, review)
        entries.append(entry(bus, REVIEWED, {"outcome": "labelled"}, photo))

    for first in range(0, len(entries), 10):
        app.client("events").put_events(Entries=entries[first : first + 10])

    def kept() -> set[str] | None:
        listed = app.client("s3").list_object_versions(Bucket=bucket)
        assert "DeleteMarkers" not in listed
        keys = [item["Key"] for item in listed["Versions"]]
        return set(keys) if len(keys) == len(entries) - len(DELETED) + 1 else None

    expected = {f"incoming/{name}" for name in (*KEPT, *FORGED, "classified")}
    assert eventually(kept) == expected | {f"elsewhere/{name}" for name in KEPT | DELETED}


def entry(bus: str, kind: str, fields: Any, photo: Any) -> Any:
    detail = {"version": "1", "photo": photo, **fields}
    return {
        "EventBusName": bus,
        "Source": "scones",
        "DetailType": kind,
        "Detail": json.dumps(detail),
    }


def test_an_original_that_could_not_be_deleted_is_told(app: TinyApp) -> None:
    queue, table = app.queue(), results_table(app)
    arn = machine(app, "no-such-bucket", queue, table)
    event = decided().model_dump(mode="json")
    record(app, table, event["photo"], "classified", None)

    result = app.run(arn, event)

    (message,) = app.messages(queue)
    assert json.loads(message["Body"]) == {"not_deleted": event["photo"], "error": result["error"]}
    assert "NoSuchBucket" in result["error"]


@pytest.mark.parametrize("without", ["", *STATEMENTS])
def test_each_statement_of_the_role_is_needed(app: TinyApp, without: str) -> None:
    bucket, queue, table = app.bucket(), app.queue(), results_table(app)
    assert [it["Sid"] for it in permissions(app, bucket, queue, table)] == list(STATEMENTS)
    arn = machine(app, bucket, queue, table, without)
    event = decided().model_dump(mode="json")
    event["photo"] |= upload(app, bucket, "incoming/1.png")
    record(app, table, event["photo"], "classified", None)
    lost = {**event, "photo": {**event["photo"], "key": "elsewhere/1.png"}}
    record(app, table, lost["photo"], "classified", None)

    app.run(arn, event)
    app.run(arn, lost)

    deleted = "Versions" not in app.client("s3").list_object_versions(Bucket=bucket)
    told = app.messages(queue, 5 if without != "KeepEvents" else 1)
    logged = app.client("logs").filter_log_events(logGroupName=log_group(bucket))["events"]
    assert deleted == (without not in ("ReadRecords", "DeleteOriginals"))
    assert bool(told) == (without != "KeepEvents")
    assert bool(logged) == (without != "DeliverLogs")
