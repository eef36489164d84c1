"""Run definitions that the SageMaker Python SDK 3.27 wrote, on toy images and scripts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.sagemaker.local_sagemaker import PROGRAM, Cloud
from tests.integration.sagemaker.pipeline_steps import create, ended, start, statuses, steps

DEFINITIONS = Path(__file__).with_name("definitions")
BUCKET = "data-bucket"
IMAGES = (
    "*/sagemaker-scikit-learn:*",
    "*/sagemaker-xgboost:*",
    "*/ham10000-preprocess:*",
    "*/own:*",
)
NOTIFY = "arn:aws:lambda:eu-central-1:111122223333:function:notify"
PREPROCESS = """
import sys
from pathlib import Path

for name in sys.argv[1:]:
    (Path("/opt/ml/processing") / name / "table.csv").write_text(name)
"""
EVALUATE = """
import json
from pathlib import Path

assert list(Path("/opt/ml/processing/model").iterdir())
Path("/opt/ml/processing/evaluation/evaluation.json").write_text('{report}')
"""


@pytest.fixture
def sdk(aws: str, tmp_path: Path) -> Iterator[Cloud]:
    requests.post(f"{aws}/moto-api/reset", timeout=10)
    made = Cloud(aws, tmp_path / "state", images=dict.fromkeys(IMAGES, PROGRAM))
    made.s3.create_bucket(Bucket=BUCKET)
    yield made
    made.service.shutdown()


def text(name: str) -> str:
    return (DEFINITIONS / f"{name}.json").read_text()


def put_scripts(cloud: Cloud, definition: str, **scripts: str) -> None:
    """Write each script at the place of the bucket that the definition names."""
    for step in json.loads(definition)["Steps"]:
        for item in step["Arguments"].get("ProcessingInputs", []):
            uri = item["S3Input"]["S3Uri"]
            name = str(uri).rpartition("/")[2].partition(".")[0]
            if name in scripts:
                key = uri.removeprefix(f"s3://{BUCKET}/")
                cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=scripts[name].encode())


def put(cloud: Cloud, **objects: str) -> None:
    for key, content in objects.items():
        cloud.s3.put_object(Bucket=BUCKET, Key=key.replace("__", "/"), Body=content.encode())


def abalone(cloud: Cloud, error: float) -> tuple[str, dict[str, Any]]:
    report = json.dumps({"regression_metrics": {"mse": {"value": error}}})
    put_scripts(
        cloud,
        text("abalone"),
        # The arguments name the raw table only.
        preprocess=PREPROCESS.replace("sys.argv[1:]", "('train', 'validation', 'test')"),
        evaluate=EVALUATE.replace("{report}", report),
    )
    cloud.s3.put_object(Bucket=BUCKET, Key="abalone/abalone-dataset.csv", Body=b"M,0.4,15")
    create(cloud, text("abalone"), "abalone")
    arn = start(cloud, "abalone")
    return arn, ended(cloud, arn)


def test_abalone_is_registered(sdk: Cloud) -> None:
    arn, execution = abalone(sdk, 4.5)
    assert execution["PipelineExecutionStatus"] == "Succeeded", steps(sdk, arn)
    assert execution["PipelineExperimentConfig"] == {
        "ExperimentName": "abalone",
        "TrialName": arn.rpartition("/")[2],
    }
    registered = steps(sdk, arn)["RegisterAbaloneModel"]["Metadata"]["RegisterModel"]["Arn"]
    package = sdk.sagemaker.describe_model_package(ModelPackageName=registered)
    container = package["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataUrl"].startswith(f"s3://{BUCKET}/abalone/models/pipelines-")


def test_abalone_with_a_large_error_fails(sdk: Cloud) -> None:
    arn, execution = abalone(sdk, 6.5)
    assert execution["PipelineExecutionStatus"] == "Failed"
    reason = steps(sdk, arn)["MseTooHigh"]["FailureReason"]
    assert reason == "Execution failed due to MSE > 6.0"


@pytest.fixture
def photos(sdk: Cloud, tmp_path: Path) -> Cloud:
    """The bucket of the photo pipeline; its own preprocessing image is a module."""
    report = json.dumps({"metrics": {"accuracy": {"value": 0.75}}})
    put_scripts(
        sdk,
        text("image-classification"),
        runproc="cp /opt/ml/processing/input/code/x.txt /opt/ml/processing/output/x/",
        evaluate=EVALUATE.replace("{report}", report),
    )
    put(
        sdk,
        dataset__photo="a photo",
        validation__photo="a photo",
        **{"pipelines/fw-2026-11-27-22-48-26-449/source/x.txt": "x"},
        **{"pipelines/own/own-20261127224828/input/code/train.py": "pass"},
        **{
            "pipelines/own/own-20261127224828/input/sm_drivers/sm_train.sh": (
                "#!/bin/bash\ncp /opt/ml/input/data/code/train.py /opt/ml/model/\n"
            )
        },
    )
    return sdk


def image_classification(folder: Path) -> str:
    """The definition; its image's module ``preprocess`` lies in a folder."""
    module = folder / "preprocess.py"
    names = "('train', 'validation', 'train_lst', 'validation_lst')"
    module.write_text(
        PREPROCESS.replace("sys.argv[1:]", names).replace(
            'Path("/opt/ml/processing")', 'Path.cwd() / "processing" / "output"'
        )
    )
    content = json.loads(text("image-classification"))
    content["Steps"][0]["Arguments"]["Environment"] = {"PYTHONPATH": str(folder)}
    return json.dumps(content)


def test_photos_are_classified(photos: Cloud, tmp_path: Path) -> None:
    asked: list[Any] = []
    photos.functions[NOTIFY] = lambda payload: asked.append(payload) or {"statusCode": "200"}
    create(photos, image_classification(tmp_path), "photos")
    arn = start(photos, "photos")
    execution = ended(photos, arn)
    found = steps(photos, arn)
    reasons = {name: step.get("FailureReason") for name, step in found.items()}
    assert execution["PipelineExecutionStatus"] == "Succeeded", reasons
    assert set(statuses(photos, arn)) == {
        "Preprocess",
        "Framework",
        "Train",
        "Own",
        "Evaluate",
        "AccurateEnough",
        "Register",
        "CreateModel",
        "Transform",
        "Notify",
    }
    registered = found["Register"]["Metadata"]["RegisterModel"]["Arn"]
    package = photos.sagemaker.describe_model_package(ModelPackageName=registered)
    identifier = arn.rpartition("/")[2]
    assert package["CustomerMetadataProperties"] == {"execution": identifier, "accuracy": "0.75"}
    assert asked == [{"model": asked[0]["model"], "execution": arn}]
    assert asked[0]["model"].startswith(f"pipelines-{identifier}-CreateModel-")


def test_a_failed_training_is_handled(photos: Cloud, tmp_path: Path) -> None:
    asked: list[Any] = []
    photos.functions[NOTIFY] = lambda payload: asked.append(payload) or {}
    content = json.loads(image_classification(tmp_path))
    content["Steps"][2]["Arguments"]["HyperParameters"]["fails"] = "no memory"
    create(photos, json.dumps(content), "photos")
    arn = start(photos, "photos")
    assert ended(photos, arn)["PipelineExecutionStatus"] == "Failed"
    found = statuses(photos, arn)
    assert (found["Train"], found["OnFailure"]) == ("Failed", "Succeeded")
    assert "Evaluate" not in found
    assert asked == [{}]
