"""Which model is in production, since when, and how it was evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scones.endpoint_state import EndpointState, describe_endpoint, describe_or_none
from scones.evaluation.report import FILE
from scones.evaluation.stored_evaluation import (
    InvalidEvaluationError,
    StoredEvaluation,
    read_evaluation,
)
from scones.events import DriftOutcome
from scones.runs import Run, RunIncomplete

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True)
class DeployedModel:
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
class NotComparable:
    """What there is instead, as the outcome of a check."""

    outcome: DriftOutcome
    message: str


def find_deployed_model(client: "SageMakerClient", endpoint: str) -> DeployedModel | NotComparable:
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
    state = describe_endpoint(client, endpoint)
    if state is None:
        return NotComparable(
            "no_model", f"there is no endpoint {endpoint}: promote a version first"
        )
    if state.status == "Failed":
        return NotComparable("no_model", f"endpoint {endpoint} failed: promote a version")
    if state.status != "InService":
        return NotComparable(
            "changing", f"endpoint {endpoint} is {state.status}: the next check will tell"
        )
    model_package = _model_package(client, state)
    if isinstance(model_package, NotComparable):
        return model_package
    run = model_package.get("CustomerMetadataProperties", {}).get("run")
    if not run:
        return NotComparable(
            "no_evaluation",
            f"{model_package['ModelPackageArn']} was not registered by a retraining: it has no "
            "evaluation to compare with",
        )
    return DeployedModel(model_package["ModelPackageArn"], run, state.changed_at)


def find_baseline(
    client: "S3Client", run: Run, class_names: Sequence[str]
) -> StoredEvaluation | NotComparable:
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
        As `scones.storage.s3_errors`.
    """
    try:
        evaluation = read_evaluation(client, run)
    except RunIncomplete:
        return NotComparable(
            "no_evaluation",
            f"{run.uri(FILE)} is not there any more: there is nothing to compare with until the "
            "next model is promoted",
        )
    except InvalidEvaluationError as error:
        return NotComparable("no_evaluation", str(error))
    if evaluation.class_names != tuple(class_names):
        return NotComparable(
            "no_evaluation",
            f"the model in production is of the classes {', '.join(evaluation.class_names)}, and "
            f"the stack has {', '.join(class_names)} now: retrain, and promote the new version",
        )
    return evaluation


def _model_package(client: "SageMakerClient", endpoint: EndpointState) -> Any:
    """Describe the model package that an endpoint runs."""
    model = endpoint.model
    if model is None:
        return NotComparable(
            "no_evaluation",
            f"the configuration {endpoint.config}, or its model, was deleted: promote again",
        )
    arn = model.model_package_arn
    model_package = arn and describe_or_none(client.describe_model_package, ModelPackageName=arn)
    if not model_package:
        return NotComparable(
            "no_evaluation",
            f"{arn or model.artifacts} is in production, which is no registered version: it has "
            "no evaluation to compare with",
        )
    return model_package
