"""What a SageMaker endpoint runs, as far as SageMaker still knows."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

MAX_COMMENT_LENGTH = 1024
"""Maximum number of characters of a comment on an approval: SageMaker's ApprovalDescription."""


@dataclass(frozen=True)
class HostedModel:
    """What an endpoint runs.

    Attributes
    ----------
    model_package_arn
        The registered version; None where the model was not made of one.
    artifacts
        S3 URI of the model.tar.gz, where it was not.
    """

    model_package_arn: str | None
    artifacts: str | None


@dataclass(frozen=True)
class EndpointState:
    """An endpoint, and what it runs.

    Attributes
    ----------
    status
        SageMaker's word for its state.
    changed_at
        When it was changed for the last time.
    config
        Name of its configuration; None where it never came into service.
    model
        What it runs; None where its configuration or its model was deleted behind it, which
        SageMaker lets one do, and does without.
    """

    status: str
    changed_at: datetime
    config: str | None
    model: HostedModel | None


def describe_endpoint(client: "SageMakerClient", name: str) -> EndpointState | None:
    """Find out what an endpoint runs; None where there is no such endpoint.

    Parameters
    ----------
    client
        A SageMaker client.
    name
        The endpoint's.

    Raises
    ------
    botocore.exceptions.ClientError
        If SageMaker refuses to tell.
    """
    endpoint = describe_or_none(client.describe_endpoint, EndpointName=name)
    if endpoint is None:
        return None
    config = endpoint.get("EndpointConfigName")
    return EndpointState(
        status=endpoint["EndpointStatus"],
        changed_at=endpoint["LastModifiedTime"],
        config=config,
        model=_model(client, config) if config else None,
    )


def describe_or_none(describe: Any, **parameters: str) -> Any:
    """Describe something, None where it does not exist, which SageMaker tells in words only.

    Parameters
    ----------
    describe
        A describing method of a SageMaker client.
    **parameters
        What it takes.

    Raises
    ------
    botocore.exceptions.ClientError
        If SageMaker refuses to tell.
    """
    try:
        return describe(**parameters)
    except ClientError as error:
        message = str(error).lower()
        if "could not find" in message or "does not exist" in message:
            return None
        raise


def _model(client: "SageMakerClient", config: str) -> HostedModel | None:
    description = describe_or_none(client.describe_endpoint_config, EndpointConfigName=config)
    name = description and description["ProductionVariants"][0]["ModelName"]
    model = name and describe_or_none(client.describe_model, ModelName=name)
    if not model:
        return None
    container = model.get("PrimaryContainer") or model["Containers"][0]
    return HostedModel(container.get("ModelPackageName"), container.get("ModelDataUrl"))
