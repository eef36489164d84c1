import json
import time
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sagemaker.local_sagemaker import (
    BUCKET,
    IMAGE,
    POWERLESS,
    ROLE,
    UNTRUSTED,
    Cloud,
    error_of,
    until,
)
from tests.integration.sagemaker.pipeline_steps import (
    EVALUATE,
    FAIL,
    PREPROCESS,
    SLEEP,
    condition,
    create,
    definition,
    described,
    ended,
    fail,
    function,
    got,
    joined,
    processing,
    reaches,
    run,
    start,
    statuses,
    steps,
    training,
    upload,
)

NOTIFY = "arn:aws:lambda:us-east-1:123456789012:function:notify"
ACCURACY = {
    "Std:JsonGet": {
        "PropertyFile": got("Steps.Evaluate.PropertyFiles.Report"),
        "Path": "metrics.accuracy.value",
    }
}
REPORT = {"PropertyFileName": "Report", "OutputName": "evaluation", "FilePath": "evaluation.json"}
ARTIFACTS = got("Steps.Train.ModelArtifacts.S3ModelArtifacts")
PARAMETERS = [
    {"Name": "Epochs", "Type": "Integer", "DefaultValue": 2},
    {"Name": "Accuracy", "Type": "Float", "DefaultValue": 0.9},
    {"Name": "Minimum", "Type": "Float", "DefaultValue": 0.6},
    {
        "Name": "Approval",
        "Type": "String",
        "DefaultValue": "PendingManualApproval",
        "EnumValues": ["PendingManualApproval", "Approved"],
    },
]
CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}


def register() -> dict[str, Any]:
    report = joined(
        got("Steps.Evaluate.ProcessingOutputConfig.Outputs['evaluation'].S3Output.S3Uri"),
        "evaluation.json",
    )
    arguments = {
        "ModelPackageGroupName": "vehicles",
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": report}},
            "Bias": {},
        },
        "CustomerMetadataProperties": {"accuracy": joined(ACCURACY, on="")},
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": ARTIFACTS}],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelApprovalStatus": got("Parameters.Approval"),
    }
    return {"Name": "Register", "Type": "RegisterModel", "Arguments": arguments}


def vehicles() -> str:
    model = {
        "Name": "Create_Model",
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": ARTIFACTS},
        },
    }
    transform = {
        "Name": "Transform",
        "Type": "Transform",
        "Arguments": {
            "ModelName": got("Steps.Create_Model.ModelName"),
            "TransformInput": {
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/raw"}
                }
            },
            "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/transformed"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        },
    }
    notify = function(
        "Notify", NOTIFY, {"model": got("Steps.Create_Model.ModelName")}, code="Integer"
    )
    confirmed = {
        "Type": "Equals",
        "LeftValue": got("Steps.Notify.OutputParameters['code']"),
        "RightValue": 200,
    }
    good = {
        "Type": "GreaterThanOrEqualTo",
        "LeftValue": ACCURACY,
        "RightValue": got("Parameters.Minimum"),
    }
    raw = {"raw": f"s3://{BUCKET}/raw"}
    return definition(
        processing("Preprocess", "preprocess", raw, ("train",)),
        training(
            "Train",
            got("Steps.Preprocess.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"),
            {"epochs": got("Parameters.Epochs")},
        ),
        processing(
            "Evaluate",
            "evaluate",
            {"model": ARTIFACTS},
            ("evaluation",),
            (joined(got("Parameters.Accuracy"), on=""),),
            PropertyFiles=[REPORT],
        ),
        condition(
            "GoodEnough",
            [good],
            [
                register(),
                model,
                transform,
                notify,
                condition("Confirmed", [confirmed], [], [fail("NotConfirmed", "no")]),
            ],
            [fail("TooBad", joined("accuracy below", got("Parameters.Minimum"), on=" "))],
        ),
        parameters=PARAMETERS,
    )


@pytest.fixture
def prepared(cloud: Cloud) -> Cloud:
    upload(cloud, preprocess=PREPROCESS, evaluate=EVALUATE, sleep=SLEEP, fail=FAIL)
    cloud.functions[NOTIFY] = lambda payload: {"code": 200, "payload": payload}
    return cloud


def test_runs_all_types_of_steps(prepared: Cloud) -> None:
    arn, execution = run(prepared, vehicles())
    found = steps(prepared, arn)
    reasons = {name: step.get("FailureReason") for name, step in found.items()}
    assert execution["PipelineExecutionStatus"] == "Succeeded", reasons
    assert set(statuses(prepared, arn).values()) == {"Succeeded"}
    assert list(found)[:4] == ["Preprocess", "Train", "Evaluate", "GoodEnough"]
    assert set(list(found)[4:]) == {
        "Register", "Create_Model", "Transform", "Notify", "Confirmed"
    }  # fmt: skip
    identifier = arn.rpartition("/")[2]
    assert (
        arn == f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/vehicles/execution/{identifier}"
    )
    assert len(identifier) == 12
    job = found["Preprocess"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    assert job.startswith(f"pipelines-{identifier}-preprocess-")
    assert found["GoodEnough"]["Metadata"]["Condition"] == {"Outcome": "True"}
    assert found["Notify"]["Metadata"]["Lambda"] == {
        "Arn": NOTIFY,
        "OutputParameters": [{"Name": "code", "Value": "200"}],
    }
    # The number became text, as the service has hyperparameters.
    training_job = found["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    trained = prepared.sagemaker.describe_training_job(TrainingJobName=training_job)
    assert trained["HyperParameters"] == {"epochs": "2"}
    key = trained["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
    model = json.loads(prepared.archive(key)["model.json"])
    assert model["saw"] == {"input/data/train/table.csv": "A,B"}
    assert prepared.keys("transformed") == ["transformed/table.csv.out"]


def test_registers_the_model_in_a_new_group(prepared: Cloud) -> None:
    arn, _ = run(prepared, vehicles())
    registered = steps(prepared, arn)["Register"]["Metadata"]["RegisterModel"]["Arn"]
    assert registered.endswith(":model-package/vehicles/1")
    package = prepared.sagemaker.describe_model_package(ModelPackageName=registered)
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["MetadataProperties"] == {"GeneratedBy": arn}
    assert package["CustomerMetadataProperties"] == {"accuracy": "0.9"}
    uri = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    assert uri == f"s3://{BUCKET}/runs/{arn.rpartition('/')[2]}/Evaluate/evaluation/evaluation.json"
    again = start(prepared, Approval="Approved")
    ended(prepared, again)
    registered = steps(prepared, again)["Register"]["Metadata"]["RegisterModel"]["Arn"]
    assert registered.endswith("/2")


def test_takes_the_other_branch(prepared: Cloud) -> None:
    create(prepared, vehicles())
    arn = start(prepared, Accuracy="0.5")
    execution = ended(prepared, arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    found = steps(prepared, arn)
    assert list(found) == ["Preprocess", "Train", "Evaluate", "GoodEnough", "TooBad"]
    assert found["GoodEnough"]["Metadata"]["Condition"] == {"Outcome": "False"}
    assert found["TooBad"]["StepStatus"] == "Failed"
    assert found["TooBad"]["FailureReason"] == "accuracy below 0.6"
    assert found["TooBad"]["Metadata"]["Fail"] == {"ErrorMessage": "accuracy below 0.6"}
    retried = error_of(lambda: retry(prepared, arn))
    assert "its Fail step TooBad ended it" in retried["Message"]


def retry(cloud: Cloud, arn: str) -> None:
    cloud.sagemaker.retry_pipeline_execution(
        PipelineExecutionArn=arn, ClientRequestToken=f"{arn[-12:]:0>32}"
    )


def stop(cloud: Cloud, arn: str) -> None:
    cloud.sagemaker.stop_pipeline_execution(
        PipelineExecutionArn=arn, ClientRequestToken=f"{arn[-12:]:0>32}"
    )


def test_a_failed_step_ends_the_execution(prepared: Cloud) -> None:
    text = definition(
        processing("Fails", "fail"),
        processing("Never", "evaluate", DependsOn=["Fails"]),
        processing("Handles", "preprocess", DependsOn=[{"Step": "Fails", "Trigger": "Failed"}]),
    )
    arn, execution = run(prepared, text)
    assert execution["PipelineExecutionStatus"] == "Failed"
    found = steps(prepared, arn)
    assert list(found) == ["Fails", "Handles"]
    assert found["Fails"]["FailureReason"] == "ClientError: AlgorithmError: no rows, exit code: 3"
    assert found["Fails"]["AttemptCount"] == 1


def test_running_steps_end_after_a_failure(prepared: Cloud) -> None:
    prepared.put("code/slow.py", "import time; time.sleep(2)")
    text = definition(
        processing("Slow", "slow"),
        processing("Fails", "fail"),
        processing("AfterSlow", "slow", DependsOn=["Slow"]),
    )
    arn, execution = run(prepared, text)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert statuses(prepared, arn) == {"Slow": "Succeeded", "Fails": "Failed"}


def test_retries_what_has_not_succeeded(prepared: Cloud) -> None:
    text = definition(
        processing("First", "preprocess", {"raw": f"s3://{BUCKET}/raw"}, ("train",)),
        processing("Second", "second", DependsOn=["First"]),
        processing("Third", "evaluate", {}, ("evaluation",), ("1",), DependsOn=["Second"]),
    )
    prepared.put("code/second.py", FAIL)
    arn, execution = run(prepared, text)
    assert execution["PipelineExecutionStatus"] == "Failed"
    first = steps(prepared, arn)["First"]
    prepared.put("code/second.py", "pass")
    retry(prepared, arn)
    execution = ended(prepared, arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert "FailureReason" not in execution
    found = steps(prepared, arn)
    assert found["First"] == first
    assert set(statuses(prepared, arn)) == {"First", "Second", "Third"}
    again = error_of(
        lambda: prepared.sagemaker.retry_pipeline_execution(
            PipelineExecutionArn=arn, ClientRequestToken="y" * 32
        )
    )
    assert "is in status Succeeded" in again["Message"]


def test_stops_an_execution(prepared: Cloud) -> None:
    text = definition(
        processing("Sleep", "sleep"), processing("Next", "evaluate", DependsOn=["Sleep"])
    )
    create(prepared, text)
    arn = start(prepared)
    until(reaches(prepared, arn, "Sleep", "Executing"))
    stop(prepared, arn)
    assert described(prepared, arn)["PipelineExecutionStatus"] in ("Stopping", "Stopped")
    assert ended(prepared, arn)["PipelineExecutionStatus"] == "Stopped"
    found = steps(prepared, arn)
    assert {name: step["StepStatus"] for name, step in found.items()} == {"Sleep": "Stopped"}
    job = found["Sleep"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    stopped = prepared.sagemaker.describe_processing_job(ProcessingJobName=job)
    assert stopped["ProcessingJobStatus"] == "Stopped"
    assert "is in status Stopped" in error_of(lambda: stop(prepared, arn))["Message"]
    prepared.put("code/sleep.py", "pass")
    prepared.put("code/evaluate.py", "pass")
    retry(prepared, arn)
    assert ended(prepared, arn)["PipelineExecutionStatus"] == "Succeeded"


def test_uses_cached_results(prepared: Cloud) -> None:
    raw = {"raw": f"s3://{BUCKET}/raw"}
    text = definition(
        processing("Preprocess", "preprocess", raw, ("train",), **CACHED),
        training(
            "Train",
            got("Steps.Preprocess.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"),
            {"epochs": got("Parameters.Epochs")},
            **CACHED,
        ),
        parameters=PARAMETERS,
    )
    first, _ = run(prepared, text)
    assert not any("CacheHitResult" in step for step in steps(prepared, first).values())
    second = start(prepared)
    assert ended(prepared, second)["PipelineExecutionStatus"] == "Succeeded"
    for name, step in steps(prepared, second).items():
        assert step["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
        assert step["Metadata"] == steps(prepared, first)[name]["Metadata"]
        assert step["StepStatus"] == "Succeeded"
    kind = "SageMaker Model Building Pipeline Execution Step Status Change"
    hits = [event["cacheHitResult"] for event in prepared.sent(kind) if "cacheHitResult" in event]
    assert hits == [{"sourcePipelineExecutionArn": first}] * 2
    third = start(prepared, Epochs="3")
    ended(prepared, third)
    found = steps(prepared, third)
    assert "CacheHitResult" in found["Preprocess"]
    assert "CacheHitResult" not in found["Train"]


def test_limits_the_steps_at_a_time(prepared: Cloud) -> None:
    prepared.put("code/short.py", "import time; time.sleep(0.3)")
    text = definition(*(processing(f"Step{n}", "short") for n in range(3)))
    create(prepared, text, ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    arn = start(prepared)
    assert ended(prepared, arn)["PipelineExecutionStatus"] == "Succeeded"
    found = list(steps(prepared, arn).values())
    for earlier, later in pairwise(found):
        assert earlier["EndTime"] <= later["StartTime"]


def test_reports_executions_and_steps_as_events(prepared: Cloud) -> None:
    arn, _ = run(prepared, definition(processing("Fails", "fail")))
    kind = "SageMaker Model Building Pipeline Execution Status Change"
    first, last = until(lambda: len(found := prepared.sent(kind)) == 2 and found)
    assert first["currentPipelineExecutionStatus"] == "Executing"
    assert "previousPipelineExecutionStatus" not in first
    assert last["currentPipelineExecutionStatus"] == "Failed"
    assert last["previousPipelineExecutionStatus"] == "Executing"
    assert last["pipelineExecutionArn"] == arn
    assert last["executionEndTime"] >= last["executionStartTime"]
    resources = next(found for name, _, found in prepared.events if name == kind)
    assert resources == [last["pipelineArn"], arn]
    changes = prepared.sent("SageMaker Model Building Pipeline Execution Step Status Change")
    assert [change["currentStepStatus"] for change in changes] == [
        "Starting", "Executing", "Failed"
    ]  # fmt: skip
    assert changes[-1]["previousStepStatus"] == "Executing"
    assert (changes[-1]["stepName"], changes[-1]["stepType"]) == ("Fails", "Processing")
    assert ":processing-job/pipelines-" in changes[-1]["metadata"]["processingJob"]["arn"]
    assert "no rows" in changes[-1]["failureReason"]


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        (POWERLESS, "Failed to invoke sagemaker:CreateProcessingJob. Error Details: Access Denied"),
        (UNTRUSTED, "Failed to invoke sagemaker:CreateProcessingJob"),
    ],
)
def test_acts_with_the_permissions_of_the_role(prepared: Cloud, role: str, reason: str) -> None:
    create(prepared, definition(processing("Step", "preprocess")), RoleArn=role)
    arn = start(prepared)
    assert ended(prepared, arn)["PipelineExecutionStatus"] == "Failed"
    assert reason in steps(prepared, arn)["Step"]["FailureReason"]


class Throttling:
    """A client of SageMaker whose first requests to create a job are throttled."""

    def __init__(self, client: Any, times: int) -> None:
        self._client = client
        self._left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_processing_job(self, **members: Any) -> Any:
        if self._left:
            self._left -= 1
            error = {"Code": "ThrottlingException", "Message": "Rate exceeded"}
            raise ClientError({"Error": error}, "CreateProcessingJob")  # type: ignore[arg-type]
        return self._client.create_processing_job(**members)


@pytest.mark.parametrize(("times", "status", "attempts"), [(2, "Succeeded", 3), (3, "Failed", 3)])
def test_throttled_requests_are_sent_again(
    prepared: Cloud, monkeypatch: pytest.MonkeyPatch, times: int, status: str, attempts: int
) -> None:
    throttling = Throttling(prepared.sagemaker, times)
    monkeypatch.setattr(prepared, "throttling", throttling)
    policy = {
        "ExceptionType": ["Step.THROTTLING"],
        "IntervalSeconds": 0,
        "MaxAttempts": 2,
    }
    step = processing("Step", "evaluate", {}, ("evaluation",), ("1",), RetryPolicies=[policy])
    arn, _ = run(prepared, definition(step))
    found = steps(prepared, arn)["Step"]
    assert (found["StepStatus"], found["AttemptCount"]) == (status, attempts)
    assert ("Rate exceeded" in found.get("FailureReason", "")) is (status == "Failed")


def test_ends_with_the_local_cloud(prepared: Cloud) -> None:
    create(prepared, definition(processing("Sleep", "sleep")))
    arn = start(prepared)
    until(reaches(prepared, arn, "Sleep", "Executing"))
    began = time.monotonic()
    prepared.service.shutdown()
    assert time.monotonic() - began < 5
    assert not list((prepared.folder / "processing-jobs").iterdir())


def test_a_failing_function_fails_the_step(prepared: Cloud) -> None:
    def fails(_: Any) -> Any:
        raise ValueError("no topic")

    prepared.functions[NOTIFY] = fails
    arn, _ = run(prepared, definition(function("Notify", NOTIFY, {})))
    reason = steps(prepared, arn)["Notify"]["FailureReason"]
    assert reason.startswith("ClientError: The Lambda function failed: ")
    assert "no topic" in reason


def test_a_function_has_to_return_its_outputs(prepared: Cloud) -> None:
    prepared.functions[NOTIFY] = lambda _: {"other": 1}
    arn, _ = run(prepared, definition(function("Notify", NOTIFY, {}, code="Integer")))
    reason = steps(prepared, arn)["Notify"]["FailureReason"]
    assert reason == "ClientError: The Lambda function returned no code."


def test_a_missing_value_in_a_report_fails_the_step(prepared: Cloud) -> None:
    wrong = {"Std:JsonGet": {**ACCURACY["Std:JsonGet"], "Path": "metrics.recall"}}
    text = definition(
        processing("Evaluate", "evaluate", {}, ("evaluation",), ("1",), PropertyFiles=[REPORT]),
        condition("Good", [{"Type": "LessThan", "LeftValue": wrong, "RightValue": 1}], [], []),
    )
    arn, _ = run(prepared, text)
    reason = steps(prepared, arn)["Good"]["FailureReason"]
    assert reason.startswith(f"ClientError: s3://{BUCKET}/runs/")
    assert reason.endswith("/evaluation.json has no value at metrics/recall.")
