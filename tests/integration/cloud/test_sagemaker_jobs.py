"""Machines run SageMaker's jobs, wait for them, tell why they failed and stop them."""

import io
import json
import os
import signal
import subprocess
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.cloud.test_sagemaker import permissions_to_train, sagemaker_arn
from tests.integration.cloud.tiny_app import TinyApp, allow, eventually
from tests.integration.cloud.tiny_model import IMAGE, SIDE, TinyModels, photo

CLASSES = ("van", "bicycle")


@pytest.fixture(scope="module")
def models(app: TinyApp) -> TinyModels:
    return TinyModels.made(app)


@pytest.fixture(scope="module")
def dataset(models: TinyModels) -> list[dict[str, Any]]:
    """Photos in one folder, told apart by manifests, and lists among other objects."""
    random = np.random.default_rng(7)
    for part, count in {"train": 6, "validation": 2}.items():
        names = []
        for index in range(2 * count):
            pixels = random.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
            pixels += np.uint8(120 * (index % 2))
            packed = io.BytesIO()
            Image.fromarray(pixels).save(packed, "PNG")
            names.append(f"{CLASSES[index % 2]}/{part} {index} [a].png")
            models.put(f"dataset/{names[-1]}", packed.getvalue())
        models.put("dataset/.DS_Store", b"not a photo")
        lines = [f"{index}\t{index % 2}\t{name}\n" for index, name in enumerate(names)]
        models.put(f"lists/{part}.lst", "".join(lines).encode())
        manifest = [{"prefix": models.uri("dataset/")}, *names]
        models.put(f"lists/{part}.manifest", json.dumps(manifest).encode())
    sources = {
        part + suffix: ("ManifestFile", f"lists/{part}.manifest")
        if not suffix
        else ("S3Prefix", f"lists/{part}.lst")
        for part in ("train", "validation")
        for suffix in ("", "_lst")
    }
    return [
        {
            "ChannelName": name,
            "ContentType": "application/x-image",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": kind,
                    "S3Uri": models.uri(key),
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for name, (kind, key) in sources.items()
    ]


def training(models: TinyModels, channels: list[dict[str, Any]], **hyper: str) -> dict[str, Any]:
    return {
        "TrainingJobName": "{% $states.context.Execution.Name %}",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": models.role,
        "InputDataConfig": channels,
        "HyperParameters": {
            "num_classes": "2",
            "num_training_samples": "12",
            "image_shape": f"3,{SIDE},{SIDE}",
            "mini_batch_size": "4",
            "use_pretrained_model": "0",
            "num_layers": "20",
            "epochs": "1",
            **hyper,
        },
        "OutputDataConfig": {"S3OutputPath": models.uri("trained")},
        "ResourceConfig": {
            "InstanceType": "ml.g4dn.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def trainer(app: TinyApp, models: TinyModels, channels: list[dict[str, Any]], **hyper: str) -> str:
    task = app.task("sagemaker:createTrainingJob.sync", training(models, channels, **hyper))
    return app.machine({"Train": task}, *permissions_to_train(models.role), kind="STANDARD")


def container_of(job: str) -> int | None:
    """Give the process id of a training container, None where none runs."""
    listed = subprocess.run(
        ["ps", "-axwwo", "pid=,args="], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        if f"training-jobs/{job}" in line and "supervisor" not in line:
            return int(line.split()[0])
    return None


def test_a_job_trains_from_manifests_and_from_single_objects(
    app: TinyApp, models: TinyModels, dataset: list[dict[str, Any]]
) -> None:
    execution = app.start(trainer(app, models, dataset))
    result = app.ended(execution, 150)
    assert result["status"] == "SUCCEEDED", result.get("cause")
    trained = result["output"]
    assert trained["TrainingJobStatus"] == "Completed"
    artifacts = trained["ModelArtifacts"]["S3ModelArtifacts"]
    job = execution.rpartition(":")[2]
    assert artifacts == models.uri(f"trained/{job}/output/model.tar.gz")
    assert models.keys(f"trained/{job}/") == [f"trained/{job}/output/model.tar.gz"]
    assert isinstance(trained["TrainingEndTime"], int)
    (event,) = app.events(execution, "TaskSubmitted")
    submitted = json.loads(event["taskSubmittedEventDetails"]["output"])
    assert submitted["TrainingJobArn"] == sagemaker_arn("training-job", job)
    tags = app.client("sagemaker").list_tags(ResourceArn=submitted["TrainingJobArn"])["Tags"]
    assert {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"} in tags


def test_a_bad_hyperparameter_is_the_reason_of_the_failure(
    app: TinyApp, models: TinyModels, dataset: list[dict[str, Any]]
) -> None:
    result = app.ended(app.start(trainer(app, models, dataset, epochs="many")))
    assert result["error"] == "States.TaskFailed"
    failed = json.loads(result["cause"])
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith("AlgorithmError: ")
    assert "epochs" in failed["FailureReason"]


def test_a_killed_trainer_fails_its_job(
    app: TinyApp, models: TinyModels, dataset: list[dict[str, Any]]
) -> None:
    execution = app.start(trainer(app, models, dataset))
    process = eventually(lambda: container_of(execution.rpartition(":")[2]))
    os.kill(process, signal.SIGKILL)
    result = app.ended(execution)
    assert result["error"] == "States.TaskFailed"
    failed = json.loads(result["cause"])
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_a_stopped_execution_stops_its_job(
    app: TinyApp, models: TinyModels, dataset: list[dict[str, Any]]
) -> None:
    sagemaker = app.client("sagemaker")
    execution = app.start(trainer(app, models, dataset, epochs="10000"))
    job = execution.rpartition(":")[2]
    assert eventually(lambda: container_of(job))
    app.client("stepfunctions").stop_execution(executionArn=execution)

    def stopped() -> bool:
        described = sagemaker.describe_training_job(TrainingJobName=job)
        return bool(described["TrainingJobStatus"] == "Stopped")

    assert eventually(stopped, 60)
    assert app.ended(execution)["status"] == "ABORTED"


def transform(
    models: TinyModels, suffix: str, model: str, source: dict[str, str]
) -> dict[str, Any]:
    return {
        "TransformJobName": f"{{% $states.context.Execution.Name & '-{suffix}' %}}",
        "ModelName": model,
        "MaxConcurrentTransforms": 2,
        "MaxPayloadInMB": 6,
        "BatchStrategy": "SingleRecord",
        "ModelClientConfig": {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 60},
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "image/png",
            "SplitType": "None",
        },
        "TransformOutput": {
            "S3OutputPath": models.uri(f"predictions/{suffix}"),
            "Accept": "application/json",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def permissions_to_transform() -> list[dict[str, Any]]:
    jobs = sagemaker_arn("transform-job", "*")
    return [
        allow([f"sagemaker:{verb}TransformJob" for verb in ("Create", "Describe", "Stop")], jobs),
        allow(["sagemaker:AddTags", "sagemaker:ListTags"], jobs),
        allow(
            ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
            "arn:aws:events:*:*:rule/StepFunctionsGetEventsForSageMakerTransformJobsRule",
        ),
    ]


def both(app: TinyApp, *jobs: dict[str, Any]) -> dict[str, Any]:
    tasks = [app.task("sagemaker:createTransformJob.sync", job) for job in jobs]
    branches = [{"StartAt": "Transform", "States": {"Transform": task}} for task in tasks]
    return {"Both": {"Type": "Parallel", "Branches": branches, "End": True}}


def test_two_models_judge_the_same_photos_side_by_side(app: TinyApp, models: TinyModels) -> None:
    for index, brightness in enumerate((0, 255)):
        models.put(f"pictures/{index}.png", photo(brightness))
    models.put(
        "pictures.manifest", json.dumps([{"prefix": models.uri("pictures/")}, "1.png"]).encode()
    )
    prefix = {"S3DataType": "S3Prefix", "S3Uri": models.uri("pictures/")}
    manifest = {"S3DataType": "ManifestFile", "S3Uri": models.uri("pictures.manifest")}
    states = both(
        app,
        transform(models, "candidate", models.model(), prefix),
        transform(models, "champion", models.model(), manifest),
    )
    machine = app.machine(states, *permissions_to_transform(), kind="STANDARD")
    result = app.ended(app.start(machine))
    assert result["status"] == "SUCCEEDED", result
    assert [job["TransformJobStatus"] for job in result["output"]] == ["Completed"] * 2
    assert models.keys("predictions/candidate/") == [
        "predictions/candidate/0.png.out",
        "predictions/candidate/1.png.out",
    ]
    assert models.keys("predictions/champion/") == ["predictions/champion/1.png.out"]
    assert json.loads(models.read("predictions/candidate/1.png.out")) == {"prediction": [1.0, 0.0]}


@pytest.mark.parametrize("missing", range(3))
def test_each_permission_to_transform_is_needed(
    app: TinyApp, models: TinyModels, missing: int
) -> None:
    statements = permissions_to_transform()
    removed = statements.pop(missing)
    source = {"S3DataType": "S3Prefix", "S3Uri": models.uri("pictures/")}
    job = transform(models, "denied", models.model(), source)
    states = {"Transform": app.task("sagemaker:createTransformJob.sync", job)}
    result = app.ended(app.start(app.machine(states, *statements, kind="STANDARD")))
    assert result["error"] == "SageMaker.AmazonSageMakerException"
    assert any(f"to perform: {action} on" in result["cause"] for action in removed["Action"])


def test_a_failing_transform_tells_why_and_its_sibling_is_stopped(
    app: TinyApp, models: TinyModels
) -> None:
    for number in range(300):
        models.put(f"many/{number}.png", photo(number % 256))
    many = {"S3DataType": "S3Prefix", "S3Uri": models.uri("many/")}
    slow = transform(models, "slow", models.model(), many) | {"MaxConcurrentTransforms": 1}
    broken = transform(models, "broken", models.model("broken"), many)
    machine = app.machine(both(app, slow, broken), *permissions_to_transform(), kind="STANDARD")
    execution = app.start(machine)
    result = app.ended(execution)
    assert result["error"] == "States.TaskFailed"
    failed = json.loads(result["cause"])
    assert failed["TransformJobStatus"] == "Failed"
    assert failed["FailureReason"] == "AlgorithmError: See job logs for more information"
    name = f"{execution.rpartition(':')[2]}-slow"

    def sibling() -> str:
        described = app.client("sagemaker").describe_transform_job(TransformJobName=name)
        return str(described["TransformJobStatus"])

    assert eventually(lambda: sibling() in ("Stopping", "Stopped"))
