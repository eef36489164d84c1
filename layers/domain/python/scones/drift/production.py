"""Which model is in production, since when, and how it was evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from scones.evaluation.reading import Evaluation, EvaluationUnreadable, read_evaluation
from scones.evaluation.report import FILE
from scones.events import DriftOutcome
from scones.runs import Run, RunIncomplete

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True)
class Hosted:
    """A registered version of the model in production.

    Attributes
    ----------
    model_package_arn
        Which one.
    run
        The retraining that it is of.
    since
        When the endpoint was last changed: what was decided later, this version decided.
    """

    model_package_arn: str
    run: str
    since: datetime

    @property
    def number(self) -> int:
        """The version's number."""
        return int(self.model_package_arn.rpartition("/")[2])


@dataclass(frozen=True)
class Unknown:
    """What there is instead, as the outcome of a check."""

    outcome: DriftOutcome
    message: str


def find_hosted(client: "SageMakerClient", endpoint: str) -> Hosted | Unknown:
    """Find out which version an endpoint runs.

    Parameters
    ----------
    client
        A SageMaker client.
    endpoint
        The production endpoint's name.

    Raises
    ------
    botocore.exceptions.ClientError
        If SageMaker refuses to tell.
    """
    found = _found(client.describe_endpoint, EndpointName=endpoint)
    if found is None:
        return Unknown("no_model", f"there is no endpoint {endpoint}: promote a version first")
    status = found["EndpointStatus"]
    if status == "Failed":
        return Unknown("no_model", f"endpoint {endpoint} failed: promote a version")
    if status != "InService":
        return Unknown("changing", f"endpoint {endpoint} is {status}: the next check will tell")
    package = _package(client, found["EndpointConfigName"])
    if isinstance(package, Unknown):
        return package
    run = package.get("CustomerMetadataProperties", {}).get("run")
    if not run:
        return Unknown(
            "no_evaluation",
            f"{package['ModelPackageArn']} was not registered by a retraining: it has no "
            "evaluation to compare with",
        )
    return Hosted(package["ModelPackageArn"], run, found["LastModifiedTime"])


def find_evaluation(
    client: "S3Client", run: Run, class_names: Sequence[str]
) -> Evaluation | Unknown:
    """Find the evaluation that a model was registered with.

    Parameters
    ----------
    client
        An S3 client.
    run
        The retraining that the model is of.
    class_names
        The stack's classes in the order of their indices.

    Raises
    ------
    StorageBusy, StorageRefused
        As `scones.storage.named_faults`.
    """
    try:
        evaluation = read_evaluation(client, run)
    except RunIncomplete:
        return Unknown(
            "no_evaluation",
            f"{run.uri(FILE)} is not there any more: there is nothing to compare with until the "
            "next model is promoted",
        )
    except EvaluationUnreadable as error:
        return Unknown("no_evaluation", str(error))
    if evaluation.class_names != tuple(class_names):
        return Unknown(
            "no_evaluation",
            f"the model in production is of the classes {', '.join(evaluation.class_names)}, and "
            f"the stack has {', '.join(class_names)} now: retrain, and promote the new version",
        )
    return evaluation


def _package(client: "SageMakerClient", config: str) -> Any:
    """Describe the model package behind an endpoint's configuration."""
    described = _found(client.describe_endpoint_config, EndpointConfigName=config)
    name = described and described["ProductionVariants"][0]["ModelName"]
    model = name and _found(client.describe_model, ModelName=name)
    if not model:
        return Unknown(
            "no_evaluation", f"the configuration {config}, or its model, was deleted: promote again"
        )
    container = model.get("PrimaryContainer") or model["Containers"][0]
    arn = container.get("ModelPackageName")
    package = arn and _found(client.describe_model_package, ModelPackageName=arn)
    if not package:
        hosted = arn or container.get("ModelDataUrl")
        return Unknown(
            "no_evaluation",
            f"{hosted} is in production, which is no registered version: it has no evaluation to "
            "compare with",
        )
    return package


def _found(describe: Any, **which: str) -> Any:
    """Describe something, None where it does not exist, which SageMaker tells in words only."""
    try:
        return describe(**which)
    except ClientError as error:
        said = str(error).lower()
        if "could not find" in said or "does not exist" in said:
            return None
        raise
