"""A snapshot brings all resources back, and endpoints into service."""

import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sagemaker.local_sagemaker import BUCKET, IMAGE, ROLE, Cloud, until
from tests.integration.sagemaker.pipeline_steps import (
    EVALUATE,
    PREPROCESS,
    SLEEP,
    create,
    definition,
    described,
    ended,
    processing,
    reaches,
    start,
    statuses,
    steps,
    upload,
)


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
    cloud.service._control.get_existing("training-job", "unfinished", "job").update(
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
    assert job["FailureReason"] == "The local cloud was stopped while it ran."


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


CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}


@dataclass
class Kept:
    """What a cloud that was stopped had of pipelines, and its snapshot."""

    done: str
    cut: str
    before: dict[str, Any]
    snapshot: bytes


def answers(cloud: Cloud, *executions: str) -> dict[str, Any]:
    """What the actions on pipelines tell."""
    client = cloud.sagemaker
    calls = [
        client.describe_pipeline(PipelineName="Vehicles"),
        client.list_pipelines(),
        client.list_pipeline_versions(PipelineName="Vehicles"),
        client.list_pipeline_executions(PipelineName="Vehicles"),
        *(described(cloud, arn) for arn in executions),
        *(steps(cloud, arn) for arn in executions),
        *(
            client.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
            for arn in executions
        ),
    ]
    for call in calls:
        call.pop("ResponseMetadata", None)
    return {str(number): call for number, call in enumerate(calls)}


@pytest.fixture
def pipelines(cloud: Cloud) -> Kept:
    """A cloud that was stopped with an execution that had ended and one that had not."""
    upload(cloud, preprocess=PREPROCESS, evaluate=EVALUATE, sleep=SLEEP)
    raw = {"raw": f"s3://{BUCKET}/raw"}
    preprocess = processing("Preprocess", "preprocess", raw, outputs=("train",), **CACHED)
    evaluate = processing("Evaluate", "evaluate", outputs=("evaluation",), arguments=("0.9",))
    first = definition(preprocess, {**evaluate, "DependsOn": ["Preprocess"]})
    create(cloud, first, Tags=[{"Key": "team", "Value": "ml"}])
    done = start(cloud)
    ended(cloud, done)
    cloud.sagemaker.update_pipeline(
        PipelineName="Vehicles",
        PipelineDefinition=definition(
            preprocess, {**processing("Evaluate", "sleep"), "DependsOn": ["Preprocess"]}
        ),
    )
    before = answers(cloud, done)
    cut = start(cloud)
    assert until(reaches(cloud, cut, "Evaluate", "Executing"))
    cloud.service.shutdown()
    return Kept(done, cut, before, cloud.service.snapshot())


@pytest.fixture
def continued(pipelines: Kept, aws: str, tmp_path: Path) -> Iterator[Cloud]:
    again = Cloud(aws, tmp_path / "again")
    again.service.restore(pipelines.snapshot)
    yield again
    again.service.shutdown()


def test_an_execution_that_ran_has_failed_with_a_reason(pipelines: Kept, continued: Cloud) -> None:
    execution = described(continued, pipelines.cut)
    evaluate = steps(continued, pipelines.cut)["Evaluate"]

    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "The local cloud was stopped while it ran."
    assert statuses(continued, pipelines.cut) == {"Preprocess": "Succeeded", "Evaluate": "Failed"}
    assert evaluate["FailureReason"] == "The local cloud was stopped while it ran."
    job = evaluate["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    status = continued.sagemaker.describe_processing_job(ProcessingJobName=job)
    assert status["ProcessingJobStatus"] in {"Failed", "Stopped"}


def test_pipelines_versions_and_executions_are_what_they_were(
    pipelines: Kept, continued: Cloud
) -> None:
    continued.service._executions._all.pop(pipelines.cut)

    assert answers(continued, pipelines.done) == pipelines.before
    arn = pipelines.before["0"]["PipelineArn"]
    tags = continued.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert {"Key": "team", "Value": "ml"} in tags


def test_a_kept_execution_can_be_retried_and_its_results_are_in_the_cache(
    pipelines: Kept, continued: Cloud
) -> None:
    upload(continued, sleep="print('awake')")
    continued.sagemaker.retry_pipeline_execution(
        PipelineExecutionArn=pipelines.cut, ClientRequestToken="r" * 32
    )
    retried = ended(continued, pipelines.cut)
    new = start(continued)
    ended(continued, new)

    assert retried["PipelineExecutionStatus"] == "Succeeded"
    hit = steps(continued, new)["Preprocess"]["CacheHitResult"]
    assert hit == {"SourcePipelineExecutionArn": pipelines.done}


def test_pipelines_that_an_earlier_release_did_not_keep_are_gone(
    pipelines: Kept, aws: str, tmp_path: Path
) -> None:
    old = pickle.loads(pipelines.snapshot)
    del old["pipelines"], old["executions"]
    again = Cloud(aws, tmp_path / "again")
    again.service.restore(pickle.dumps(old))

    listed = again.sagemaker.list_pipelines()["PipelineSummaries"]
    again.service.shutdown()

    assert listed == []
