from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from tests.unit.datasets.buckets import BUCKET, DataBucket


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Make the client once: that takes longer than any of these tests."""
    with mock_aws():
        # What is tried again is botocore's affair and not these tests'.
        config = Config(retries={"total_max_attempts": 1})
        yield boto3.client("s3", region_name="us-east-1", config=config)


@pytest.fixture
def bucket(s3: Any) -> Iterator[DataBucket]:
    s3.create_bucket(Bucket=BUCKET)
    yield DataBucket(s3)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    s3.delete_bucket(Bucket=BUCKET)
