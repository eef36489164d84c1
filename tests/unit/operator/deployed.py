"""A registry and buckets of moto's, and Step Functions of our own."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.moto_api._internal import moto_api_backend

from scones import approvals
from scones.callers import Caller
from scones_operator.aws.stack import Stack
from scones_operator.models import promotion
from tests.unit.operator.step_functions import PROMOTE, RETRAIN, StepFunctions

STACK = Stack(
    photos_bucket="photos",
    data_bucket="data",
    results_table="table",
    event_bus="bus",
    review_topic="arn:aws:sns:us-east-1:123456789012:review",
    endpoint="scones",
    classify_log_group="group",
    retrain_state_machine=RETRAIN,
    promote_state_machine=PROMOTE,
    model_package_group="scones",
    training_image="123456789012.dkr.ecr.us-east-1.amazonaws.com/scones-training:latest",
    operators_topic="arn:aws:sns:us-east-1:123456789012:operators",
    classify_state_machine="arn:aws:states:us-east-1:123456789012:stateMachine:classify",
    dead_letter_queue="https://sqs.us-east-1.amazonaws.com/123456789012/undelivered",
    missed_metrics_queue="https://sqs.us-east-1.amazonaws.com/123456789012/missed",
    threshold_parameter="/scones/scones/threshold/0.93",
    familiarity_limit_parameter="/scones/scones/familiarity-limit/0.05",
    check_drift_function="scones-check-drift",
    answer_url="https://answer.lambda-url.us-east-1.on.aws/",
    review_url="https://review.lambda-url.us-east-1.on.aws/",
    parameters={
        "ClassNames": "bicycle,motorcycle",
        "LoadingBays": "bicycle=A,motorcycle=B",
        "ImageShape": "3,32,32",
        "Threshold": "0.93",
        "FamiliarityLimit": "0.05",
    },
)


class Session:
    """A session whose Step Functions are ours, and all else moto's."""

    region_name = "us-east-1"

    def __init__(self, clients: dict[str, Any]) -> None:
        self.machines = StepFunctions()
        self._clients = clients

    def client(self, service: str, **_: Any) -> Any:
        if service == "stepfunctions":
            return self.machines
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=self.region_name)  # type: ignore[call-overload]
        return self._clients[service]

    def register(self, status: str = "PendingManualApproval", **metadata: str) -> str:
        """Register a version; gives its ARN."""
        container = {"Image": "image", "ModelDataUrl": "s3://data/model.tar.gz"}
        created = self.client("sagemaker").create_model_package(
            ModelPackageGroupName=STACK.model_package_group,
            ModelApprovalStatus=status,
            CustomerMetadataProperties=metadata,
            InferenceSpecification={"Containers": [container]},
        )
        return str(created["ModelPackageArn"])

    def put_into_production(self, **container: str) -> None:
        """Host what a container names behind the production endpoint."""
        client = self.client("sagemaker")
        client.create_model(
            ModelName="m",
            ExecutionRoleArn="arn:aws:iam::123456789012:role/hosting",
            PrimaryContainer=container,
        )
        variant = {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1}
        client.create_endpoint_config(
            EndpointConfigName="c",
            ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}],
        )
        client.create_endpoint(EndpointName=STACK.endpoint, EndpointConfigName="c")

    def status(self, arn: str) -> str:
        package = self.client("sagemaker").describe_model_package(ModelPackageName=arn)
        return str(package["ModelApprovalStatus"])


ANNA = Caller("arn:aws:iam::123456789012:user/anna", "AIDA-OF-anna")


class _Answering:
    """The function `answer_promotion` in this process, called by ``anna``."""

    def __init__(self, session: Any, url: str, look_with: str) -> None:
        assert url == STACK.answer_url
        self._client = session.client("stepfunctions")

    def call(self, request: Any) -> Any:
        decision = approvals.Decision.model_validate_json(json.dumps(request))
        return approvals.respond(self._client, decision, ANNA).model_dump(mode="json")


@pytest.fixture(autouse=True)
def answers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the function's URL, which test_function_urls.py tests."""
    monkeypatch.setattr(promotion, "UrlClient", _Answering)


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Any]]:
    """Clients are slow to make: those of a file's tests are shared, and what they made is not."""
    with mock_aws():
        yield {}


@pytest.fixture
def session(clients: dict[str, Any]) -> Session:
    moto_api_backend.reset()
    session = Session(clients)
    session.client("sagemaker").create_model_package_group(ModelPackageGroupName="scones")
    return session


@pytest.fixture
def machines(session: Session) -> StepFunctions:
    return session.machines
