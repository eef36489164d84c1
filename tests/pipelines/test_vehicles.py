"""The pipeline `vehicles` in a deployed stack: its version is promoted as one of `retrain` is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scones_local import samples
from scones_local.cloud import lifecycle
from scones_local.run import deploy
from scones_local.run.application import Settings
from scones_local.run.datasets import upload_dataset
from scones_local.run.photo_folder import read_dataset
from scones_operator.aws.stack import Stack
from tests.e2e.harness import Application
from tests.e2e.operations import Operator
from tests.pipelines.conftest import Pipelines, deploy_roles

KWARGS = "{'model_package_group_name': 'scones', 'code_version': 'abc123'}"
SHAPE = "{'ImageShape': '3,32,32'}"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The application, deployed with a dataset and without a model."""
    drawn = samples.generate(
        tmp_path_factory.mktemp("samples"),
        per_class=40,
        validation_per_class=30,
        negatives=20,
        photos=4,
        seed=7,
    )
    dataset = read_dataset(drawn.dataset)
    with lifecycle.start(tmp_path_factory.mktemp("cloud")) as running:
        work, environ = Path(".local"), running.environ()
        parameters = deploy.host_parameters() | Settings("3,32,32").parameters(running, dataset)
        with deploy.lock_folder(work):
            deploy.deploy(deploy.build(work, environ, parameters), environ, parameters)
        stack = Stack.read(running.session())
        upload_dataset(running.session(), stack.data_bucket, dataset, lambda *_: None)
        yield Application(running, stack)


@pytest.fixture(scope="module")
def pipelines(application: Application) -> Pipelines:
    bucket = application.stack.data_bucket
    group = application.stack.model_package_group
    role = deploy_roles(application.cloud, bucket, StackModelPackageGroup=group)
    return Pipelines(application.cloud, bucket, role)


def test_a_version_of_the_pipeline_is_promoted(
    application: Application, pipelines: Pipelines
) -> None:
    run = pipelines.run("vehicles", "--kwargs", KWARGS, "--parameters", SHAPE)

    assert run.returncode == 0, run.stdout + run.stderr
    (version,) = pipelines.versions(application.stack.model_package_group)
    _check_metadata(version["CustomerMetadataProperties"])
    operator = Operator(application)
    assert operator.promote(1).outcome == "promoted"
    assert operator.version_in_production() == 1
    _check_that_nothing_is_new(application, pipelines)
    _check_comparison_with_production(application, pipelines)


def _check_metadata(metadata: dict[str, Any]) -> None:
    assert metadata["run"].startswith("pipeline-")
    assert metadata["code_version"] == "abc123"
    assert metadata["algorithm"] == "own"
    assert float(metadata["accuracy"]) >= 0.6
    assert f"retraining/{metadata['run']}/model/" in metadata["artifacts"]


def _check_that_nothing_is_new(application: Application, pipelines: Pipelines) -> None:
    """The same is not trained again."""
    run = pipelines.run("vehicles", "--kwargs", KWARGS, "--parameters", SHAPE)

    assert run.returncode == 0, run.stderr
    assert "AnythingNew" in run.stdout
    assert "condition is false" in run.stdout
    assert len(pipelines.versions(application.stack.model_package_group)) == 1


def _check_comparison_with_production(application: Application, pipelines: Pipelines) -> None:
    """A new model is evaluated against version 1, which predicts the same photos."""
    parameters = {"ImageShape": "3,32,32", "Force": "true", "AccuracyMargin": 0.2}

    run = pipelines.run("vehicles", "--kwargs", KWARGS, "--parameters", json.dumps(parameters))

    assert run.returncode == 0, run.stdout + run.stderr
    version = pipelines.versions(application.stack.model_package_group)[-1]
    uri = version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    key = uri.removeprefix(f"s3://{pipelines.bucket}/")
    body = pipelines.client("s3").get_object(Bucket=pipelines.bucket, Key=key)["Body"]
    report = json.loads(body.read())
    assert report["champion"]["photos"] == report["candidate"]["photos"]
    assert "the model in production has" in report["message"]
