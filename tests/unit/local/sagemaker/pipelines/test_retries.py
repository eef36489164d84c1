from typing import Any

import pytest

from scones_local.sagemaker.pipelines.retries import (
    CAPACITY_ERROR,
    INTERNAL_ERROR,
    SERVICE_FAULT,
    THROTTLING,
    Retries,
    RetryPolicy,
    parse_retry_policies,
)
from scones_local.sagemaker.protocol import ServiceError


def test_pauses_grow_until_the_last_attempt() -> None:
    retries = Retries((RetryPolicy((CAPACITY_ERROR,), interval=2, backoff=3, attempts=3),))
    assert [retries.next_delay(CAPACITY_ERROR, 0) for _ in range(4)] == [2, 6, 18, None]


def test_retries_end_with_the_time() -> None:
    policy = RetryPolicy((CAPACITY_ERROR,), interval=30, backoff=1, attempts=None, minutes=1)
    retries = Retries((policy,))
    assert [retries.next_delay(CAPACITY_ERROR, seconds) for seconds in (0, 30, 31)] == [
        30,
        30,
        None,
    ]


def test_each_policy_counts_by_itself() -> None:
    one = RetryPolicy((CAPACITY_ERROR,), interval=1, attempts=1)
    other = RetryPolicy((INTERNAL_ERROR,), interval=5, attempts=1)
    retries = Retries((one, other))
    assert retries.next_delay(INTERNAL_ERROR, 0) == 5
    assert retries.next_delay(CAPACITY_ERROR, 0) == 1
    assert retries.next_delay(INTERNAL_ERROR, 0) is None


def test_faults_of_the_service_are_retried_by_default() -> None:
    assert Retries(()).next_delay(SERVICE_FAULT, 0) == 1
    assert Retries(()).next_delay(THROTTLING, 0) == 1
    assert Retries(()).next_delay(CAPACITY_ERROR, 0) is None
    assert Retries(()).next_delay(None, 0) is None


def test_reads_policies() -> None:
    given: list[dict[str, Any]] = [
        {
            "ExceptionType": ["Step.THROTTLING"],
            "IntervalSeconds": 3,
            "BackoffRate": 1.5,
            "MaxAttempts": 4,
        },
        {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "ExpireAfterMin": 30},
    ]
    assert parse_retry_policies(given, "S") == (
        RetryPolicy((THROTTLING,), 3, 1.5, 4, None),
        RetryPolicy(("SageMaker.RESOURCE_LIMIT",), 1, 2.0, None, 30),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ExceptionType": ["Step.OTHER"]}, "Unknown exception type 'Step.OTHER'"),
        ({"MaxAttempts": 3, "ExpireAfterMin": 3}, "cannot be combined"),
        ({"MaxAttempts": 21}, "from 1 to 20, not 21"),
        ({"MaxAttempts": True}, "from 1 to 20, not True"),
        ({"IntervalSeconds": 43201}, "from 0 to 43200"),
        ({"BackoffRate": 0.5}, "'BackoffRate' of a retry policy of S"),
        ({"Jitter": 1}, "unknown property 'Jitter'"),
    ],
)
def test_refuses_wrong_policies(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        parse_retry_policies([{"ExceptionType": ["Step.THROTTLING"], **changes}], "S")
