"""A burst of uploads is worked off, on however few cores."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

UPLOADS = 200
MACHINE = Path(__file__).parents[3] / "statemachine" / "classify.asl.json"


def test_200_uploads_at_once_all_end(app: TinyApp) -> None:
    function = app.function("def handler(event, context): return event['key'].upper()")
    table, bucket = app.table(), app.bucket()
    call = {"FunctionName": function, "Payload": "{% $states.input.detail.object %}"}
    item = {"TableName": table, "Item": {"id": {"S": "{% $states.input %}"}}}
    states = {
        "Call": app.task(
            "lambda:invoke",
            call,
            Output="{% $states.result.Payload %}",
            Retry=json.loads(MACHINE.read_text())["States"]["Serialize"]["Retry"],
            Next="Record",
        ),
        "Record": app.task("dynamodb:putItem", item),
    }
    machine = app.machine(states, allow(["lambda:InvokeFunction", "dynamodb:PutItem"]))
    app.uploads_start(bucket, machine, allow("states:StartExecution"))
    s3 = app.client("s3")

    def upload(number: int) -> None:
        s3.put_object(Bucket=bucket, Key=f"photo {number}", Body=b"x")

    with ThreadPoolExecutor(16) as uploading:
        list(uploading.map(upload, range(UPLOADS)))

    def recorded() -> set[str]:
        pages = app.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        return {item["id"]["S"] for page in pages for item in page["Items"]}

    expected = {f"PHOTO {number}" for number in range(UPLOADS)}
    eventually(lambda: recorded() == expected, 120)
    assert recorded() == expected
