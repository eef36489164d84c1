"""A snapshot brings all resources back, and endpoints into service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sagemaker.embedded_cloud import BUCKET, IMAGE, ROLE, Cloud, until


@pytest.fixture
def stopped(cloud: Cloud) -> bytes:
    """The snapshot of a cloud that was stopped while it was used."""
    for name in ("one", "two"):
        cloud.model(name)
    cloud.config("both", *({"VariantName": n, "ModelName": n} for n in ("one", "two")))
    cloud.config("broken", {"VariantName": "one", "ModelName": "one"})
    cloud.endpoint("live", "both")
    cloud.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="live",
        DesiredWeightsAndCapacities=[
            {"VariantName": "one", "DesiredWeight": 0},
            {"VariantName": "two", "DesiredInstanceCount": 2},
        ],
    )
    cloud.settled("live")
    cloud.put("train/data.txt", "sleep 60")
    cloud.sagemaker.create_training_job(
        TrainingJobName="unfinished",
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters={"sleep": "60"},
    )
    cloud.service.shutdown()
    # What it was at that moment, whatever the job's own thread makes of its end.
    cloud.service._control.existing("training-job", "unfinished", "job").update(
        TrainingJobStatus="InProgress"
    )
    return cloud.service.snapshot()


@pytest.fixture
def restored(stopped: bytes, aws: str, tmp_path: Path) -> Iterator[Cloud]:
    again = Cloud(aws, tmp_path / "again")
    again.service.restore(stopped)
    yield again
    again.service.shutdown()


def test_an_endpoint_answers_again_with_its_weights_and_instances(restored: Cloud) -> None:
    described = restored.settled("live")

    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == "both"
    assert {
        variant["VariantName"]: (variant["CurrentWeight"], variant["CurrentInstanceCount"])
        for variant in described["ProductionVariants"]
    } == {"one": (0, 1), "two": (1, 2)}
    assert {restored.invoke("live")["model"] for _ in range(5)} == {"two"}
    # Nothing changed for the application.
    assert restored.events == []


def test_an_endpoint_can_be_updated_afterwards(restored: Cloud) -> None:
    restored.settled("live")
    restored.model("three")
    restored.config("three")

    restored.sagemaker.update_endpoint(EndpointName="live", EndpointConfigName="three")

    assert until(lambda: restored.settled("live")["EndpointConfigName"] == "three")
    assert restored.invoke("live")["model"] == "three"


def test_a_job_that_ran_has_failed(restored: Cloud) -> None:
    job = restored.sagemaker.describe_training_job(TrainingJobName="unfinished")

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "The embedded cloud was stopped while it ran."


def test_an_endpoint_whose_model_is_gone_has_failed(
    stopped: bytes, aws: str, tmp_path: Path
) -> None:
    again = Cloud(aws, tmp_path / "again")
    again.s3.delete_object(Bucket=BUCKET, Key="models/two/model.tar.gz")
    again.service.restore(stopped)

    described = again.settled("live")
    again.service.shutdown()

    assert described["EndpointStatus"] == "Failed"
    assert "models/two/model.tar.gz" in json.dumps(described["FailureReason"])
