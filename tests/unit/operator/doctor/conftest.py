"""A session for each test."""

from collections.abc import Iterator

import pytest

from tests.unit.operator.doctor.stubbed import Stubbed


@pytest.fixture
def session() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    yield stubbed
    stubbed.all_asked()
