import json
from typing import Any

import pytest

from tests.integration.sagemaker.local_sagemaker import BUCKET, Cloud, error_of, until


def start(cloud: Cloud, uri: str, kind: str = "S3Prefix", **changes: Any) -> None:
    source = {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}
    job = {
        "TransformJobName": "job",
        "ModelName": "one",
        "TransformInput": {"DataSource": source, "ContentType": "image/png"},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out", "Accept": "application/json"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changes,
    }
    cloud.sagemaker.create_transform_job(**job)


def described(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.sagemaker.describe_transform_job(TransformJobName="job"))


def ended(cloud: Cloud) -> dict[str, Any]:
    until(lambda: described(cloud)["TransformJobStatus"] not in ("InProgress", "Stopping"))
    return described(cloud)


@pytest.fixture
def ready(cloud: Cloud) -> Cloud:
    cloud.model("one")
    cloud.put("in/a.png", "photo a")
    cloud.put("in/deeper/b c.png", "photo bb")
    return cloud


def test_sends_every_object_and_writes_the_answers(ready: Cloud) -> None:
    start(ready, f"s3://{BUCKET}/in/", MaxConcurrentTransforms=2, Environment={"COLOUR": "green"})
    job = ended(ready)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    assert ready.keys("out/") == ["out/a.png.out", "out/deeper/b c.png.out"]
    content = ready.s3.get_object(Bucket=BUCKET, Key="out/deeper/b c.png.out")["Body"].read()
    told = json.loads(content)
    assert (told["model"], told["size"]) == ("one", 8)
    assert told["headers"]["Content-Type"] == "image/png"
    assert told["headers"]["Accept"] == "application/json"
    assert told["environment"]["SAGEMAKER_BATCH"] == "true"
    assert told["environment"]["COLOUR"] == "green"
    events = until(lambda: len(e := ready.sent("SageMaker Transform Job State Change")) == 2 and e)
    assert [event["TransformJobStatus"] for event in events] == ["InProgress", "Completed"]
    assert not (ready.folder / "transform-jobs" / "job").exists()


def test_takes_a_manifest(ready: Cloud) -> None:
    manifest = [{"prefix": f"s3://{BUCKET}/in/"}, "deeper/b c.png"]
    start(ready, ready.put("manifest.json", json.dumps(manifest)), "ManifestFile")
    assert ended(ready)["TransformJobStatus"] == "Completed"
    assert ready.keys("out/") == ["out/deeper/b c.png.out"]


@pytest.mark.parametrize(("status", "reason"), [(400, "ClientError"), (500, "AlgorithmError")])
def test_fails_with_the_containers_refusal(ready: Cloud, status: int, reason: str) -> None:
    ready.put("in/c.png", f"status {status}")
    start(ready, f"s3://{BUCKET}/in", ModelClientConfig={"InvocationsMaxRetries": 0})
    job = ended(ready)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == f"{reason}: See job logs for more information"
    logs = ready.client("logs", None)

    def found() -> bool:
        events = logs.filter_log_events(
            logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix="job/"
        )["events"]
        wanted = f"{BUCKET}/in/c.png: Bad HTTP status received from algorithm: {status}"
        return any(wanted in event["message"] for event in events)

    assert until(found)


def test_fails_on_an_object_over_the_limit(ready: Cloud) -> None:
    ready.put("in/big.png", "x" * (1024 * 1024 + 1))
    start(ready, f"s3://{BUCKET}/in/", MaxPayloadInMB=1)
    assert ended(ready)["TransformJobStatus"] == "Failed"


def test_fails_where_there_is_nothing(ready: Cloud) -> None:
    start(ready, f"s3://{BUCKET}/nothing/")
    assert "No S3 objects found" in ended(ready)["FailureReason"]


def test_fails_where_the_container_does_not_start(ready: Cloud) -> None:
    ready.model("broken", other_txt="")
    start(ready, f"s3://{BUCKET}/in/", ModelName="broken")
    assert "there is no name.txt" in ended(ready)["FailureReason"]


def test_stops(ready: Cloud) -> None:
    for number in range(20):
        ready.put(f"in/{number}.png", "sleep 0.3")
    start(ready, f"s3://{BUCKET}/in/")
    until(lambda: ready.keys("out/"))
    ready.sagemaker.stop_transform_job(TransformJobName="job")
    assert ended(ready)["TransformJobStatus"] == "Stopped"
    assert len(ready.keys("out/")) < 20


def test_refuses_a_name_twice_and_what_it_cannot_do(ready: Cloud) -> None:
    start(ready, f"s3://{BUCKET}/in/")
    assert error_of(lambda: start(ready, f"s3://{BUCKET}/in/"))["Code"] == "ResourceInUse"
    error = error_of(
        lambda: start(
            ready,
            f"s3://{BUCKET}/in/",
            TransformJobName="other",
            DataProcessing={"JoinSource": "Input"},
        )
    )
    assert "has no data processing" in error["Message"]
