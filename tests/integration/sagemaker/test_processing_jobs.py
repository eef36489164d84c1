import json
from collections.abc import Callable
from typing import Any

import pytest

from scones_local.sagemaker import job_run
from tests.integration.sagemaker.local_sagemaker import (
    ABSENT,
    BUCKET,
    IMAGE,
    POWERLESS,
    ROLE,
    UNTRUSTED,
    Cloud,
    error_of,
    until,
)

SCRIPT = """
import json, os, sys
from pathlib import Path

source, target = Path(sys.argv[1]), Path(sys.argv[2])
config = Path("/opt/ml/config")
seen = {
    "texts": {path.name: path.read_text() for path in source.rglob("*") if path.is_file()},
    "config": {path.stem: json.loads(path.read_text()) for path in config.iterdir()},
    "environment": dict(os.environ),
    "arguments": sys.argv[3:],
}
(target / "seen.json").write_text(json.dumps(seen))
(target / "link").symlink_to(target / "seen.json")
print("processed", flush=True)
"""
MESSAGE = "Path('/opt/ml/output/message').write_text({message!r}); sys.exit({status})"
SLEEP = "import time; print('asleep', flush=True); time.sleep({seconds})"


def s3_input(name: str, uri: str, path: str, **more: Any) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**source, **more}}


def s3_output(name: str, uri: str, path: str, mode: str = "EndOfJob") -> dict[str, Any]:
    target = {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}
    return {"OutputName": name, "S3Output": target}


def start(cloud: Cloud, name: str = "job", script: str = SCRIPT, **changes: Any) -> None:
    code = cloud.put("code/process.py", script)
    cloud.put("raw/table.csv", "1,2")
    job = {
        "ProcessingJobName": name,
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            }
        },
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/process.py"],
            "ContainerArguments": ["/opt/ml/processing/input/raw", "/opt/ml/processing/out"],
        },
        "RoleArn": ROLE,
        "ProcessingInputs": [
            s3_input("code", code, "/opt/ml/processing/input/code"),
            s3_input("raw", f"s3://{BUCKET}/raw", "/opt/ml/processing/input/raw"),
        ],
        "ProcessingOutputConfig": {
            "Outputs": [s3_output("out", f"s3://{BUCKET}/out", "/opt/ml/processing/out")]
        },
        **changes,
    }
    cloud.sagemaker.create_processing_job(**job)


def described(cloud: Cloud, name: str = "job") -> dict[str, Any]:
    return dict(cloud.sagemaker.describe_processing_job(ProcessingJobName=name))


def ended(cloud: Cloud, name: str = "job") -> dict[str, Any]:
    until(lambda: described(cloud, name)["ProcessingJobStatus"] not in ("InProgress", "Stopping"))
    return described(cloud, name)


def asleep(cloud: Cloud) -> Callable[[], bool]:
    logs = cloud.client("logs", None)

    def found() -> bool:
        groups = logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/Processing")
        if not groups["logGroups"]:
            return False
        events = logs.filter_log_events(logGroupName="/aws/sagemaker/ProcessingJobs")["events"]
        return any(event["message"] == "asleep" for event in events)

    return found


def test_runs_a_script_and_uploads_its_outputs(cloud: Cloud) -> None:
    start(cloud, Environment={"MODEL_DIR": "/opt/ml/processing/model", "COLOR": "green"})
    job = ended(cloud)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceType"] == "ml.m5.large"
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert job["Environment"]["MODEL_DIR"] == "/opt/ml/processing/model"
    assert cloud.keys("out") == ["out/seen.json"]
    seen = json.loads(cloud.s3.get_object(Bucket=BUCKET, Key="out/seen.json")["Body"].read())
    assert seen["texts"] == {"table.csv": "1,2"}
    assert seen["environment"]["COLOR"] == "green"
    assert seen["environment"]["MODEL_DIR"].startswith(str(cloud.folder))
    assert "AWS_SECRET_ACCESS_KEY" not in seen["environment"]
    assert seen["environment"]["ACTS_AS"] == ROLE
    assert seen["config"]["resourceconfig"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    config = seen["config"]["processingjobconfig"]
    assert config["ProcessingJobArn"] == job["ProcessingJobArn"]
    assert config["ProcessingInputs"][0]["S3Input"]["S3DownloadMode"] == "StartOfJob"
    assert config["AppSpecification"]["ContainerArguments"][0] == "/opt/ml/processing/input/raw"
    assert until(lambda: not (cloud.folder / "processing-jobs" / "job").exists())


def test_an_isolated_job_has_no_credentials(cloud: Cloud) -> None:
    start(cloud, NetworkConfig={"EnableNetworkIsolation": True})
    ended(cloud)
    seen = json.loads(cloud.s3.get_object(Bucket=BUCKET, Key="out/seen.json")["Body"].read())
    assert "ACTS_AS" not in seen["environment"]


def test_reports_each_status_as_an_event(cloud: Cloud) -> None:
    start(cloud, Tags=[{"Key": "team", "Value": "scones"}])
    arn = ended(cloud)["ProcessingJobArn"]
    kind = "SageMaker Processing Job State Change"
    first, last = until(lambda: len(e := cloud.sent(kind)) == 2 and e)
    assert [e["ProcessingJobStatus"] for e in (first, last)] == ["InProgress", "Completed"]
    assert last["Tags"] == {"team": "scones"}
    assert isinstance(last["ProcessingEndTime"], int)
    assert cloud.events[0][2] == [arn]
    json.dumps([first, last])


def test_fails_with_the_message_of_the_script(cloud: Cloud) -> None:
    start(cloud, script=SCRIPT + MESSAGE.format(message="3 rows have no label", status=4))
    job = ended(cloud)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["ExitMessage"] == "3 rows have no label"
    assert job["FailureReason"] == "AlgorithmError: 3 rows have no label, exit code: 4"
    assert cloud.keys("out") == []


def test_keeps_the_message_of_a_script_that_succeeds(cloud: Cloud) -> None:
    start(cloud, script=SCRIPT + MESSAGE.format(message="x" * 2000, status=0))
    job = ended(cloud)
    assert job["ProcessingJobStatus"] == "Completed"
    assert job["ExitMessage"] == "x" * 1024


def test_stops_a_job(cloud: Cloud) -> None:
    start(cloud, script=SLEEP.format(seconds=60))
    until(asleep(cloud))
    cloud.sagemaker.stop_processing_job(ProcessingJobName="job")
    assert ended(cloud)["ProcessingJobStatus"] == "Stopped"
    assert cloud.keys("out") == []
    error = error_of(lambda: cloud.sagemaker.stop_processing_job(ProcessingJobName="job"))
    assert "is in status Stopped" in error["Message"]


def test_stops_after_the_longest_runtime(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_run, "STOP_GRACE_SECONDS", 0.2)
    limit = {"MaxRuntimeInSeconds": 1}
    start(cloud, script=SLEEP.format(seconds=60), StoppingCondition=limit)
    assert ended(cloud)["ProcessingJobStatus"] == "Stopped"


def test_uploads_continuously_whatever_becomes_of_the_script(cloud: Cloud) -> None:
    output = s3_output("out", f"s3://{BUCKET}/out", "/opt/ml/processing/out", "Continuous")
    start(cloud, script=SCRIPT + "sys.exit(1)", ProcessingOutputConfig={"Outputs": [output]})
    assert ended(cloud)["FailureReason"] == "AlgorithmError: , exit code: 1"
    assert cloud.keys("out") == ["out/seen.json"]


def test_runs_a_shell_script_that_names_its_folders(cloud: Cloud) -> None:
    run = cloud.put(
        "entry/run.sh",
        "#!/bin/bash\ncd /opt/ml/processing/input/raw\ncp table.csv /opt/ml/processing/out\n",
    )
    start(
        cloud,
        AppSpecification={
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["/bin/bash", "/opt/ml/processing/input/entry/run.sh"],
        },
        ProcessingInputs=[
            s3_input("entry", run, "/opt/ml/processing/input/entry"),
            s3_input("raw", f"s3://{BUCKET}/raw/", "/opt/ml/processing/input/raw"),
        ],
    )
    assert ended(cloud)["ProcessingJobStatus"] == "Completed"
    assert cloud.keys("out") == ["out/table.csv"]


def test_needs_the_inputs(cloud: Cloud) -> None:
    missing = s3_input("raw", f"s3://{BUCKET}/none", "/opt/ml/processing/input/raw")
    start(cloud, ProcessingInputs=[missing])
    job = ended(cloud)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:No S3 objects found")


def test_acts_with_the_permissions_of_the_role(cloud: Cloud) -> None:
    start(cloud, RoleArn=POWERLESS)
    assert "AccessDenied" in ended(cloud)["FailureReason"]
    error = error_of(lambda: start(cloud, "other", RoleArn=UNTRUSTED))
    assert error["Message"].startswith(f"Could not assume role {UNTRUSTED}.")


def test_lists_jobs(cloud: Cloud) -> None:
    for name in ("b", "a", "c"):
        start(cloud, name)
        ended(cloud, name)

    def names(**filters: Any) -> list[str]:
        listed = cloud.sagemaker.list_processing_jobs(**filters)["ProcessingJobSummaries"]
        return [job["ProcessingJobName"] for job in listed]

    assert names() == ["c", "a", "b"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["a", "b", "c"]
    assert names(NameContains="B") == ["b"]
    assert names(StatusEquals="Failed") == []
    first = cloud.sagemaker.list_processing_jobs(MaxResults=2)
    assert len(first["ProcessingJobSummaries"]) == 2
    assert names(MaxResults=2, NextToken=first["NextToken"]) == ["b"]
    assert "Invalid pagination token" in error_of(lambda: names(NextToken="x"))["Message"]


def test_refuses_a_name_twice(cloud: Cloud) -> None:
    start(cloud)
    assert error_of(lambda: start(cloud))["Code"] == "ResourceInUse"


def test_does_not_know_other_jobs(cloud: Cloud) -> None:
    for call in (cloud.sagemaker.describe_processing_job, cloud.sagemaker.stop_processing_job):
        message = error_of(lambda call=call: call(ProcessingJobName="none"))["Message"]  # type: ignore[misc]
        assert message == "Could not find requested job with name: none"


RAW = f"s3://{BUCKET}/raw"
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ProcessingResources": {"ClusterConfig": CLUSTER}}, "more than one instance"),
        ({"AppSpecification": {"ImageUri": ABSENT}}, "does not exist: run `make it` first"),
        ({"AppSpecification": {"ImageUri": "other:1"}}, "'other:1' isn't known"),
        ({"ProcessingInputs": [s3_input("a", RAW, "/tmp/a")]}, "/tmp/a of the input a must lie"),
        ({"ProcessingInputs": [s3_input("a", RAW, "/opt/ml/processing/../x")]}, "must lie below"),
        (
            {"ProcessingInputs": [s3_input("a", RAW, "/opt/ml/processing/a", S3InputMode="Pipe")]},
            "Pipe input mode (input a)",
        ),
        (
            {"ProcessingInputs": [{"InputName": "a", "DatasetDefinition": {}}]},
            "dataset definitions (input a)",
        ),
        (
            {"ProcessingInputs": [s3_input("a", RAW, "/opt/ml/processing/a")] * 2},
            "must have different names",
        ),
        (
            {"ProcessingOutputConfig": {"Outputs": [s3_output("o", RAW, "/opt/ml/model")]}},
            "/opt/ml/model of the output o must lie below",
        ),
    ],
)
def test_says_what_it_cannot_do(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    assert message in error_of(lambda: start(cloud, **changes))["Message"]
