"""The scripts of the pipeline `vehicles`: what they add to the code of `retrain`."""

import json
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from scones.classes import classes_hash
from scones.datasets.list_files import ListRange
from scones.datasets.manifest import Channel, GeneratedLists
from scones.evaluation.transform_failure import TransformFailure
from scones.runs import Run
from scones.settings import GenerateListsSettings
from scones_pipelines.vehicles import champion, evaluate, pipeline, preprocess

RETRAIN = Path(__file__).parents[3] / "statemachine" / "retrain.asl.json"
RUN = Run("data", "pipeline-abc")
SETTINGS = GenerateListsSettings.read(
    {
        "DATA_BUCKET": "data",
        "CLASS_NAMES": "bicycle,motorcycle",
        "IMAGE_SHAPE": "3,96,96",
        "ALGORITHM": "own",
        "HYPERPARAMETERS": "",
        "VALIDATION_SHARE": "0.1",
    }
)


def lists(last_trained: str | None = None) -> GeneratedLists:
    channels = {
        name: Channel(S3DataType="S3Prefix", S3Uri=f"s3://data/{name}")
        for name in ("train", "validation", "train_lst", "validation_lst")
    }
    return GeneratedLists(
        fingerprint="f" * 64,
        class_names=("bicycle", "motorcycle"),
        counts={"train": {"bicycle": 9}, "validation": {"bicycle": 1}},
        skipped={},
        channels=channels,
        hyperparameters={"num_training_samples": "9"},
        photos="s3://data/dataset/",
        negatives=None,
        last_trained=last_trained,
        batches=[ListRange(start=0, end=10, list_file="validation.lst")],
    )


def test_the_hash_of_classes_is_that_of_the_state_machines() -> None:
    # JSONata's $hash($string([$split('bicycle,motorcycle', ','), '3,96,96']), 'SHA-256'), which
    # flattens the list.
    assert classes_hash(("bicycle", "motorcycle"), "3,96,96") == (
        "b49692ccd53c127371b40ac840ae0a1235b12808c7cab95825be238d97e05558"
    )


def test_a_plan_is_new_unless_the_same_was_trained_last() -> None:
    first = preprocess.plan(lists(), RUN, SETTINGS, "image:1")
    same = preprocess.plan(lists(first["recipe"]), RUN, SETTINGS, "image:1")
    other = preprocess.plan(lists(first["recipe"]), RUN, SETTINGS, "image:2")

    assert [plan["new"] for plan in (first, same, other)] == ["yes", "no", "yes"]
    assert first["image_shape"] == "3 96 96"


def test_there_is_always_a_channel_of_negatives() -> None:
    channels = preprocess.plan(lists(), RUN, SETTINGS, "image:1")["channels"]

    assert set(channels) == set(pipeline.CHANNELS)
    assert channels["negatives"]["S3Uri"] == "s3://data/retraining/pipeline-abc/lists/"


def summary(familiarity: dict[str, Any] | None, threshold: float | None) -> dict[str, Any]:
    candidate = {
        "accuracy": 0.95,
        "calibration_error": 0.0312,
        "threshold": threshold,
        "photos": 40,
        "familiarity": familiarity,
    }
    return {"candidate": candidate, "verdict": "good"}


def registered(familiarity: dict[str, Any] | None, threshold: float | None) -> dict[str, str]:
    plan = preprocess.plan(lists(), RUN, SETTINGS, "image:1")
    return evaluate.registration_metadata(
        plan, summary(familiarity, threshold), "s3://data/m", "etag"
    )


def test_numbers_are_written_as_jsonata_writes_them() -> None:
    metadata = registered({"negatives": 12, "auroc": 1.0}, 0.731)

    assert metadata["accuracy"] == "0.95"
    assert metadata["photos"] == "40"
    assert metadata["threshold"] == "0.731"
    assert metadata["negatives"] == "12"
    assert metadata["familiarity_auroc"] == "1"
    assert (metadata["artifacts"], metadata["artifacts_etag"]) == ("s3://data/m", "etag")


def test_what_does_not_exist_is_none() -> None:
    metadata = registered(None, None)

    assert metadata["threshold"] == metadata["familiarity_auroc"] == "none"
    assert metadata["negatives"] == "0"


def test_the_metadata_are_those_that_retrain_registers() -> None:
    machine = json.loads(RETRAIN.read_text())
    theirs = set(machine["States"]["Register"]["Arguments"]["CustomerMetadataProperties"])
    golden = Path(__file__).parents[1] / "golden" / "vehicles.json"
    register = re.search(
        r'"CustomerMetadataProperties": (\{.*?\n\s*\}),\n\s*"InferenceSpecification"',
        golden.read_text(),
        re.DOTALL,
    )
    assert register
    ours = set(json.loads(register[1]))

    assert ours == theirs
    assert set(registered(None, None)) == set(pipeline.METRIC_NAMES)


class Storage:
    """Records what is written."""

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}

    def put_object(self, **request: Any) -> None:
        self.written[request["Key"]] = json.loads(request["Body"])

    def head_object(self, **request: Any) -> dict[str, str]:
        assert request == {"Bucket": "data", "Key": "a/model.tar.gz"}
        return {"ETag": '"abc-2"'}


def test_what_was_trained_last_is_remembered_where_retrain_looks() -> None:
    storage: Any = Storage()

    evaluate.save_fingerprint(storage, RUN, "recipe")

    assert storage.written == {
        "retraining/last-trained.json": {"fingerprint": "recipe", "run": "pipeline-abc"}
    }


def test_the_entity_tag_has_no_quotation_marks() -> None:
    storage: Any = Storage()

    assert evaluate.entity_tag(storage, "s3://data/a/model.tar.gz") == "abc-2"


JOB = champion.TransformJob(
    "pipelines-run-champion", "role", "s3://d/pictures/", "s3://d/out", "ml.m5.xlarge"
)
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/scones/3"


class SageMaker:
    """An account with an endpoint, whose transform jobs end as they are told."""

    def __init__(self, classes: str | None = None, **options: Any) -> None:
        self.classes = classes
        self.endpoints: dict[str, str] = options.get("endpoints", {"scones": "InService"})
        self.ends: list[str] = options.get("ends", ["InProgress", "Completed"])
        self.container: dict[str, Any] = options.get("container", {"ModelPackageName": PACKAGE})
        self.missing: str | None = options.get("missing")
        self.created: dict[str, dict[str, Any]] = {}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_endpoints"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        items = [
            {"EndpointName": name, "EndpointStatus": status}
            for name, status in self.endpoints.items()
        ]
        return [{"Endpoints": [item]} for item in items]

    def describe_endpoint(self, **_: Any) -> dict[str, Any]:
        return {"EndpointConfigName": "config"}

    def describe_endpoint_config(self, **_: Any) -> dict[str, Any]:
        if self.missing == "config":
            error = {"Error": {"Code": "ValidationException", "Message": "could not find"}}
            raise ClientError(error, "DescribeEndpointConfig")
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def describe_model(self, **_: Any) -> dict[str, Any]:
        return {"PrimaryContainer": self.container}

    def describe_model_package(self, **request: Any) -> dict[str, Any]:
        assert request == {"ModelPackageName": PACKAGE}
        known = {"classes": self.classes} if self.classes else {}
        return {"CustomerMetadataProperties": known}

    def create_model(self, **request: Any) -> None:
        self.created["model"] = request

    def create_transform_job(self, **request: Any) -> None:
        if self.missing == "instance":
            error = {"Error": {"Code": "ResourceLimitExceeded", "Message": "no instance"}}
            raise ClientError(error, "CreateTransformJob")
        self.created["job"] = request

    def describe_transform_job(self, **_: Any) -> dict[str, Any]:
        return {"TransformJobStatus": self.ends.pop(0), "FailureReason": "out of memory"}


def compared(account: SageMaker) -> dict[str, Any]:
    client: Any = account
    with mock.patch.object(champion, "POLL_SECONDS", 0):
        return champion.compare(client, "scones", "hash", JOB)


@pytest.mark.parametrize("classes", ["hash", None])
def test_the_model_in_production_predicts_the_same_photos(classes: str | None) -> None:
    account = SageMaker(classes)

    assert compared(account) == {"champion": True, "fault": None}
    assert account.created["model"]["PrimaryContainer"] == {"ModelPackageName": PACKAGE}
    assert account.created["job"]["TransformOutput"] == {"S3OutputPath": "s3://d/out"}


def test_a_model_hosted_from_artifacts_is_compared_too() -> None:
    container = {"Image": "i", "ModelDataUrl": "s3://d/m", "Mode": "SingleModel"}
    account = SageMaker(container=container)

    assert compared(account)["champion"]
    assert account.created["model"]["PrimaryContainer"] == {
        "Image": "i",
        "ModelDataUrl": "s3://d/m",
    }


@pytest.mark.parametrize(
    "account",
    [
        SageMaker("other classes"),
        SageMaker(endpoints={}),
        SageMaker(endpoints={"scones-staging": "InService"}),
        SageMaker(endpoints={"scones": "Creating"}),
        SageMaker(missing="config"),
    ],
)
def test_without_a_comparable_model_nothing_is_created(account: SageMaker) -> None:
    assert compared(account) == {"champion": False, "fault": None}
    assert not account.created


def test_a_failed_job_is_a_fault_that_the_evaluation_explains() -> None:
    fault = TransformFailure.model_validate(compared(SageMaker("hash", ends=["Failed"]))["fault"])

    assert fault.job_created
    assert fault.end == "failed (out of memory)"


def test_a_job_that_cannot_be_created_is_a_fault() -> None:
    fault = TransformFailure.model_validate(
        compared(SageMaker("hash", missing="instance"))["fault"]
    )

    assert not fault.job_created
    assert fault.reason == "no instance"
