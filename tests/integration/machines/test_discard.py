"""The `discard` state machine and its rule: which originals are deleted, and what if one is not."""

import json
from pathlib import Path
from typing import Any

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
DELETED = {
    "classified": (DECIDED, {"status": "classified"}),
    "rejected": (DECIDED, {"status": "rejected"}),
    "labelled": (REVIEWED, {"outcome": "labelled"}),
    "not_a_vehicle": (REVIEWED, {"outcome": "not_a_vehicle"}),
}


def machine(app: TinyApp, bucket: str, queue: str, *actions: str) -> str:
    text = (ROOT / "statemachine" / "discard.asl.json").read_text("utf-8")
    text = text.replace("${PhotosBucket}", bucket).replace("${MissedMeasurements}", queue)
    text = text.replace('"IntervalSeconds": 1', '"IntervalSeconds": 0')
    states = json.loads(text)["States"]
    return app.machine(states, allow(list(actions)))


def pattern(bucket: str) -> Any:
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    events = template["Resources"]["DiscardStateMachine"]["Properties"]["Events"]
    found = events["Finished"]["Properties"]["Pattern"]
    found["detail"]["photo"]["bucket"] = [bucket]
    return found


def upload(app: TinyApp, bucket: str, key: str) -> dict[str, Any]:
    put = app.client("s3").put_object(Bucket=bucket, Key=key, Body=b"photo")
    return {"bucket": bucket, "key": key, "version_id": put["VersionId"], "etag": "e", "size": 5}


def test_what_is_decided_or_reviewed_is_deleted_and_nothing_else(app: TinyApp) -> None:
    bucket, queue, bus = app.bucket(), app.queue(), app.name("bus")
    app.client("events").create_event_bus(Name=bus)
    arn = machine(app, bucket, queue, "s3:DeleteObjectVersion", "sqs:SendMessage")
    role = app.role("events.amazonaws.com", allow("states:StartExecution"))
    app.rule(pattern(bucket), {"Arn": arn, "RoleArn": role, "InputPath": "$.detail"}, bus)
    entries = [
        entry(bus, kind, fields, upload(app, bucket, key))
        for name, (kind, fields) in (KEPT | DELETED).items()
        for key in (f"incoming/{name}", f"elsewhere/{name}")
    ]
    upload(app, bucket, "incoming/classified")

    for first in range(0, len(entries), 10):
        app.client("events").put_events(Entries=entries[first : first + 10])

    def kept() -> set[str] | None:
        listed = app.client("s3").list_object_versions(Bucket=bucket)
        assert "DeleteMarkers" not in listed
        keys = [item["Key"] for item in listed["Versions"]]
        return set(keys) if len(keys) == len(entries) - len(DELETED) + 1 else None

    expected = {f"incoming/{name}" for name in (*KEPT, "classified")}
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
    queue = app.queue()
    arn = machine(app, "no-such-bucket", queue, "s3:DeleteObjectVersion", "sqs:SendMessage")
    event = decided().model_dump(mode="json")

    result = app.run(arn, event)

    (message,) = app.messages(queue)
    assert json.loads(message["Body"]) == {"not_deleted": event["photo"], "error": result["error"]}
    assert "NoSuchBucket" in result["error"]
