"""The versions of the model: what they are worth, who approved them, which is in production."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from scones.endpoint_state import EndpointState, describe_endpoint
from scones_operator.aws.stack import Stack
from scones_operator.errors import PreconditionError

if TYPE_CHECKING:
    import boto3

ApprovalStatus = Literal["Approved", "Rejected"]

APPROVED: Literal["Approved"] = "Approved"
REJECTED: Literal["Rejected"] = "Rejected"
PENDING = "PendingManualApproval"


@dataclass(frozen=True)
class ModelVersion:
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

    def metric(self, name: str) -> float | None:
        """Return a number of the metadata, None where it has none of that name."""
        try:
            return float(self.metadata[name])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class ProductionModel:
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
    missing_config: str | None = None

    def runs(self, version: ModelVersion) -> bool:
        """Return True if it runs that version, which an endpoint that is being deleted does not."""
        return self.status != "Deleting" and self.model_package_arn == version.arn


def list_versions(
    session: "boto3.Session", stack: Stack, limit: int | None = None
) -> list[ModelVersion]:
    """Read the versions, newest first.

    Parameters
    ----------
    session, stack
        Where.
    limit
        How many at most; None reads all.
    """
    client = session.client("sagemaker")
    return [_describe(client, item) for item in islice(_list_packages(client, stack), limit)]


def get_version(session: "boto3.Session", stack: Stack, number: int) -> ModelVersion:
    """Read one version.

    Raises
    ------
    PreconditionError
        If there is none of that number; names those there are.
    """
    client = session.client("sagemaker")
    known = []
    for item in _list_packages(client, stack):
        if item["ModelPackageVersion"] == number:
            return _describe(client, item)
        known.append(item["ModelPackageVersion"])
    group = stack.model_package_group
    if not known:
        raise PreconditionError(
            f"version {number} does not exist: {group} has no versions; train one with "
            "`scones retrain`"
        )
    raise PreconditionError(
        f"version {number} of {group} does not exist: the latest is {max(known)}; "
        "`scones models` lists them"
    )


def set_approval_status(
    session: "boto3.Session", version: ModelVersion, status: ApprovalStatus, comment: str
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
        Why, up to `scones.endpoint_state.MAX_COMMENT_LENGTH` characters; may be empty.
    """
    said: dict[str, Any] = {"ApprovalDescription": comment} if comment else {}
    session.client("sagemaker").update_model_package(
        ModelPackageArn=version.arn, ModelApprovalStatus=status, **said
    )


def reject_version(
    session: "boto3.Session", stack: Stack, number: int, comment: str
) -> ModelVersion:
    """Reject a version, so that it is not promoted, nor rolled back to; gives it as it was.

    Where it is in production it stays there until another one is promoted or rolled back to. A
    rejected version can't be asked for predictions, so no retraining compares with it.

    Raises
    ------
    PreconditionError
        If there is none of that number, or it is rejected already.
    """
    found = get_version(session, stack, number)
    if found.status == REJECTED:
        raise PreconditionError(f"version {number} is already rejected")
    set_approval_status(session, found, REJECTED, comment)
    return found


def get_production_model(session: "boto3.Session", stack: Stack) -> ProductionModel | None:
    """Find out what the production endpoint runs; None where there is no such endpoint."""
    found = describe_endpoint(session.client("sagemaker"), stack.endpoint)
    return production_model_from_endpoint(stack, found) if found else None


def production_model_from_endpoint(stack: Stack, endpoint: EndpointState) -> ProductionModel:
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
        return ProductionModel(stack.endpoint, endpoint.status, missing_config=endpoint.config)
    return ProductionModel(
        stack.endpoint, endpoint.status, model.model_package_arn, model.artifacts
    )


def get_production_version(
    session: "boto3.Session", stack: Stack, production: ProductionModel | None
) -> ModelVersion | None:
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
    for item in _list_packages(client, stack):
        if item["ModelPackageArn"] == production.model_package_arn:
            return _describe(client, item)
    return None


def _list_packages(client: Any, stack: Stack) -> Iterator[Any]:
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=stack.model_package_group,
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 100},
    )
    for page in pages:
        yield from page["ModelPackageSummaryList"]


def _describe(client: Any, item: Mapping[str, Any]) -> ModelVersion:
    package = client.describe_model_package(ModelPackageName=item["ModelPackageArn"])
    return ModelVersion(
        number=item["ModelPackageVersion"],
        arn=item["ModelPackageArn"],
        registered_at=package["CreationTime"],
        status=package["ModelApprovalStatus"],
        comment=package.get("ApprovalDescription", ""),
        metadata=package.get("CustomerMetadataProperties", {}),
    )
