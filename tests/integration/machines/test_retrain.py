"""What `retrain` hands on to the evaluation where the model in production gave no predictions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cloud.test_sagemaker_jobs import permissions_to_transform
from tests.integration.cloud.tiny_app import TinyApp, allow
from tests.integration.cloud.tiny_model import TinyModels, photo

DEFINITION = json.loads(
    (Path(__file__).parents[3] / "statemachine" / "retrain.asl.json").read_text("utf-8")
)

KEEPS = """
def handler(event, context):
    return {"asked": event, "candidate": {"accuracy": 1}, "champion": None, "evaluation": ""}
"""

Evaluated = Callable[..., Any]


@pytest.fixture(scope="module")
def models(app: TinyApp) -> TinyModels:
    return TinyModels.made(app)


@pytest.fixture
def evaluated(app: TinyApp, models: TinyModels) -> Evaluated:
    """Let the machine's own states predict and evaluate; gives what the evaluation is asked."""

    def run(champion: str | None) -> Any:
        name = app.name("scones")
        models.put(f"retraining/{name}/pictures/0.png", photo(255))
        save = {"Type": "Pass", "Assign": {"run": name, "comparable": champion is not None}}
        save["Assign"]["production"] = {"model": champion} if champion else None
        candidate = models.container()
        app.client("sagemaker").create_model(
            ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer=candidate
        )
        states = DEFINITION["States"]
        machine = {
            "Read Request": states["Read Request"] | {"Next": "Prepare Outcome"},
            "Prepare Outcome": states["Prepare Outcome"] | {"Next": "Save Model"},
            "Save Model": save | {"Next": "Predict"},
            "Predict": states["Predict"],
            "Evaluate": states["Evaluate"] | {"Next": "Done"},
            "Done": {"Type": "Pass", "Output": "{% $evaluation.asked %}", "End": True},
            "Failed": {
                "Type": "Fail",
                "Error": "{% $fault.Error %}",
                "Cause": "{% $fault.Cause %}",
            },
        }
        text = json.dumps(machine)
        for placeholder, value in {
            "EndpointName": "scones",
            "DataBucket": models.bucket,
            "TransformConcurrency": "2",
            "TransformInstanceType": "ml.m5.large",
            "EvaluateFunction": app.function(KEEPS),
        }.items():
            text = text.replace(f"${{{placeholder}}}", value)
        permissions = [*permissions_to_transform(), allow("lambda:InvokeFunction")]
        made = app.machine(json.loads(text), *permissions, kind="STANDARD")
        result = app.ended(app.start(made))
        assert result["status"] == "SUCCEEDED", result
        assert result["output"]["run"] == name
        return result["output"]

    return run


def test_nothing_is_wrong_with_a_model_that_predicts(
    evaluated: Evaluated, models: TinyModels
) -> None:
    asked = evaluated(models.model())

    assert (asked["champion"], asked["champion_fault"]) == (True, None)


def test_nothing_is_wrong_where_no_model_is_compared_with(evaluated: Evaluated) -> None:
    asked = evaluated(None)

    assert (asked["champion"], asked["champion_fault"]) == (False, None)


def test_why_no_job_could_be_started(
    app: TinyApp, evaluated: Evaluated, models: TinyModels
) -> None:
    sagemaker, model = app.client("sagemaker"), app.name("model")
    sagemaker.create_model_package_group(ModelPackageGroupName="rejections")
    package = sagemaker.create_model_package(
        ModelPackageGroupName="rejections",
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [models.container()]},
    )["ModelPackageArn"]
    container = {"ModelPackageName": package}
    sagemaker.create_model(
        ModelName=model, ExecutionRoleArn=models.role, PrimaryContainer=container
    )
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Rejected")

    asked = evaluated(model)

    assert asked["champion"] is True
    assert asked["champion_fault"] == {
        "error": "SageMaker.AmazonSageMakerException",
        "cause": f"Model package {package} is rejected: it can't be deployed.",
    }


def test_why_a_job_failed(evaluated: Evaluated, models: TinyModels) -> None:
    fault = evaluated(models.model("broken"))["champion_fault"]

    assert fault["error"] == "States.TaskFailed"
    job = json.loads(fault["cause"])
    assert (job["TransformJobStatus"], job["FailureReason"]) == (
        "Failed",
        "AlgorithmError: See job logs for more information",
    )


def test_a_long_cause_is_cut(evaluated: Evaluated) -> None:
    fault = evaluated("x" * 20_000)["champion_fault"]

    assert len(fault["cause"]) == 10_000
