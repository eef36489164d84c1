"""A model version goes from the account of staging to that of production, and is promoted there."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scones.runs import Run
from scones_local.cloud.lifecycle import Cloud
from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.models import registry
from scones_operator.models.copy import CHECKSUM, SOURCE, StackLocation, copy_version
from scones_operator.models.drift import check_drift
from scones_operator.models.registry import PENDING
from scones_operator.progress import ItemProgress, ignore_progress
from tests.e2e.harness import Application
from tests.e2e.operations import Operator

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reader(application: Application) -> Cloud:
    """A user who may read the models of staging, and nothing else in either account."""
    return application.as_user("model-reader", "ModelReaderPolicy")


@pytest.fixture(scope="module")
def copier(production: Application) -> Cloud:
    """A user who may register copies in production, and nothing else in either account."""
    return production.as_user("model-copier", "ModelCopierPolicy")


def run_copy(version: int, profiles: dict[str, Cloud], folder: Path) -> Any:
    """Run `scones copy` with a profile per account, and return its output."""
    config = folder / "config"
    config.write_text(
        "".join(
            f"[profile {name}]\naws_access_key_id = {one.access_key}\n"
            f"aws_secret_access_key = {one.secret_key}\nregion = {one.region}\n"
            f"endpoint_url = {one.endpoint}\n"
            for name, one in profiles.items()
        )
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    words = ["--json", "--profile", "production", "copy", str(version)]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "scones_operator.cli",
            *words,
            "--from-profile",
            "staging",
            "--from-stack",
            DEFAULT_STACK_NAME,
        ],
        cwd=ROOT,
        env={**environ, "AWS_CONFIG_FILE": str(config), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Interrupted(Exception):
    """The connection ends in the middle of a copy."""


def interrupt(amount: ItemProgress) -> None:
    # Evaluation, lists, and some of the pictures are copied by then.
    if amount.done == 12:
        raise Interrupted


def test_a_copy_is_promoted_in_the_other_account(
    application: Application,
    production: Application,
    reader: Cloud,
    copier: Cloud,
    tmp_path: Path,
) -> None:
    source = registry.get_version(application.session, application.stack, 1)
    places = [
        StackLocation(reader.session(), application.stack),
        StackLocation(copier.session(), production.stack),
    ]
    with pytest.raises(Interrupted):
        copy_version(*places, 1, interrupt)
    assert registry.list_versions(production.session, production.stack) == []

    # The command continues, and registers one version however often it is run.
    answer = run_copy(1, {"staging": reader, "production": copier}, tmp_path)
    again = run_copy(1, {"staging": reader, "production": copier}, tmp_path)

    assert (answer["new"], answer["version"], answer["status"]) == (True, 1, PENDING)
    assert (again["new"], again["arn"]) == (False, answer["arn"])
    (copied,) = registry.list_versions(production.session, production.stack)
    assert copied.arn.split(":")[4] == production.cloud.account != application.cloud.account
    assert copied.metadata[SOURCE] == source.arn
    assert copied.metadata["accuracy"] == source.metadata["accuracy"]
    assert_same_artifacts(application, production, source, copied)

    operator = Operator(production)
    outcome = operator.promote(1)
    assert outcome.outcome == "promoted", outcome.message
    checked = check_drift(production.operator.session(), production.stack, "tests")
    assert checked.outcome == "too_few", checked.message


def assert_same_artifacts(
    application: Application, production: Application, source: Any, copied: Any
) -> None:
    """The copy names its own account's object, with the content and the ETag that it noted."""
    bodies = []
    for place, version in ((application, source), (production, copied)):
        run = Run(place.stack.data_bucket, version.metadata["run"])
        assert version.metadata["artifacts"].startswith(run.uri("model/"))
        key = version.metadata["artifacts"].removeprefix(f"s3://{run.bucket}/")
        found = place.client("s3").get_object(Bucket=run.bucket, Key=key)
        assert found["ETag"].strip('"') == version.metadata["artifacts_etag"]
        bodies.append(found["Body"].read())
    assert bodies[0] == bodies[1]
    assert copied.metadata[CHECKSUM] == hashlib.sha256(bodies[1]).hexdigest()


def test_copied_photos_expire_with_the_others(production: Application) -> None:
    s3, bucket = production.client("s3"), production.stack.data_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="retraining/")["Contents"]
    tags = {
        item["Key"].split("/")[2]: s3.get_object_tagging(Bucket=bucket, Key=item["Key"])["TagSet"]
        for item in listed
        if not item["Key"].endswith("last-trained.json")
    }
    photos = [{"Key": "retention", "Value": "photos"}]
    assert tags == {"model": [], "evaluation": [], "lists": photos, "pictures": photos}
    pictures = [item for item in listed if "/pictures/" in item["Key"]]
    assert len(pictures) == int(production.stack.parameters["SmokePhotos"])


def test_the_copier_overwrites_and_approves_nothing(production: Application, copier: Cloud) -> None:
    session, stack = copier.session(), production.stack
    s3, sagemaker = session.client("s3"), session.client("sagemaker")
    listed = production.client("s3").list_objects_v2(Bucket=stack.data_bucket, Prefix="retraining/")
    package = {
        "ModelPackageGroupName": stack.model_package_group,
        "InferenceSpecification": {
            "Containers": [{"Image": stack.training_image, "ModelDataUrl": "s3://b/m.tar.gz"}],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    }
    of_staging = {"CustomerMetadataProperties": {SOURCE: "arn:x"}}
    for item in listed["Contents"]:
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            s3.put_object(Bucket=stack.data_bucket, Key=item["Key"], Body=b"x")
    for more in (
        {"ModelApprovalStatus": "Approved", **of_staging},
        {"ModelApprovalStatus": PENDING},
    ):
        with pytest.raises(sagemaker.exceptions.ClientError, match="AccessDenied"):
            sagemaker.create_model_package(**package, **more)


def test_neither_account_is_open_to_the_other(
    application: Application, production: Application, reader: Cloud, copier: Cloud
) -> None:
    """A key of one account is unknown in the other."""
    for cloud, other in ((reader, production), (copier, application)):
        there = replace(other.cloud, access_key=cloud.access_key, secret_key=cloud.secret_key)
        client = there.session().client("s3")
        with pytest.raises(client.exceptions.ClientError, match="InvalidAccessKeyId"):
            client.list_objects_v2(Bucket=other.stack.data_bucket)


def test_a_version_of_other_classes_is_not_copied(
    application: Application, production: Application, reader: Cloud, copier: Cloud
) -> None:
    parameters = {**production.stack.parameters, "ClassNames": "motorcycle,bicycle"}
    stack = replace(production.stack, parameters=parameters)
    source = StackLocation(reader.session(), application.stack)
    with pytest.raises(registry.PreconditionError, match="other classes"):
        copy_version(source, StackLocation(copier.session(), stack), 1, ignore_progress)
