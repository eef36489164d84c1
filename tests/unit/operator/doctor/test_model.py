from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto.moto_api._internal import moto_api_backend

from scones_operator.doctor import model
from scones_operator.doctor.subject import Subject
from tests.unit.operator.deployed import STACK, Session
from tests.unit.operator.doctor.stubbed import NOW, Stubbed, subject
from tests.unit.operator.step_functions import PROMOTE, START, StepFunctions, asked, entered
from tests.unit.results_table import START as DECIDED
from tests.unit.results_table import create_table, decided, put_record

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/scones:1"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
ROLE = "arn:aws:iam::1:role/hosting"
MISSING = ("ValidationException", "Could not find endpoint")


# ---- the image


def stored(session: Stubbed, manifest: str = DOCKER, **wanted: str) -> None:
    details = {"imageManifestMediaType": manifest, "imagePushedAt": NOW, "imageTags": ["1"]}
    asked = {
        "registryId": "123456789012",
        "repositoryName": "team/scones",
        "imageIds": [wanted or {"imageTag": "1"}],
    }
    session.answer("ecr", "describe_images", {"imageDetails": [details]}, asked)


def image(session: Any, uri: str = IMAGE) -> Any:
    return model.check_image(subject(session, Algorithm="own", TrainingImage=uri))


def test_an_image_that_exists(session: Stubbed) -> None:
    stored(session)

    assert image(session).message == f"{IMAGE} was pushed on 2026-11-28"


@pytest.mark.parametrize(
    ("suffix", "wanted"),
    [
        (f"@sha256:{'a' * 64}", {"imageDigest": f"sha256:{'a' * 64}"}),
        ("", {"imageTag": "latest"}),
    ],
)
def test_images_without_a_tag(session: Stubbed, suffix: str, wanted: dict[str, str]) -> None:
    stored(session, **wanted)

    assert image(session, IMAGE.removesuffix(":1") + suffix).status == "ok"


@pytest.mark.parametrize("code", ["ImageNotFoundException", "RepositoryNotFoundException"])
def test_an_image_that_does_not_exist(session: Stubbed, code: str) -> None:
    session.refuse("ecr", "describe_images", code)

    found = image(session)

    assert (found.status, found.message) == ("problem", f"{IMAGE} does not exist")


@pytest.mark.parametrize("kind", ["manifest.v1+json", "index.v1+json"])
def test_an_oci_image(session: Stubbed, kind: str) -> None:
    stored(session, f"application/vnd.oci.image.{kind}")

    found = image(session)

    assert found.status == "problem"
    assert "--provenance=false --output type=docker" in found.advice


def test_an_image_of_another_region(session: Stubbed) -> None:
    assert image(session, IMAGE.replace("eu-central-1", "us-east-1")).status == "problem"


def test_the_built_in_algorithm_has_no_image_of_ours(session: Stubbed) -> None:
    assert model.check_image(subject(session)).status == "not_checked"


# ---- group and endpoint


@pytest.mark.parametrize(
    ("physical", "status"),
    [
        ("arn:aws:sagemaker:eu-central-1:123456789012:model-package-group/scones", "ok"),
        ("scones", "ok"),
        ("arn:aws:sagemaker:eu-central-1:123456789012:model-package-group/other", "problem"),
    ],
)
def test_the_model_package_group(session: Stubbed, physical: str, status: str) -> None:
    groups = {"AWS::SageMaker::ModelPackageGroup": {"ModelPackages": physical}}

    assert model.check_group(subject(session, groups), STACK).status == status


def hosted(session: Stubbed, role: str = ROLE, status: str = "InService", **more: str) -> None:
    arn = "arn:aws:sagemaker:eu-central-1:123456789012"
    endpoint = {
        "EndpointName": "scones",
        "EndpointArn": f"{arn}:endpoint/scones",
        "EndpointConfigName": "c",
        "EndpointStatus": status,
        "CreationTime": NOW,
        "LastModifiedTime": NOW,
        **more,
    }
    session.answer("sagemaker", "describe_endpoint", endpoint, {"EndpointName": "scones"})
    if status == "Failed":
        return
    config = {
        "EndpointConfigName": "c",
        "EndpointConfigArn": f"{arn}:endpoint-config/c",
        "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "m"}],
        "CreationTime": NOW,
    }
    session.answer("sagemaker", "describe_endpoint_config", config)
    described = {"ModelName": "m", "ModelArn": f"{arn}:model/m", "CreationTime": NOW}
    session.answer("sagemaker", "describe_model", {**described, "ExecutionRoleArn": role})


def test_an_endpoint_of_the_stack(session: Stubbed) -> None:
    hosted(session)

    assert model.check_endpoint(subject(session), STACK).message == "scones is InService"


def test_an_endpoint_that_somebody_else_made(session: Stubbed) -> None:
    hosted(session, role="arn:aws:iam::1:role/other")

    found = model.check_endpoint(subject(session), STACK)

    assert (found.status, found.message) == (
        "warning",
        "scones runs the model m, which this stack did not create",
    )


def test_an_endpoint_that_failed(session: Stubbed) -> None:
    hosted(session, status="Failed", FailureReason="no capacity")

    found = model.check_endpoint(subject(session), STACK)

    assert (found.status, found.message) == ("problem", "scones is Failed: no capacity")


def test_no_endpoint(session: Stubbed) -> None:
    session.refuse("sagemaker", "describe_endpoint", *MISSING)

    found = model.check_endpoint(subject(session), STACK)
    assert found.status == "warning"
    assert found.advice == (
        "roll back to an approved version; if there is none, train and approve one"
    )
    assert found.command == "scones models"


def test_an_endpoint_of_unknown_model(session: Stubbed) -> None:
    endpoint = {
        "EndpointName": "scones",
        "EndpointArn": "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/scones",
        "EndpointConfigName": "c",
        "EndpointStatus": "InService",
        "CreationTime": NOW,
        "LastModifiedTime": NOW,
    }
    session.answer("sagemaker", "describe_endpoint", endpoint)
    session.refuse("sagemaker", "describe_endpoint_config", *MISSING)

    found = model.check_endpoint(subject(session), STACK)

    assert found.status == "warning"
    assert "which model it runs is unknown" in found.message


# ---- promotion and review


def at(session: Any, now: datetime) -> Subject:
    return replace(subject(session), now=now)


class Machines:
    """A session with Step Functions alone."""

    region_name = "eu-central-1"

    def __init__(self) -> None:
        self.machines = StepFunctions()

    def client(self, service: str, **_: Any) -> Any:
        assert service == "stepfunctions"
        return self.machines


def test_no_promotion() -> None:
    assert model.check_promotion(at(Machines(), NOW), STACK).message == "none is running"


def test_a_promotion_that_does_not_ask_yet() -> None:
    machines = Machines()
    machines.machines.run(PROMOTE, {"rollback_to": "arn:model-package/scones/2"}, [
        [entered("Update Endpoint")]
    ])  # fmt: skip

    found = model.check_promotion(at(machines, NOW), STACK)

    assert (found.status, found.message) == ("ok", "the rollback to version 2 is running")


@pytest.mark.parametrize(("hours", "status"), [(23, "ok"), (25, "warning")])
def test_a_promotion_that_waits(hours: int, status: str) -> None:
    machines = Machines()
    machines.machines.run(PROMOTE, {"detail": {"ModelPackageArn": "arn:x/3"}}, [asked("t", 3)])

    found = model.check_promotion(at(machines, START + timedelta(hours=hours, minutes=5)), STACK)

    assert found.status == status
    assert "version 3 has waited for approval for" in found.message
    assert status == "ok" or found.command == "scones promote --approve 3"


@pytest.fixture
def reviewing(clients: dict[str, Any]) -> Session:
    """A session with an empty results table."""
    moto_api_backend.reset()
    session = Session(clients)
    create_table(session.client("dynamodb"), STACK.results_table)
    return session


def test_nobody_waits_for_review(reviewing: Session) -> None:
    put_record(reviewing.client("dynamodb"), STACK.results_table, decided())

    assert model.check_review(at(reviewing, NOW), STACK).message == "no photo waits"


@pytest.mark.parametrize(("days", "status"), [(2, "ok"), (4, "warning")])
def test_the_photo_that_waits_longest(reviewing: Session, days: int, status: str) -> None:
    for name, minutes in (("new.png", 60), ("old.png", 0)):
        waiting = decided(name, "needs_review", minutes)
        put_record(reviewing.client("dynamodb"), STACK.results_table, waiting)

    found = model.check_review(at(reviewing, DECIDED + timedelta(days=days)), STACK)

    assert (found.status, found.message) == (status, f"the oldest photo has waited for {days} days")
