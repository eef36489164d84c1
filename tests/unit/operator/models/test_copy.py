"""Copying a version from one stack to another: two stacks of one account of moto's."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones.classes import classes_hash
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.models import copy as copying
from scones_operator.models import registry
from scones_operator.models.copy import CHECKSUM, SOURCE, CopyResult, StackLocation, copy_version
from scones_operator.models.registry import PENDING
from scones_operator.progress import ItemProgress, ignore_progress
from tests.unit.operator.deployed import STACK

RUN = "scones-20261102031500-4f9a1c"
MODEL = f"retraining/{RUN}/model/{RUN}/output/model.tar.gz"
CLASSES = ("bicycle", "motorcycle")
PARAMETERS = {**STACK.parameters, "Algorithm": "own", "SmokePhotos": "2"}
STAGING = replace(STACK, parameters=PARAMETERS)
PRODUCTION = replace(
    STAGING,
    data_bucket="production-data",
    model_package_group="scones-production",
    training_image="210987654321.dkr.ecr.us-east-1.amazonaws.com/production-training:v1.2.0",
)
FILES = {
    MODEL: b"weights",
    f"retraining/{RUN}/model/other.txt": b"not copied",
    f"retraining/{RUN}/evaluation/evaluation.json": b"{}",
    f"retraining/{RUN}/evaluation/confusion.png": b"plot",
    f"retraining/{RUN}/lists/manifest.json": json.dumps(
        {"class_names": CLASSES, "fingerprint": "f" * 64}
    ).encode(),
    f"retraining/{RUN}/lists/validation.lst": b"0\t0\tbicycle/a.png\n1\t1\tmotorcycle/b.png\n"
    b"2\t0\tbicycle/c.png\n",
    f"retraining/{RUN}/lists/train.lst": b"3\t0\tbicycle/d.png\n",
    f"retraining/{RUN}/pictures/0.png": b"picture 0",
    f"retraining/{RUN}/pictures/1.png": b"picture 1",
    f"retraining/{RUN}/pictures/2.png": b"picture 2",
    f"retraining/{RUN}/predictions/0.json": b"[]",
}


@dataclass
class Stacks:
    """Two deployed stacks, of which the first has a version."""

    session: Any

    @property
    def s3(self) -> Any:
        return self.session.client("s3")

    def copy(
        self,
        number: int = 1,
        on_progress: Callable[[ItemProgress], None] = ignore_progress,
        **changed: Any,
    ) -> CopyResult:
        """Copy to production, with other settings there."""
        destination = replace(PRODUCTION, **changed)
        places = StackLocation(self.session, STAGING), StackLocation(self.session, destination)
        return copy_version(*places, number, on_progress)

    def copied(self) -> dict[str, bytes]:
        """Content of the objects in production's bucket."""
        bucket = PRODUCTION.data_bucket
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {
            item["Key"]: self.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            for item in listed
        }

    def register(self, status: str = "Approved", **metadata: str | None) -> str:
        """Register a version in staging, as `retrain` does; None leaves a name out."""
        etag = self.s3.head_object(Bucket=STAGING.data_bucket, Key=MODEL)["ETag"].strip('"')
        complete: dict[str, str | None] = {
            "run": RUN,
            "training_job": RUN,
            "saved_model": RUN,
            "accuracy": "0.91",
            "algorithm": "own",
            "classes": classes_hash(CLASSES, "3,32,32"),
            "artifacts": f"s3://{STAGING.data_bucket}/{MODEL}",
            "artifacts_etag": etag,
            "lists": f"s3://{STAGING.data_bucket}/retraining/{RUN}/lists/",
            **metadata,
        }
        created = self.session.client("sagemaker").create_model_package(
            ModelPackageGroupName=STAGING.model_package_group,
            ModelPackageDescription="Accuracy 0.91 on 3 photos",
            ModelApprovalStatus=status,
            CustomerMetadataProperties={n: v for n, v in complete.items() if v is not None},
            InferenceSpecification={
                "Containers": [
                    {
                        "Image": STAGING.training_image,
                        "ModelDataUrl": f"s3://{STAGING.data_bucket}/{MODEL}",
                    }
                ],
                "SupportedContentTypes": ["image/png"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
        )
        return str(created["ModelPackageArn"])


@pytest.fixture
def stacks(session: Any) -> Stacks:
    s3 = session.client("s3")
    for bucket in (STAGING.data_bucket, PRODUCTION.data_bucket):
        s3.create_bucket(Bucket=bucket)
    for key, body in FILES.items():
        s3.put_object(Bucket=STAGING.data_bucket, Key=key, Body=body, ContentType="x/y")
    session.client("sagemaker").create_model_package_group(
        ModelPackageGroupName=PRODUCTION.model_package_group
    )
    stacks = Stacks(session)
    stacks.register()
    return stacks


def test_a_copy_has_its_own_files_and_names_its_source(stacks: Stacks) -> None:
    amounts: list[ItemProgress] = []
    copy = stacks.copy(on_progress=amounts.append)

    expected = {
        key: body
        for key, body in FILES.items()
        if "predictions" not in key and "train.lst" not in key and "other" not in key
    }
    # One picture per class of three: as many as the smoke test there uses.
    assert len([key for key in stacks.copied() if "/pictures/" in key]) == 2
    assert stacks.copied().items() <= expected.items()
    assert stacks.copied().keys() >= {key for key in expected if "/pictures/" not in key}
    assert (amounts[-1].done, amounts[-1].total) == (len(expected) - 1, len(expected) - 1)
    assert copy.is_new
    version = copy.version
    assert (version.number, version.status) == (1, PENDING)
    assert version.metadata[SOURCE] == copy.source.arn
    assert version.metadata[CHECKSUM] == hashlib.sha256(FILES[MODEL]).hexdigest()
    assert version.metadata["artifacts"] == f"s3://production-data/{MODEL}"
    assert version.metadata["lists"] == f"s3://production-data/retraining/{RUN}/lists/"
    assert version.metadata["accuracy"] == "0.91"
    # A SageMaker model that only the source's account has.
    assert "saved_model" not in version.metadata


def test_a_copy_is_served_by_the_destination_s_image(stacks: Stacks) -> None:
    copy = stacks.copy()
    described = stacks.session.client("sagemaker").describe_model_package(
        ModelPackageName=copy.version.arn
    )
    (container,) = described["InferenceSpecification"]["Containers"]
    assert container["Image"] == PRODUCTION.training_image
    assert container["ModelDataUrl"] == f"s3://production-data/{MODEL}"
    statistics = described["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert (
        statistics["S3Uri"] == f"s3://production-data/retraining/{RUN}/evaluation/evaluation.json"
    )
    assert described["ModelPackageDescription"] == (
        f"Copy of {copy.source.arn}. Accuracy 0.91 on 3 photos"
    )


def test_photos_are_tagged_to_expire(stacks: Stacks) -> None:
    stacks.copy()
    tagged = {
        key.split("/")[2]
        for key in stacks.copied()
        if stacks.s3.get_object_tagging(Bucket="production-data", Key=key)["TagSet"]
    }
    assert tagged == {"lists", "pictures"}


def test_a_repeated_copy_registers_nothing(stacks: Stacks) -> None:
    first = stacks.copy()
    second = stacks.copy()
    assert (second.is_new, second.version.arn) == (False, first.version.arn)
    assert len(registry.list_versions(stacks.session, PRODUCTION)) == 1


def test_an_interrupted_copy_is_continued(stacks: Stacks) -> None:
    def interrupt(amount: ItemProgress) -> None:
        if amount.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stacks.copy(on_progress=interrupt)
    assert registry.list_versions(stacks.session, PRODUCTION) == []
    assert stacks.copied()[MODEL] == FILES[MODEL]
    assert stacks.copy().is_new


def test_an_object_that_exists_is_not_overwritten(stacks: Stacks) -> None:
    stacks.s3.put_object(Bucket="production-data", Key=MODEL, Body=b"other weights")
    with pytest.raises(
        PreconditionError, match=r"production-data/.*/model.tar.gz exists and is not a copy"
    ):
        stacks.copy()
    assert stacks.copied()[MODEL] == b"other weights"
    assert registry.list_versions(stacks.session, PRODUCTION) == []


def test_overwritten_artifacts_are_not_copied(stacks: Stacks) -> None:
    stacks.s3.put_object(Bucket=STAGING.data_bucket, Key=MODEL, Body=b"other weights")
    with pytest.raises(PreconditionError, match="was overwritten after the version was registered"):
        stacks.copy()
    assert MODEL not in stacks.copied()


def test_lost_artifacts(stacks: Stacks) -> None:
    stacks.s3.delete_object(Bucket=STAGING.data_bucket, Key=MODEL)
    with pytest.raises(PreconditionError, match=r"model.tar.gz does not exist: retrain"):
        stacks.copy()


def test_expired_photos(stacks: Stacks) -> None:
    for number in range(3):
        key = f"retraining/{RUN}/pictures/{number}.png"
        stacks.s3.delete_object(Bucket=STAGING.data_bucket, Key=key)
    with pytest.raises(
        PreconditionError, match="version 1 cannot be smoke-tested in the destination"
    ):
        stacks.copy()


def test_artifacts_that_are_too_large(stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "MAX_OBJECT_BYTES", 6)
    with pytest.raises(PreconditionError, match="has 7 bytes: more than 6 cannot be copied"):
        stacks.copy()


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_version_that_is_not_approved(stacks: Stacks, status: str) -> None:
    stacks.register(status)
    with pytest.raises(PreconditionError, match=f"version 2 is {status} in scones: only approved"):
        stacks.copy(2)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"run": None}, "has no run in its metadata"),
        ({"artifacts_etag": None}, "has no artifacts_etag in its metadata"),
        ({"run": "../models"}, "has an invalid run in its metadata"),
        ({"classes": "0" * 64}, "other classes or another image shape"),
        ({"algorithm": "builtin"}, "needs Algorithm=builtin"),
        ({"artifacts": "s3://elsewhere/model.tar.gz"}, "are not in s3://data/retraining"),
        ({"artifacts": f"s3://data/retraining/{RUN}/lists/x"}, "are not in s3://data/retraining"),
    ],
)
def test_a_version_that_cannot_be_copied(
    stacks: Stacks, changed: dict[str, str | None], reason: str
) -> None:
    stacks.register(**changed)
    with pytest.raises(PreconditionError, match=reason):
        stacks.copy(2)
    assert stacks.copied() == {}


def test_the_same_stack(stacks: Stacks) -> None:
    place = StackLocation(stacks.session, STAGING)
    with pytest.raises(PreconditionError, match="are the same stack"):
        copy_version(place, place, 1, ignore_progress)


def test_a_denied_write_names_the_object(stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: Any) -> None:
        answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "PutObject")  # type: ignore[arg-type]

    monkeypatch.setattr(stacks.s3, "put_object", denied)
    with pytest.raises(
        OperationError, match=r"S3 refuses to write s3://production-data/.*AccessDenied"
    ):
        stacks.copy()
