"""Store objects and items in moto directly, which takes a small part of the time of a request.

Use this for what exists before a test. What a test is about goes through a client.
"""

from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends


def put_object(bucket: str, key: str, body: bytes) -> None:
    """Store an object in a bucket of moto."""
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, body)


def put_item(table: str, item: dict[str, Any]) -> None:
    """Store an item (DynamoDB JSON) in a table of moto in us-east-1."""
    dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].put_item(table, item)
