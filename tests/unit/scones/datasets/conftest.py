from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.moto_api._internal import moto_api_backend

from tests.unit.scones.datasets.buckets import BUCKET, DataBucket


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Make the client once: that takes longer than any of these tests."""
    with mock_aws():
        # What is tried again is botocore's affair and not these tests'.
        config = Config(retries={"total_max_attempts": 1})
        yield boto3.client("s3", region_name="us-east-1", config=config)


@pytest.fixture
def bucket(s3: Any) -> DataBucket:
    moto_api_backend.reset()
    s3.create_bucket(Bucket=BUCKET)
    return DataBucket(s3)
