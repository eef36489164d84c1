"""Retry policies of steps.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

from dataclasses import dataclass
from typing import Any

from scones_local.sagemaker.pipelines.parsing import (
    parse_error,
    parse_integer,
    parse_object,
    parse_type,
)

SERVICE_FAULT = "Step.SERVICE_FAULT"
THROTTLING = "Step.THROTTLING"
INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"

_EXCEPTIONS = (SERVICE_FAULT, THROTTLING, INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT)
_MAX_INTERVAL = 43200
_MAX_ATTEMPTS = 20
_MAX_MINUTES = 14400


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed attempt of a step is repeated.

    Attributes
    ----------
    exceptions
        Types of the failures that the policy is for.
    interval
        Seconds before the first retry.
    backoff
        Factor by which each pause is longer than the one before.
    attempts
        Maximum number of retries; None if only the time is limited.
    minutes
        Minutes after the start of the step in which retries begin; None if only their number is
        limited.
    """

    exceptions: tuple[str, ...]
    interval: float = 1
    backoff: float = 2.0
    attempts: int | None = 5
    minutes: int | None = None


DEFAULT = RetryPolicy((SERVICE_FAULT, THROTTLING))
"""The policy for failures that no policy of the step is for."""


class Retries:
    """The retries of one step.

    Parameters
    ----------
    policies
        Policies of the step.
    """

    def __init__(self, policies: tuple[RetryPolicy, ...]) -> None:
        self._policies = (*policies, DEFAULT)
        self._used = [0] * len(self._policies)

    def next_delay(self, exception: str | None, seconds: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none.

        Parameters
        ----------
        exception
            Type of the failure; None if no policy can be for it.
        seconds
            Seconds since the first attempt began.
        """
        for number, policy in enumerate(self._policies):
            if exception in policy.exceptions:
                used = self._used[number]
                delay = policy.interval * policy.backoff**used
                if _is_exhausted(policy, used, seconds + delay):
                    return None
                self._used[number] += 1
                return delay
        return None


def _is_exhausted(policy: RetryPolicy, used: int, seconds: float) -> bool:
    if policy.attempts is not None and used >= policy.attempts:
        return True
    return policy.minutes is not None and seconds > policy.minutes * 60


def parse_retry_policies(specification: Any, title: str) -> tuple[RetryPolicy, ...]:
    """Return the retry policies of a step.

    Raises
    ------
    ServiceError
        If one is invalid.
    """
    return tuple(
        _policy(item, title)
        for item in parse_type(specification, "list", f"RetryPolicies of {title}")
    )


def _policy(specification: Any, title: str) -> RetryPolicy:
    name = f"a retry policy of {title}"
    optional = ["IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"]
    members = parse_object(specification, name, ["ExceptionType"], optional)
    exceptions = parse_type(members["ExceptionType"], "list", f"ExceptionType of {name}")
    for exception in exceptions:
        if exception not in _EXCEPTIONS:
            raise parse_error(f"Unknown exception type '{exception}' in {name}: use {_EXCEPTIONS}.")
    if "MaxAttempts" in members and "ExpireAfterMin" in members:
        raise parse_error(f"'MaxAttempts' and 'ExpireAfterMin' cannot be combined in {name}.")
    rate = members.get("BackoffRate", 2.0)
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate < 1:
        raise parse_error(f"'BackoffRate' of {name} must be a number of at least 1, not {rate!r}.")
    minutes = members.get("ExpireAfterMin")
    return RetryPolicy(
        exceptions=tuple(exceptions),
        interval=parse_integer(
            members.get("IntervalSeconds", 1), 0, _MAX_INTERVAL, "IntervalSeconds"
        ),
        backoff=float(rate),
        attempts=_limit(members.get("MaxAttempts", None if minutes else 5), _MAX_ATTEMPTS),
        minutes=_limit(minutes, _MAX_MINUTES),
    )


def _limit(specification: Any, maximum: int) -> int | None:
    return (
        None
        if specification is None
        else parse_integer(specification, 1, maximum, "The limit of a retry policy")
    )
