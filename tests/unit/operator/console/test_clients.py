from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from scones_operator.console.clients import ClientCache
from scones_operator.models import drift
from scones_operator.photos import redrive


@pytest.fixture
def access() -> Iterator[ClientCache]:
    with mock_aws():
        yield ClientCache(lambda: boto3.Session("test", "test", region_name="eu-west-1"))


def test_uses_share_a_client(access: ClientCache) -> None:
    assert access.client("lambda") is access.client("lambda")


def test_a_client_with_settings_is_not_shared(access: ClientCache) -> None:
    patient = access.client("lambda", config=Config(read_timeout=310))

    assert patient.meta.config.read_timeout == 310
    assert access.client("lambda").meta.config.read_timeout == 60


def test_renewing_drops_the_clients(access: ClientCache) -> None:
    before = access.client("lambda")

    access.reset()

    assert access.client("lambda") is not before


def test_operations_that_set_timeouts_get_their_clients(access: ClientCache) -> None:
    session: Any = access
    stack: Any = type("Stack", (), {"check_drift_function": "check-drift"})

    redrive._StateMachines(session, stack)
    with pytest.raises(access.client("lambda").exceptions.ResourceNotFoundException):
        drift.check_drift(session, stack, "anna")
