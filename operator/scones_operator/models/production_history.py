"""Find out which model version was in production at which time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from scones.endpoint_state import EndpointState, describe_endpoint
from scones_operator.aws.executions import history_since, parse_object
from scones_operator.aws.stack import Stack
from scones_operator.models.registry import ProductionModel, production_model_from_endpoint

if TYPE_CHECKING:
    import boto3

MAX_EXECUTIONS = 30
"""Maximum number of executions of `promote` that are read, the latest."""

SWITCHING = frozenset({"Delete Broken Endpoint", "Create Endpoint", "Update Endpoint"})
"""States of `promote` that change the production endpoint."""

UNCHANGED = frozenset(
    {
        *("rejected", "timed_out", "smoke_test_failed", "already_in_production"),
        *("refused", "ignored", "busy"),
    }
)
"""Outcomes of `promote` with the production endpoint unchanged."""


@dataclass(frozen=True)
class Period:
    """Time in which a version alone answered the requests to the production endpoint.

    Attributes
    ----------
    version
        Version number in the model package group.
    since, until
        Its start and its end (UTC); `until` is None while it lasts. The time of a canary, with
        two models in production, is in no period.
    """

    version: int
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class History:
    """Production endpoint and the versions that it ran.

    Attributes
    ----------
    production
        The endpoint, or None if it does not exist.
    periods
        The known ones, the latest first. Gaps are times of which the version is not known.
    """

    production: ProductionModel | None
    periods: tuple[Period, ...]


@dataclass(frozen=True)
class _Change:
    """Change of the production endpoint by an execution of `promote`.

    Attributes
    ----------
    started_at
        Time at which the endpoint was first changed.
    ended_at
        End of the execution, or None while it runs.
    config
        Endpoint configuration that the endpoint ran in the end, or None if that is not known.
    version
        Version of a promotion that succeeded; otherwise None.
    """

    started_at: datetime
    ended_at: datetime | None
    config: str | None = None
    version: int | None = None


@dataclass
class ProductionHistory:
    """Reader of the production history that reads each execution that ended once.

    Parameters
    ----------
    session, stack
        Session for the stack's account and region; the deployed stack.
    """

    session: "boto3.Session"
    stack: Stack
    _ended: dict[tuple[str, int], _Change | None] = field(default_factory=dict)

    def read(self) -> History:
        """Read which versions were in production, as far as the latest executions tell.

        Step Functions keeps ended executions for 90 days. Without one that explains the present
        endpoint configuration, the present version counts since the endpoint's last change.

        Raises
        ------
        botocore.exceptions.ClientError
            If AWS rejects a request.
        """
        # In this order: a change that begins in between closes the last period.
        endpoint = describe_endpoint(self.session.client("sagemaker"), self.stack.endpoint)
        changes = sorted(self._read_changes(), key=attrgetter("started_at"))
        if endpoint is None:
            return History(None, ())
        periods = _periods(changes, endpoint, self.stack.model_package_group)
        return History(
            production_model_from_endpoint(self.stack, endpoint), tuple(reversed(list(periods)))
        )

    def _read_changes(self) -> Iterator[_Change]:
        """Yield the changes of production."""
        client = self.session.client("stepfunctions")
        pages = client.get_paginator("list_executions").paginate(
            stateMachineArn=self.stack.promote_state_machine,
            PaginationConfig={"PageSize": MAX_EXECUTIONS},
        )
        listed = (item for page in pages for item in page["executions"])
        for item in islice(listed, MAX_EXECUTIONS):
            if change := self._read_change(client, item):
                yield change

    def _read_change(self, client: Any, item: Mapping[str, Any]) -> _Change | None:
        # Step Functions can redrive an execution that failed: it runs again, under the same ARN.
        run = item["executionArn"], item.get("redriveCount", 0)
        if run in self._ended:
            return self._ended[run]
        description = client.describe_execution(executionArn=item["executionArn"])
        change = _change(client, description)
        if description["status"] != "RUNNING":
            self._ended[run] = change
        return change


def _change(client: Any, description: Mapping[str, Any]) -> _Change | None:
    """Read how an execution changed production, or None if it did not."""
    output: Mapping[str, Any] = {}
    if description["status"] == "SUCCEEDED":
        output = parse_object(description.get("output", "{}"))
    outcome = output.get("outcome")
    if outcome in UNCHANGED:
        return None
    began_at = _began_at(history_since(client, description["executionArn"]))
    if began_at is None:
        return None
    ended_at = description.get("stopDate")
    if outcome not in ("promoted", "rolled_back"):
        return _Change(began_at, ended_at)
    version = output.get("model_version") if outcome == "promoted" else None
    return _Change(began_at, ended_at, output.get("endpoint_config"), version)


def _began_at(events: Iterable[Mapping[str, Any]]) -> datetime | None:
    for event in events:
        if event.get("stateEnteredEventDetails", {}).get("name") in SWITCHING:
            return event["timestamp"]  # type: ignore[no-any-return]
    return None


def _periods(changes: Sequence[_Change], endpoint: EndpointState, group: str) -> Iterator[Period]:
    """Yield the periods between changes, the earliest first."""
    versions: dict[str, int] = {}
    version: int | None = None
    config: str | None = None
    since: datetime | None = None
    for change in changes:
        if version is not None and since is not None:
            yield Period(version, since, change.started_at)
        if change.config and change.version is not None:
            versions[change.config] = change.version
        config, since = change.config, change.ended_at
        version = versions.get(config or "")
    if any(change.ended_at is None for change in changes):
        return
    settled = endpoint.status == "InService"
    if version is not None and since is not None and config == endpoint.config:
        yield Period(version, since, None if settled else endpoint.changed_at)
    elif settled and (present := _present_version(endpoint, group)):
        yield Period(present, endpoint.changed_at, None)


def _present_version(endpoint: EndpointState, group: str) -> int | None:
    arn = endpoint.model.model_package_arn if endpoint.model else None
    head, _, number = (arn or "").rpartition("/")
    return int(number) if head.endswith(f":model-package/{group}") and number.isdigit() else None
