from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.unit.stored_run import StoredRun, s3_client


@pytest.fixture
def stored() -> Iterator[StoredRun]:
    with mock_aws():
        yield StoredRun(s3_client())
