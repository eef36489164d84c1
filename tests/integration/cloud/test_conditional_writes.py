"""A role that may only write what does not exist yet."""

from tests.integration.cloud.tiny_app import TinyApp, allow

WRITES = """
import boto3

def handler(event, context):
    boto3.client("s3").put_object(**event)
"""


def test_a_permission_to_write_once(app: TinyApp) -> None:
    bucket = app.bucket()
    statement = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*")
    once = statement | {"Condition": {"StringEquals": {"s3:if-none-match": "*"}}}
    function = app.function(WRITES, [once])
    plain = {"Bucket": bucket, "Key": "a", "Body": "x"}

    denied = app.invoke(function, plain)
    first = app.invoke(function, plain | {"IfNoneMatch": "*"})
    second = app.invoke(function, plain | {"IfNoneMatch": "*"})

    assert "AccessDenied" in str(denied.payload)
    assert not first.failed
    assert "PreconditionFailed" in str(second.payload)
