"""The programs that replace AWS's images for tables, as jobs and endpoints use them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from scones_local.images.registry import PIPELINES_READY_FILE, container_images
from tests.integration.sagemaker.local_sagemaker import BUCKET, PYTHON, ROLE, Cloud, error_of, until

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ROWS = "".join(f"{2 * x + 1},{x},{x % 3}\n" for x in range(60))

needs_packages = pytest.mark.skipif(
    not PIPELINES_READY_FILE.exists(), reason="needs .venv/pipelines: run `make pipelines`"
)


@pytest.fixture
def tables(aws: str, tmp_path: Path) -> Iterator[Cloud]:
    requests.post(f"{aws}/moto-api/reset", timeout=10)
    made = Cloud(aws, tmp_path / "state", images=dict(container_images()))
    made.s3.create_bucket(Bucket=BUCKET)
    made.put("train/rows.csv", ROWS)
    made.put("validation/rows.csv", ROWS)
    yield made
    made.service.shutdown()


def train(
    cloud: Cloud, content: str | None = "text/csv", image: str = XGBOOST, **changes: str
) -> dict[str, Any]:
    hyperparameters = {"objective": "reg:squarederror", "num_round": "20", "seed": "1", **changes}
    cloud.sagemaker.create_training_job(
        TrainingJobName="job",
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters=hyperparameters,
        InputDataConfig=[
            {
                "ChannelName": name,
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}"}
                },
                **({"ContentType": content} if content else {}),
            }
            for name in ("train", "validation")
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )

    def described() -> dict[str, Any]:
        return dict(cloud.sagemaker.describe_training_job(TrainingJobName="job"))

    until(lambda: described()["TrainingJobStatus"] not in ("InProgress", "Stopping"), 60)
    return described()


@needs_packages
def test_trains_transforms_and_serves(tables: Cloud) -> None:
    job = train(tables)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert set(metrics) == {"train:rmse", "validation:rmse"}
    assert metrics["validation:rmse"] < 5
    assert list(tables.archive("out/job/output/model.tar.gz")) == ["xgboost-model"]
    tables.sagemaker.create_model(
        ModelName="table",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": XGBOOST,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    tables.config("table")
    assert tables.endpoint("table", "table")["EndpointStatus"] == "InService"
    check_answers(tables)
    check_refusals(tables)
    check_transform(tables)


def invoke(cloud: Cloud, body: str, **more: str) -> bytes:
    answer = cloud.runtime.invoke_endpoint(EndpointName="table", Body=body, **more)
    content: bytes = answer["Body"].read()
    return content


def check_answers(cloud: Cloud) -> None:
    text = invoke(cloud, "20,2\n30,0\n", ContentType="text/csv").decode()
    first, second = (float(part) for part in text.split(","))
    assert first == pytest.approx(41, abs=5)
    assert second == pytest.approx(61, abs=5)
    raw = invoke(cloud, "20,2", ContentType="text/csv", Accept="application/json")
    assert json.loads(raw) == {"predictions": [{"score": pytest.approx(first)}]}


def check_refusals(cloud: Cloud) -> None:
    for body, more, status in (
        ("20,2", {"ContentType": "image/png"}, 415),
        ("20,2", {"ContentType": "text/csv", "Accept": "image/png"}, 406),
        ("a,b", {"ContentType": "text/csv"}, 400),
        ("1,2,3", {"ContentType": "text/csv"}, 400),
    ):
        error = error_of(lambda body=body, more=more: invoke(cloud, body, **more))  # type: ignore[misc]
        assert error["OriginalStatusCode"] == status
    assert invoke(cloud, "\n", ContentType="text/csv") == b""


def check_transform(cloud: Cloud) -> None:
    cloud.put("batch/rows.csv", "20,2\n30,0\n")
    cloud.sagemaker.create_transform_job(
        TransformJobName="batch",
        ModelName="table",
        TransformInput={
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/batch"}
            },
            "ContentType": "text/csv",
        },
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/scores"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    found = until(lambda: cloud.keys("scores"), 60)
    assert found == ["scores/rows.csv.out"]
    scores = cloud.s3.get_object(Bucket=BUCKET, Key=found[0])["Body"].read().decode()
    assert len(scores.splitlines()) == 2


@needs_packages
@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        ("text/csv", {"epochs": "3"}, "UserError: Extraneous hyperparameter found: epochs"),
        ("text/csv", {"objective": "reg:none"}, "UserError: "),
        (None, {}, "UserError: The channel train has the content type libsvm"),
    ],
)
def test_says_what_is_wrong(
    tables: Cloud, content: str | None, changes: dict[str, str], reason: str
) -> None:
    job = train(tables, content, **changes)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f"AlgorithmError: {reason}")


@needs_packages
def test_a_processing_script_reads_the_model(tables: Cloud) -> None:
    train(tables)
    tables.put(
        "code/evaluate.py",
        """
import json, tarfile
from pathlib import Path

import sklearn.metrics
import xgboost

with tarfile.open("/opt/ml/processing/model/model.tar.gz") as archive:
    archive.extractall("/opt/ml/processing/unpacked", filter="data")
booster = xgboost.Booster()
booster.load_model("/opt/ml/processing/unpacked/xgboost-model")
error = sklearn.metrics.mean_squared_error([41], booster.predict(xgboost.DMatrix([[20, 2]])))
Path("/opt/ml/processing/report/evaluation.json").write_text(json.dumps(float(error)))
""",
    )
    model = f"s3://{BUCKET}/out/job/output/model.tar.gz"
    inputs = {"code": f"s3://{BUCKET}/code/evaluate.py", "model": model}
    tables.sagemaker.create_processing_job(
        ProcessingJobName="evaluate",
        ProcessingResources={
            "ClusterConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            }
        },
        AppSpecification={
            "ImageUri": SKLEARN,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/evaluate.py"],
        },
        RoleArn=ROLE,
        ProcessingInputs=[
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/{name}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, uri in inputs.items()
        ],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "report",
                    "S3Output": {
                        "S3Uri": f"s3://{BUCKET}/report",
                        "LocalPath": "/opt/ml/processing/report",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
    )

    def ended() -> dict[str, Any] | None:
        job = dict(tables.sagemaker.describe_processing_job(ProcessingJobName="evaluate"))
        return None if job["ProcessingJobStatus"] == "InProgress" else job

    job = until(ended, 60)
    assert job["ProcessingJobStatus"] == "Completed", job
    body = tables.s3.get_object(Bucket=BUCKET, Key="report/evaluation.json")["Body"]
    assert json.load(io.BytesIO(body.read())) < 25


def test_needs_the_packages(aws: str, tmp_path: Path) -> None:
    cloud = Cloud(
        aws, tmp_path / "state", images=dict(container_images(tmp_path / "absent" / "python"))
    )
    error = error_of(lambda: train(cloud))
    assert "run `make pipelines` first" in error["Message"]


def test_the_image_of_scikit_learn_does_not_train(aws: str, tmp_path: Path) -> None:
    cloud = Cloud(aws, tmp_path / "state", images=dict(container_images(PYTHON)))
    error = error_of(lambda: train(cloud, image=SKLEARN))
    assert "neither trains nor serves" in error["Message"]
