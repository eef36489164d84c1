"""The pipeline `abalone` in the local cloud, started by its command."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.conftest import Pipelines, outputs_of

TABLE = Path(__file__).parents[3] / "shared" / "data" / "abalone" / "abalone.csv"
"""The UCI table, if it lies beside the repository; otherwise tests make a table like it."""


def made_table(rows: int = 800) -> str:
    generator = random.Random(0)
    lines = []
    for _ in range(rows):
        length = generator.uniform(0.1, 0.8)
        sizes = [length, 0.8 * length, 0.3 * length]
        weights = [factor * length**3 for factor in (4, 2, 1, 1.2)]
        values = ",".join(f"{value:.4f}" for value in [*sizes, *weights])
        rings = round(3 + 15 * length + generator.gauss(0, 1))
        lines.append(f"{generator.choice('FIM')},{values},{rings}")
    return "\n".join(lines) + "\n"


def upload(pipelines: Pipelines, key: str, text: str) -> str:
    """Upload a table; returns the options that make a run read it."""
    pipelines.client("s3").put_object(Bucket=pipelines.bucket, Key=key, Body=text.encode())
    return json.dumps({"InputKey": key})


@pytest.fixture(scope="module")
def first(pipelines: Pipelines) -> "Iterator[subprocess.CompletedProcess[str]]":
    """The first execution, whose results the later ones find in the cache."""
    text = TABLE.read_text(encoding="utf-8") if TABLE.exists() else made_table()
    upload(pipelines, "abalone/abalone.csv", text)
    return pipelines.run("abalone", "--description", "first", "--tags", "{'team': 'ml'}")


def lines_of(run: "subprocess.CompletedProcess[str]") -> list[str]:
    """What was printed of the steps, without times."""
    return [" ".join(line.split()[1:]) for line in run.stdout.splitlines() if line[2:3] == ":"]


def execution_of(run: "subprocess.CompletedProcess[str]") -> str:
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("Started "))
    return line.removeprefix("Started ")


def report_of(pipelines: Pipelines, version: dict[str, Any]) -> Any:
    uri = version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    key = uri.removeprefix(f"s3://{pipelines.bucket}/")
    body = pipelines.client("s3").get_object(Bucket=pipelines.bucket, Key=key)["Body"]
    return json.loads(body.read())["regression_metrics"]


def test_a_good_model_is_registered(
    pipelines: Pipelines, first: "subprocess.CompletedProcess[str]"
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    ends = [line for line in lines_of(first) if "Succeeded" in line]
    assert [line.split()[0] for line in ends] == [
        "Preprocess",
        "Train",
        "Evaluate",
        "CheckError",
        "Register",
    ]
    version = pipelines.versions("abalone")[0]
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    assert version["MetadataProperties"]["GeneratedBy"] == execution_of(first)
    # Without a model, the mean for all, it is about 10 on either table.
    assert report_of(pipelines, version)["mse"]["value"] < 6
    # The artifacts are those of this training job.
    job = version["CustomerMetadataProperties"]["training_job"]
    (container,) = version["InferenceSpecification"]["Containers"]
    assert f"/{job}/output/model.tar.gz" in container["ModelDataUrl"]


def test_the_pipeline_has_description_and_tags(
    pipelines: Pipelines, first: "subprocess.CompletedProcess[str]"
) -> None:
    client = pipelines.client("sagemaker")
    pipeline = client.describe_pipeline(PipelineName="abalone")

    assert pipeline["PipelineDescription"] == "first"
    tags = client.list_tags(ResourceArn=pipeline["PipelineArn"])["Tags"]
    assert {"Key": "team", "Value": "ml"} in tags


def test_a_second_run_takes_results_of_the_first(
    pipelines: Pipelines, first: "subprocess.CompletedProcess[str]"
) -> None:
    before = len(pipelines.client("sagemaker").list_training_jobs()["TrainingJobSummaries"])

    run = pipelines.run("abalone")

    assert run.returncode == 0, run.stdout + run.stderr
    cached = [line for line in lines_of(run) if "result of an earlier execution" in line]
    assert [line.split()[0] for line in cached] == ["Preprocess", "Train", "Evaluate"]
    after = pipelines.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert len(after) == before


def test_a_model_with_too_large_an_error_fails_the_execution(
    pipelines: Pipelines, first: "subprocess.CompletedProcess[str]"
) -> None:
    registered = len(pipelines.versions("abalone"))

    run = pipelines.run("abalone", "--parameters", "{'MaxMse': 0.01}")

    assert run.returncode == 1
    assert (
        "failed: ErrorTooHigh: The mean squared error on the test rows is above MaxMse, which is "
        "0.01" in run.stderr
    )
    assert len(pipelines.versions("abalone")) == registered


def test_a_failing_script_says_why(pipelines: Pipelines) -> None:
    parameters = upload(pipelines, "abalone/broken/abalone.csv", "a,b\n1,2\n")

    run = pipelines.run("abalone", "--parameters", parameters)

    assert run.returncode == 1
    assert "failed: Preprocess:" in run.stderr
    assert "abalone.csv has 2 columns, expected 9" in run.stderr
    assert "aws logs tail /aws/sagemaker/ProcessingJobs" in run.stderr
    assert not any(line.startswith("Train") for line in lines_of(run))


def test_data_outside_the_roles_permissions_is_not_read(pipelines: Pipelines) -> None:
    parameters = upload(pipelines, "private/abalone.csv", made_table(50))

    run = pipelines.run("abalone", "--parameters", parameters)

    assert run.returncode == 1
    assert "failed: Preprocess:" in run.stderr
    assert "403" in run.stderr or "AccessDenied" in run.stderr


def test_a_stopped_execution_is_told_and_its_job_ends(pipelines: Pipelines) -> None:
    client = pipelines.client("sagemaker")
    # Another prefix than the other tests', or nothing would be left to stop.
    parameters = upload(pipelines, "abalone/stopped/abalone.csv", made_table(3000))
    with subprocess.Popen(
        pipelines.command("abalone", "--parameters", parameters),
        env=pipelines.cloud.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        execution = ""
        for line in process.stdout:
            if line.startswith("Started "):
                execution = line.removeprefix("Started ").strip()
            if "Preprocess" in line and "Executing" in line:
                break
        client.stop_pipeline_execution(
            PipelineExecutionArn=execution, ClientRequestToken=f"stop-{time.time_ns():032}"
        )
        output, _ = process.communicate(timeout=200)

    assert process.returncode == 1
    assert "The execution ended: Stopped" in output
    steps = client.list_pipeline_execution_steps(PipelineExecutionArn=execution)
    (step,) = steps["PipelineExecutionSteps"]
    assert (step["StepName"], step["StepStatus"]) == ("Preprocess", "Stopped")
    job = step["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    status = client.describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"]
    assert status == "Stopped"


def test_a_schedule_is_made(pipelines: Pipelines) -> None:
    role = outputs_of(pipelines.cloud)["SchedulerRoleArn"]
    options = ["--schedule", "rate(7 days)", "--schedule-role-arn", role]

    run = pipelines.run("abalone", "--no-start", *options)

    assert run.returncode == 0, run.stderr
    schedule = pipelines.client("scheduler").get_schedule(Name="abalone")
    assert schedule["ScheduleExpression"] == "rate(7 days)"
    assert schedule["Target"]["RoleArn"] == role
    assert schedule["Target"]["Arn"].endswith(":pipeline/abalone")


def test_an_upload_starts_an_execution_that_reads_it(
    pipelines: Pipelines, first: "subprocess.CompletedProcess[str]"
) -> None:
    client = pipelines.client("sagemaker")
    options = ["--on-upload", f"s3://{pipelines.bucket}/abalone/new/"]
    options += ["--on-upload-role-arn", outputs_of(pipelines.cloud)["UploadRoleArn"]]
    refused = pipelines.run("abalone", "--no-start", *options)
    pipelines.client("s3").put_bucket_notification_configuration(
        Bucket=pipelines.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    before = client.list_pipeline_executions(PipelineName="abalone")["PipelineExecutionSummaries"]

    made = pipelines.run("abalone", "--no-start", *options)
    upload(pipelines, "abalone/elsewhere.csv", made_table())
    upload(pipelines, "abalone/new/June 2026.csv", made_table())

    assert refused.returncode == 3
    assert "data-bucket sends no events to EventBridge" in refused.stderr
    assert made.returncode == 0, made.stderr
    assert f"Uploads to s3://{pipelines.bucket}/abalone/new/ start it: rule abalone" in made.stdout
    execution = started_after(pipelines, before)
    assert ended(pipelines, execution) == "Succeeded"
    version = pipelines.versions("abalone")[-1]
    assert version["MetadataProperties"]["GeneratedBy"] == execution
    data = version["CustomerMetadataProperties"]["data"]
    assert data == f"s3://{pipelines.bucket}/abalone/new/June 2026.csv"
    after = client.list_pipeline_executions(PipelineName="abalone")["PipelineExecutionSummaries"]
    assert len(after) == len(before) + 1


def started_after(pipelines: Pipelines, before: list[Any]) -> str:
    """Wait for an execution that was not there before; returns its ARN."""
    known = {execution["PipelineExecutionArn"] for execution in before}
    client, deadline = pipelines.client("sagemaker"), time.monotonic() + 30
    while time.monotonic() < deadline:
        listed = client.list_pipeline_executions(PipelineName="abalone")
        arns = {one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]}
        if new := arns - known:
            (arn,) = new
            return str(arn)
        time.sleep(0.2)
    raise AssertionError("no execution has started")


def ended(pipelines: Pipelines, execution: str) -> str:
    """Wait for the end of an execution; returns its status."""
    client, deadline = pipelines.client("sagemaker"), time.monotonic() + 200
    while time.monotonic() < deadline:
        described = client.describe_pipeline_execution(PipelineExecutionArn=execution)
        if described["PipelineExecutionStatus"] != "Executing":
            return str(described["PipelineExecutionStatus"])
        time.sleep(0.5)
    raise AssertionError("the execution has not ended")


def test_a_bucket_that_does_not_exist_is_an_error_of_aws(pipelines: Pipelines) -> None:
    run = replace(pipelines, bucket="absent-bucket").run("abalone")

    assert run.returncode == 3
    assert "absent-bucket" in run.stderr
    assert "Traceback" not in run.stderr
