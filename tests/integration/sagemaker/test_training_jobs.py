import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from scones_local.sagemaker import job_run
from tests.integration.sagemaker.local_sagemaker import (
    BUCKET,
    BUILTIN,
    IMAGE,
    POWERLESS,
    ROLE,
    UNTRUSTED,
    Cloud,
    error_of,
    until,
)


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def start(cloud: Cloud, name: str = "job", **changes: Any) -> None:
    if "InputDataConfig" not in changes:
        cloud.put("train/bicycle/1.txt", "a bicycle")
    job = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "InputDataConfig": [channel("train", f"s3://{BUCKET}/train/")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out/"},
        "ResourceConfig": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }
    cloud.sagemaker.create_training_job(**job)


def described(cloud: Cloud, name: str = "job") -> dict[str, Any]:
    return dict(cloud.sagemaker.describe_training_job(TrainingJobName=name))


def ended(cloud: Cloud, name: str = "job") -> dict[str, Any]:
    until(lambda: described(cloud, name)["TrainingJobStatus"] not in ("InProgress", "Stopping"))
    return described(cloud, name)


def reaches(cloud: Cloud, secondary: str) -> Callable[[], bool]:
    return lambda: described(cloud)["SecondaryStatus"] == secondary


def test_runs_the_container_and_keeps_what_it_wrote(cloud: Cloud) -> None:
    cloud.put("lists/train.lst", "1\t0\tbicycle/1.txt")
    cloud.put("train/bicycle/1.txt", "a bicycle")
    start(
        cloud,
        InputDataConfig=[
            channel("train", f"s3://{BUCKET}/train/", ContentType="application/x-image"),
            channel("train_lst", f"s3://{BUCKET}/lists/train.lst", RecordWrapperType="None"),
        ],
        HyperParameters={"epochs": "2"},
        Environment={"COLOUR": "green"},
    )
    job = ended(cloud)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed", job.get(
        "FailureReason"
    )
    assert job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] >= 1
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/out/job/output/model.tar.gz"
    model = json.loads(cloud.archive("out/job/output/model.tar.gz")["model.json"])
    assert model["saw"] == {
        "input/data/train/bicycle/1.txt": "a bicycle",
        "input/data/train_lst/train.lst": "1\t0\tbicycle/1.txt",
    }
    assert model["configuration"]["hyperparameters"] == {"epochs": "2"}
    assert model["configuration"]["inputdataconfig"]["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        "ContentType": "application/x-image",
    }
    assert model["configuration"]["resourceconfig"]["hosts"] == ["algo-1"]
    assert model["environment"]["COLOUR"] == "green"
    assert model["environment"]["TRAINING_JOB_NAME"] == "job"
    assert model["environment"]["ACTS_AS"] == ROLE
    assert cloud.archive("out/job/output/output.tar.gz") == {"report.txt": b"a report"}
    assert until(lambda: not (cloud.folder / "training-jobs" / "job").exists())


def test_an_isolated_job_has_no_credentials(cloud: Cloud) -> None:
    start(cloud, EnableNetworkIsolation=True)
    ended(cloud)
    model = json.loads(cloud.archive("out/job/output/model.tar.gz")["model.json"])
    assert "ACTS_AS" not in model["environment"]


def test_runs_the_entry_point_of_the_job(cloud: Cloud) -> None:
    cloud.put("drivers/train.sh", "#!/bin/bash\ncp /opt/ml/input/data/train/1.txt /opt/ml/model/\n")
    cloud.put("texts/1.txt", "a bicycle")
    driver = "/opt/ml/input/data/drivers/train.sh"
    start(
        cloud,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash"],
            "ContainerArguments": ["-c", f"chmod +x {driver} && {driver}"],
        },
        InputDataConfig=[
            channel("drivers", f"s3://{BUCKET}/drivers/"),
            channel("train", f"s3://{BUCKET}/texts/"),
        ],
    )
    job = ended(cloud)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert cloud.archive("out/job/output/model.tar.gz") == {"1.txt": b"a bicycle"}


def test_sees_nothing_of_the_hosts_environment(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the host's")
    start(cloud)
    ended(cloud)
    model = json.loads(cloud.archive("out/job/output/model.tar.gz")["model.json"])
    assert "AWS_SECRET_ACCESS_KEY" not in model["environment"]


def test_goes_through_the_secondary_statuses_and_tells_of_each(cloud: Cloud) -> None:
    start(cloud, Tags=[{"Key": "team", "Value": "scones"}])
    steps = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [t["Status"] for t in ended(cloud)["SecondaryStatusTransitions"]] == steps
    events = until(lambda: len(e := cloud.sent("SageMaker Training Job State Change")) == 5 and e)
    assert [event["SecondaryStatus"] for event in events] == steps
    assert [event["TrainingJobStatus"] for event in events] == ["InProgress"] * 4 + ["Completed"]
    assert events[-1]["Tags"] == {"team": "scones"}
    assert isinstance(events[-1]["CreationTime"], int)
    assert cloud.events[0][2] == [events[0]["TrainingJobArn"]]
    json.dumps(events)


def test_reads_metrics_from_the_log(cloud: Cloud) -> None:
    specification = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    }
    says = "loss=0.75|loss=0.5|loss=..."
    start(cloud, AlgorithmSpecification=specification, HyperParameters={"says": says})
    (metric,) = ended(cloud)["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 0.5)


def test_knows_the_metrics_of_the_builtin_algorithm(cloud: Cloud) -> None:
    says = "[12:00] Epoch[2] Train-accuracy=0.581019|INFO Epoch[2] Validation-accuracy=0.666667"
    specification = {"TrainingImage": BUILTIN, "TrainingInputMode": "File"}
    start(cloud, AlgorithmSpecification=specification, HyperParameters={"says": says})
    metrics = {m["MetricName"]: m["Value"] for m in ended(cloud)["FinalMetricDataList"]}
    assert metrics == pytest.approx({"train:accuracy": 0.581019, "validation:accuracy": 0.666667})


def test_writes_the_log_to_cloudwatch(cloud: Cloud) -> None:
    start(cloud, HyperParameters={"says": "a line to find"})
    ended(cloud)
    logs = cloud.client("logs", None)
    group = "/aws/sagemaker/TrainingJobs"

    def found() -> bool:
        events = logs.filter_log_events(logGroupName=group, logStreamNamePrefix="job/algo-1-")
        return any(event["message"] == "a line to find" for event in events["events"])

    assert until(found)


def test_fails_with_the_reason_the_container_gave(cloud: Cloud) -> None:
    start(cloud, HyperParameters={"fails": "num_classes must be 2 or more"})
    job = ended(cloud)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: num_classes must be 2 or more, exit code: 1"
    assert "ModelArtifacts" not in job or not cloud.keys("out/job/output/model")
    event = until(lambda: cloud.sent("SageMaker Training Job State Change")[-1])
    assert event["FailureReason"] == job["FailureReason"]


def test_fails_when_the_process_is_killed(cloud: Cloud) -> None:
    start(cloud, HyperParameters={"sleeps": "30"})
    model = cloud.folder / "training-jobs" / "job" / "model" / "model.json"
    until(lambda: model.is_file() and model.read_text())
    os.kill(json.loads(model.read_text())["pid"], signal.SIGKILL)
    assert ended(cloud)["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_fails_where_there_is_no_data(cloud: Cloud) -> None:
    start(cloud, InputDataConfig=[channel("train", f"s3://{BUCKET}/nothing/")])
    reason = ended(cloud)["FailureReason"]
    assert reason.startswith("ClientError: Data download failed:No S3 objects found under S3 URL")


def test_fails_where_the_role_may_not_read(cloud: Cloud) -> None:
    start(cloud, RoleArn=POWERLESS)
    reason = ended(cloud)["FailureReason"]
    assert reason.startswith("ClientError: Data download failed:")
    assert "AccessDenied" in reason


def test_stops_and_keeps_the_model(cloud: Cloud) -> None:
    start(cloud, HyperParameters={"sleeps": "30"})
    model = cloud.folder / "training-jobs" / "job" / "model" / "model.json"
    until(model.is_file)
    cloud.sagemaker.stop_training_job(TrainingJobName="job")
    assert described(cloud)["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = ended(cloud)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert "model.json" in cloud.archive("out/job/output/model.tar.gz")


def test_a_job_that_was_stopped_is_not_stopped_again(cloud: Cloud) -> None:
    start(cloud, HyperParameters={"sleeps": "30"})
    running = cloud.service._training._running
    run = running["job"]
    cloud.sagemaker.stop_training_job(TrainingJobName="job")
    ended(cloud)
    until(lambda: not running)
    running["job"] = run  # as while the thread of the job is still on its way out
    refused = error_of(lambda: cloud.sagemaker.stop_training_job(TrainingJobName="job"))
    assert refused["status"] == 400
    assert "is in status Stopped" in refused["Message"]


def test_a_stop_that_comes_too_late_is_refused_and_changes_nothing(cloud: Cloud) -> None:
    start(cloud)
    run = cloud.service._training._running["job"]
    ended(cloud)
    assert not run.stop()
    assert described(cloud)["TrainingJobStatus"] == "Completed"
    assert until(lambda: not cloud.service._training._running)


def test_kills_what_does_not_stop(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_run, "STOP_GRACE_SECONDS", 0.2)
    start(cloud, HyperParameters={"sleeps": "30", "ignores_sigterm": "1"})
    model = cloud.folder / "training-jobs" / "job" / "model" / "model.json"
    until(model.is_file)
    cloud.sagemaker.stop_training_job(TrainingJobName="job")
    assert ended(cloud)["TrainingJobStatus"] == "Stopped"


def test_stops_after_the_longest_runtime(cloud: Cloud) -> None:
    start(cloud, HyperParameters={"sleeps": "30"}, StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = ended(cloud)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_carries_checkpoints_to_s3_and_back(cloud: Cloud) -> None:
    cloud.put("checkpoints/epoch-0", "zero")
    start(cloud, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints"})
    ended(cloud)
    model = json.loads(cloud.archive("out/job/output/model.tar.gz")["model.json"])
    assert model["checkpoints"] == ["epoch-0", "epoch-1"]
    assert cloud.keys("checkpoints/") == ["checkpoints/epoch-0", "checkpoints/epoch-1"]


def test_refuses_a_name_twice(cloud: Cloud) -> None:
    start(cloud)
    assert error_of(lambda: start(cloud))["Code"] == "ResourceInUse"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RoleArn": None}, "null at 'roleArn' failed to satisfy constraint: Member must not be"),
        ({"TrainingJobName": "a_b"}, "Value 'a_b' at 'trainingJobName' failed to satisfy"),
        ({"HyperParameters": {"k": "v" * 2501}}, "must have length less than or equal to 2500"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "'stoppingCondition.maxRuntimeIn"),
    ],
)
def test_refuses_what_aws_refuses(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    error = error_of(lambda: start(cloud, **changes))
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith("1 validation error detected: ")
    assert message in error["Message"]


def test_refuses_an_image_it_cannot_run(cloud: Cloud) -> None:
    specification = {"TrainingImage": "elsewhere/image:1", "TrainingInputMode": "File"}
    error = error_of(lambda: start(cloud, AlgorithmSpecification=specification))
    assert "elsewhere/image:1" in error["Message"]


def test_spot_training_needs_a_longest_wait(cloud: Cloud) -> None:
    error = error_of(lambda: start(cloud, EnableManagedSpotTraining=True))
    assert error["Message"].startswith("Invalid MaxWaitTimeInSeconds.")


def test_lists_jobs_by_their_real_status(cloud: Cloud) -> None:
    start(cloud, HyperParameters={"fails": "on purpose"})
    ended(cloud)
    for status, names in (("Failed", ["job"]), ("Completed", [])):
        listed = cloud.sagemaker.list_training_jobs(StatusEquals=status)["TrainingJobSummaries"]
        assert [job["TrainingJobName"] for job in listed] == names


def test_a_role_that_cannot_be_assumed_is_refused(cloud: Cloud) -> None:
    error = error_of(lambda: start(cloud, RoleArn=UNTRUSTED))
    assert error["Message"].startswith(f"Could not assume role {UNTRUSTED}.")
    assert cloud.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ResourceConfig": {"InstanceCount": 2}}, "more than one instance"),
        ({"CheckpointConfig": {"S3Uri": "s3://data/c", "LocalPath": "/tmp/c"}}, "outside /opt/ml"),
        ({"InputDataConfig": [channel("a", "s3://data/a", InputMode="Pipe")]}, "Pipe"),
        ({"InputDataConfig": [channel("a", "s3://data/a")] * 2}, "different names"),
        ({"InputDataConfig": [channel("a", "s3://data/a", CompressionType="Gzip")]}, "compressed"),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://data/o", "CompressionType": "NONE"}},
            "uncompressed model artifacts",
        ),
    ],
)
def test_says_what_it_cannot_do(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    if "ResourceConfig" in changes:
        changes["ResourceConfig"] |= {"InstanceType": "ml.g5.xlarge", "VolumeSizeInGB": 1}
    assert message in error_of(lambda: start(cloud, **changes))["Message"]


def test_refuses_a_metric_whose_regex_is_none(cloud: Cloud) -> None:
    specification = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "("}],
    }
    error = error_of(lambda: start(cloud, AlgorithmSpecification=specification))
    assert "The regex of metric loss is invalid" in error["Message"]
