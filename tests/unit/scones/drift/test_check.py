"""Checks of a whole stream of photos, with SageMaker, S3 and DynamoDB as moto has them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.moto_api._internal import moto_api_backend

from scones.drift import Clients, Request, check_drift
from scones.events import DriftChecked
from scones.settings import CheckDriftSettings
from tests.unit.in_moto import put_item
from tests.unit.results_table import (
    BROKEN,
    break_record,
    create_table,
    decided,
    put_record,
    record_item,
)
from tests.unit.scones.drift.evaluations import CLASSES, document

RUN = "scones-20261102031500-4f9a1c"
EVALUATION = f"retraining/{RUN}/evaluation/evaluation.json"
SETTINGS = {
    "ENDPOINT_NAME": "scones",
    "DATA_BUCKET": "data",
    "RESULTS_TABLE": "results",
    "EVENT_BUS": "scones",
    "CLASS_NAMES": ",".join(CLASSES),
    "DRIFT_DAYS": "7",
    "DRIFT_MINIMUM_PHOTOS": "40",
    "DRIFT_LIMIT": "0.25",
    "LABEL_DRIFT_LIMIT": "0.25",
    "RETRAIN_ON_DRIFT": "false",
}
Draw = Callable[[Random], float]
DrawOrNone = Callable[[Random], float | None]


def sure(random: Random) -> float:
    return round(random.betavariate(12, 1), 6)


def unsure(random: Random) -> float:
    return round(random.betavariate(4, 2), 6)


@dataclass
class Stack:
    """A stack with a model in production, whose table holds what a test says."""

    clients: Clients

    @property
    def promoted(self) -> datetime:
        found = self.clients.sagemaker.describe_endpoint(EndpointName="scones")
        return found["LastModifiedTime"].astimezone(UTC)

    def register(self, **metadata: str) -> str:
        created = self.clients.sagemaker.create_model_package(
            ModelPackageGroupName="scones",
            CustomerMetadataProperties=metadata,
            InferenceSpecification={"Containers": [{"Image": "i", "ModelDataUrl": "s3://data/m"}]},
        )
        return created["ModelPackageArn"]

    def host(self, **container: str) -> None:
        client = self.clients.sagemaker
        client.create_model(
            ModelName="m",
            ExecutionRoleArn="arn:aws:iam::123456789012:role/r",
            PrimaryContainer=container,  # type: ignore[arg-type]
        )
        client.create_endpoint_config(
            EndpointConfigName="c",
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": "m",
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                }
            ],
        )
        client.create_endpoint(EndpointName="scones", EndpointConfigName="c")

    def evaluate(self, confidences: Sequence[float], predicted: dict[str, int]) -> None:
        self.store(document(confidences, predicted))

    def store(self, content: object) -> None:
        self.clients.s3.put_object(Bucket="data", Key=EVALUATION, Body=json.dumps(content))

    def decide(
        self,
        photos: int,
        draw: Draw,
        random: Random,
        bicycles: float = 0.5,
        familiarity: DrawOrNone | None = None,
    ) -> None:
        """Let production decide photos, a second apart, from the promotion on."""
        start = self.promoted + timedelta(seconds=1)
        for second in range(photos):
            confidence = draw(random)
            label = CLASSES[random.random() >= bicycles]
            at = start + timedelta(seconds=second)
            familiar = familiarity(random) if familiarity else None
            self.put(f"{second}.png", at, confidence, label, familiarity=familiar)

    def put(
        self,
        name: str,
        at: datetime,
        confidence: float,
        label: str,
        endpoint: str = "scones",
        familiarity: float | None = None,
    ) -> None:
        status = "classified" if confidence >= 0.93 else "needs_review"
        base = decided(name, status)
        event = base.model_copy(
            update={
                "confidence": confidence,
                "label": label,
                "familiarity": familiarity,
                "model": base.model and base.model.model_copy(update={"endpoint": endpoint}),
                "timings": base.timings.model_copy(update={"decided_at": at}),
            }
        )
        put_item("results", record_item(event))

    def check(self, now: datetime | None = None, **settings: str) -> DriftChecked:
        return check_drift(
            self.clients,
            CheckDriftSettings.read(SETTINGS | settings),
            Request(requested_by="tests"),
            now or self.promoted + timedelta(hours=2),
        )


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    """Clients are slow to make."""
    with mock_aws():
        yield Clients(
            sagemaker=boto3.client("sagemaker", region_name="us-east-1"),
            s3=boto3.client("s3", region_name="us-east-1"),
            dynamodb=boto3.client("dynamodb", region_name="us-east-1"),
        )


@pytest.fixture
def empty(clients: Clients) -> Stack:
    moto_api_backend.reset()
    clients.s3.create_bucket(Bucket="data")
    create_table(clients.dynamodb, "results")
    clients.sagemaker.create_model_package_group(ModelPackageGroupName="scones")
    return Stack(clients)


@pytest.fixture
def random() -> Random:
    return Random(11)


@pytest.fixture
def stack(empty: Stack, random: Random) -> Stack:
    """With a version in production, evaluated on 300 photos that it was mostly sure of."""
    empty.host(ModelPackageName=empty.register(run=RUN))
    empty.evaluate([sure(random) for _ in range(300)], {"bicycle": 150, "motorcycle": 150})
    return empty


def test_a_steady_stream_is_steady(stack: Stack, random: Random) -> None:
    stack.decide(60, sure, random)

    checked = stack.check(RETRAIN_ON_DRIFT="true")

    assert checked.outcome == "steady", checked.message
    assert checked.photos == 60
    assert checked.evaluation == f"s3://data/{EVALUATION}"
    assert checked.evaluation_photos == 300
    assert checked.model_version == 1
    assert checked.requested_by == "tests"
    assert not checked.retraining_requested
    assert checked.confidence is not None
    assert sum(share.observed for share in checked.confidence.shares) == pytest.approx(1, abs=1e-5)
    DriftChecked.model_validate_json(checked.model_dump_json())


def test_a_stream_that_the_model_is_less_sure_of_is_shifted(stack: Stack, random: Random) -> None:
    stack.decide(60, unsure, random)

    checked = stack.check()

    assert checked.outcome == "shifted"
    assert checked.confidence is not None
    assert checked.labels is not None
    assert checked.confidence.shifted
    assert checked.confidence.index > 0.25
    assert not checked.labels.shifted
    assert "confidences shifted, index " in checked.message
    assert not checked.retraining_requested


def test_another_mix_of_classes_is_shifted(stack: Stack, random: Random) -> None:
    stack.decide(60, sure, random, bicycles=0.9)

    checked = stack.check(RETRAIN_ON_DRIFT="true")

    assert checked.outcome == "shifted"
    assert checked.confidence is not None
    assert checked.labels is not None
    assert not checked.confidence.shifted
    assert checked.labels.shifted
    assert [share.name for share in checked.labels.shares] == list(CLASSES)
    assert checked.retraining_requested


def uniform(random: Random) -> float:
    return round(random.random(), 6)


def strange(random: Random) -> float:
    return round(random.betavariate(1, 8), 6)


def test_photos_as_familiar_as_held_out_ones_are_steady(stack: Stack, random: Random) -> None:
    stack.decide(60, sure, random, familiarity=uniform)

    checked = stack.check()

    assert checked.outcome == "steady", checked.message
    assert checked.familiarity is not None
    assert {share.expected for share in checked.familiarity.shares} == {0.1}
    assert [share.name for share in checked.familiarity.shares][:2] == ["below 0.1", "0.1 to 0.2"]
    assert sum(share.observed for share in checked.familiarity.shares) == pytest.approx(1, abs=1e-5)
    assert checked.familiarity.limit == 0.25
    assert "; familiarities, against a uniform distribution, steady, index " in checked.message


def test_unfamiliar_photos_are_shifted_though_the_model_is_sure(
    stack: Stack, random: Random
) -> None:
    stack.decide(60, sure, random, familiarity=strange)

    checked = stack.check(RETRAIN_ON_DRIFT="true")

    assert checked.outcome == "shifted"
    assert checked.confidence is not None
    assert not checked.confidence.shifted
    assert checked.familiarity is not None
    assert checked.familiarity.shifted
    assert "familiarities, against a uniform distribution, shifted" in checked.message
    assert checked.retraining_requested


@pytest.mark.parametrize("familiar", [0, 1, 39])
def test_with_too_few_familiarities_they_are_not_compared(
    stack: Stack, random: Random, familiar: int
) -> None:
    draws = iter([0.0] * familiar)
    # The others were decided before the state machine passed familiarities on.
    stack.decide(60, sure, random, familiarity=lambda _: next(draws, None))

    checked = stack.check()

    assert (checked.outcome, checked.familiarity) == ("steady", None)
    assert "familiarities" not in checked.message


def test_a_higher_limit_is_kept(stack: Stack, random: Random) -> None:
    stack.decide(60, sure, random, bicycles=0.9)

    assert stack.check(LABEL_DRIFT_LIMIT="10").outcome == "steady"


def test_too_few_photos_are_not_compared(stack: Stack, random: Random) -> None:
    stack.decide(39, unsure, random)

    checked = stack.check()

    assert checked.outcome == "too_few"
    assert checked.confidence is None
    assert checked.labels is None
    assert "version 1 decided 39 photos since " in checked.message
    assert "a comparison needs 40" in checked.message


def test_what_other_models_decided_does_not_count(stack: Stack, random: Random) -> None:
    """Neither before the promotion, nor by another endpoint."""
    for second in range(50):
        before = stack.promoted - timedelta(seconds=second + 1)
        after = stack.promoted + timedelta(seconds=second + 1)
        stack.put(f"before {second}", before, unsure(random), "bicycle")
        stack.put(f"other {second}", after, unsure(random), "bicycle", endpoint="scones-old")
    stack.decide(40, sure, random)

    checked = stack.check()

    assert (checked.outcome, checked.photos) == ("steady", 40)
    assert checked.since == stack.promoted


def test_photos_that_were_sent_to_try_the_application_hide_no_shift(
    stack: Stack, random: Random
) -> None:
    stack.decide(60, unsure, random)
    for number in range(120):
        at = stack.promoted + timedelta(minutes=5, seconds=number)
        stack.put(f"simulated/20261121/{number}.png", at, sure(random), "bicycle")

    checked = stack.check()

    assert (checked.outcome, checked.photos) == ("shifted", 60)


def test_only_the_last_days_count(stack: Stack, random: Random) -> None:
    stack.decide(60, unsure, random)
    late = stack.promoted + timedelta(days=7, seconds=41)

    checked = stack.check(late)

    assert (checked.outcome, checked.photos) == ("too_few", 20)
    assert checked.since == late - timedelta(days=7)


def test_photos_without_an_answer_do_not_count(stack: Stack) -> None:
    for second in range(50):
        at = stack.promoted + timedelta(seconds=second + 1)
        failed = decided(f"{second}.png", "failed")
        timings = failed.timings.model_copy(update={"decided_at": at})
        put_record(
            stack.clients.dynamodb, "results", failed.model_copy(update={"timings": timings})
        )

    assert stack.check().photos == 0


def test_without_an_endpoint_there_is_no_model(empty: Stack) -> None:
    checked = empty.check(datetime.now(UTC))

    assert checked.outcome == "no_model"
    assert checked.message == "there is no endpoint scones: promote a version first"
    assert checked.since is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("Updating", "changing"), ("RollingBack", "changing"), ("Failed", "no_model")],
)
def test_production_that_is_changing_is_not_compared(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, status: str, outcome: str
) -> None:
    describe = stack.clients.sagemaker.describe_endpoint
    monkeypatch.setattr(
        stack.clients.sagemaker,
        "describe_endpoint",
        lambda **which: describe(**which) | {"EndpointStatus": status},
    )

    assert stack.check().outcome == outcome


def test_a_saved_model_has_no_evaluation(empty: Stack) -> None:
    empty.host(Image="i", ModelDataUrl="s3://data/models/model.tar.gz")

    checked = empty.check()

    assert checked.outcome == "no_evaluation"
    assert "s3://data/models/model.tar.gz is in production" in checked.message


def test_a_version_that_no_retraining_registered_has_no_evaluation(empty: Stack) -> None:
    empty.host(ModelPackageName=empty.register(by="hand"))

    assert "was not registered by a retraining" in empty.check().message


def test_an_evaluation_that_was_deleted_is_told(stack: Stack) -> None:
    stack.clients.s3.delete_object(Bucket="data", Key=EVALUATION)

    checked = stack.check()

    assert checked.outcome == "no_evaluation"
    assert f"s3://data/{EVALUATION} is not there any more" in checked.message
    assert checked.model_version == 1


def test_an_evaluation_of_another_format_is_told(stack: Stack) -> None:
    stack.store({"version": "2", "class_names": ["a"], "candidate": {}})

    assert "evaluation.json: version: Input should be '1'" in stack.check().message


def test_an_evaluation_of_other_classes_is_not_compared(stack: Stack) -> None:
    checked = stack.check(CLASS_NAMES="van,bicycle")

    assert checked.outcome == "no_evaluation"
    assert (
        "is of the classes bicycle, motorcycle, and the stack has van, bicycle" in checked.message
    )


@pytest.mark.parametrize(
    "delete",
    [
        lambda client: client.delete_model(ModelName="m"),
        lambda client: client.delete_endpoint_config(EndpointConfigName="c"),
    ],
)
def test_a_deleted_model_is_told(stack: Stack, delete: Callable[[Any], None]) -> None:
    delete(stack.clients.sagemaker)

    assert "the configuration c, or its model, was deleted" in stack.check().message


def test_a_missing_permission_is_an_error(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: str) -> None:
        raise stack.clients.sagemaker.exceptions.ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeModel"
        )

    monkeypatch.setattr(stack.clients.sagemaker, "describe_model", denied)

    with pytest.raises(Exception, match="AccessDenied"):
        stack.check()


def test_records_that_can_not_be_read_are_counted(stack: Stack, random: Random) -> None:
    stack.decide(45, sure, random)
    table, client = SETTINGS["RESULTS_TABLE"], stack.clients.dynamodb
    for item in client.scan(TableName=table)["Items"][:2]:
        key = {name: item[name] for name in ("photo", "version")}
        break_record(client, table, key, BROKEN["a later version"])

    checked = stack.check()

    assert (checked.photos, checked.skipped) == (43, 2)
    assert "; 2 records are skipped, the first of them: " in checked.message
