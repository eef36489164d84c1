"""The versions of the model: what they are worth, who approved them, which is in production."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from scones.endpoint_state import Endpoint, find_endpoint
from scones_operator.aws.stack import Stack
from scones_operator.errors import Refused

if TYPE_CHECKING:
    import boto3

Decision = Literal["Approved", "Rejected"]

APPROVED: Literal["Approved"] = "Approved"
REJECTED: Literal["Rejected"] = "Rejected"
PENDING = "PendingManualApproval"


@dataclass(frozen=True)
class Version:
    """A version in the model package group.

    Attributes
    ----------
    number, arn
        Which one.
    registered_at
        When.
    status
        ``PendingManualApproval``, ``Approved`` or ``Rejected``.
    comment
        What was said when it was approved or rejected.
    metadata
        What the retraining wrote to it: ``accuracy``, ``threshold``, ``run`` and more.
    """

    number: int
    arn: str
    registered_at: datetime
    status: str
    comment: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def figure(self, name: str) -> float | None:
        """Return a number of the metadata, None where it has none of that name."""
        try:
            return float(self.metadata[name])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class Production:
    """What the production endpoint runs.

    Attributes
    ----------
    endpoint, status
        Its name and SageMaker's word for its state.
    model_package_arn
        The version that it runs, None where that is not one of a registry.
    artifacts
        S3 URI of the model.tar.gz, where it is not one of a registry.
    forgotten
        Name of the endpoint's configuration where that was deleted, or its model: the endpoint
        goes on, and nobody can tell which model it runs. None where it is known.
    """

    endpoint: str
    status: str
    model_package_arn: str | None = None
    artifacts: str | None = None
    forgotten: str | None = None

    def runs(self, version: Version) -> bool:
        """Return True if it runs that version, which an endpoint that is being deleted does not."""
        return self.status != "Deleting" and self.model_package_arn == version.arn


def versions(session: "boto3.Session", stack: Stack, limit: int | None = None) -> list[Version]:
    """Read the versions, newest first.

    Parameters
    ----------
    session, stack
        Where.
    limit
        How many at most; None reads all.
    """
    client = session.client("sagemaker")
    return [_described(client, item) for item in islice(_listed(client, stack), limit)]


def find_version(session: "boto3.Session", stack: Stack, number: int) -> Version:
    """Read one version.

    Raises
    ------
    Refused
        If there is none of that number; names those there are.
    """
    client = session.client("sagemaker")
    known = []
    for item in _listed(client, stack):
        if item["ModelPackageVersion"] == number:
            return _described(client, item)
        known.append(item["ModelPackageVersion"])
    group = stack.model_package_group
    if not known:
        raise Refused(
            f"version {number} does not exist: {group} has no versions; train one with "
            "`scones retrain`"
        )
    raise Refused(
        f"version {number} of {group} does not exist: the latest is {max(known)}; "
        "`scones models` lists them"
    )


def set_approval(
    session: "boto3.Session", version: Version, status: Decision, comment: str
) -> None:
    """Approve or reject a version.

    Parameters
    ----------
    session
        Where.
    version
        Which one.
    status
        `APPROVED` or `REJECTED`.
    comment
        Why, up to `scones.endpoint_state.LONGEST_COMMENT` characters; may be empty.
    """
    said: dict[str, Any] = {"ApprovalDescription": comment} if comment else {}
    session.client("sagemaker").update_model_package(
        ModelPackageArn=version.arn, ModelApprovalStatus=status, **said
    )


def reject(session: "boto3.Session", stack: Stack, number: int, comment: str) -> Version:
    """Reject a version, so that it is not promoted, nor rolled back to; gives it as it was.

    Where it is in production it stays there until another one is promoted or rolled back to. A
    rejected version can't be asked for predictions, so no retraining compares with it.

    Raises
    ------
    Refused
        If there is none of that number, or it is rejected already.
    """
    found = find_version(session, stack, number)
    if found.status == REJECTED:
        raise Refused(f"version {number} is already rejected")
    set_approval(session, found, REJECTED, comment)
    return found


def find_production(session: "boto3.Session", stack: Stack) -> Production | None:
    """Find out what the production endpoint runs; None where there is no such endpoint."""
    found = find_endpoint(session.client("sagemaker"), stack.endpoint)
    return as_production(stack, found) if found else None


def as_production(stack: Stack, endpoint: Endpoint) -> Production:
    """Return what the production endpoint runs.

    Parameters
    ----------
    stack
        The deployed stack.
    endpoint
        Its production endpoint.
    """
    model = endpoint.model
    if model is None:
        return Production(stack.endpoint, endpoint.status, forgotten=endpoint.config)
    return Production(stack.endpoint, endpoint.status, model.model_package_arn, model.artifacts)


def find_version_in_production(
    session: "boto3.Session", stack: Stack, production: Production | None
) -> Version | None:
    """Read the version that production runs; None where it runs none that the registry knows.

    Parameters
    ----------
    session, stack
        Where.
    production
        As `find_production` found it.
    """
    if production is None or production.model_package_arn is None:
        return None
    client = session.client("sagemaker")
    for item in _listed(client, stack):
        if item["ModelPackageArn"] == production.model_package_arn:
            return _described(client, item)
    return None


def _listed(client: Any, stack: Stack) -> Iterator[Any]:
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=stack.model_package_group,
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 100},
    )
    for page in pages:
        yield from page["ModelPackageSummaryList"]


def _described(client: Any, item: Mapping[str, Any]) -> Version:
    package = client.describe_model_package(ModelPackageName=item["ModelPackageArn"])
    return Version(
        number=item["ModelPackageVersion"],
        arn=item["ModelPackageArn"],
        registered_at=package["CreationTime"],
        status=package["ModelApprovalStatus"],
        comment=package.get("ApprovalDescription", ""),
        metadata=package.get("CustomerMetadataProperties", {}),
    )
