"""What `retrain` hands on from state to state, in the machine's own expressions."""

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

    def run(champion: dict[str, str] | None) -> Any:
        name = app.name("scones")
        models.put(f"retraining/{name}/pictures/0.png", photo(255))
        save = {"Type": "Pass", "Assign": {"run": name, "comparable": champion is not None}}
        save["Assign"]["production"] = {"container": champion} if champion else None
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
            "EvaluationRole": models.role,
            "VpcConfig": "{}",
            "OutputEncryption": "{}",
        }.items():
            text = text.replace(f"${{{placeholder}}}", value)
        permissions = [
            *permissions_to_transform(),
            allow("lambda:InvokeFunction"),
            allow(["sagemaker:CreateModel", "sagemaker:DeleteModel"]),
            allow("iam:PassRole", models.role),
        ]
        made = app.machine(json.loads(text), *permissions, kind="STANDARD")
        result = app.ended(app.start(made))
        assert result["status"] == "SUCCEEDED", result
        assert result["output"]["run"] == name
        # Made only for this evaluation.
        left = app.client("sagemaker").list_models(NameContains=f"{name}-champion")["Models"]
        assert left == []
        return result["output"]

    return run


def test_nothing_is_wrong_with_a_model_that_predicts(
    evaluated: Evaluated, models: TinyModels
) -> None:
    asked = evaluated(models.container())

    assert (asked["champion"], asked["champion_fault"]) == (True, None)


def test_nothing_is_wrong_where_no_model_is_compared_with(evaluated: Evaluated) -> None:
    asked = evaluated(None)

    assert (asked["champion"], asked["champion_fault"]) == (False, None)


def test_why_no_job_could_be_started(
    app: TinyApp, evaluated: Evaluated, models: TinyModels
) -> None:
    sagemaker = app.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="rejections")
    package = sagemaker.create_model_package(
        ModelPackageGroupName="rejections",
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [models.container()]},
    )["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Rejected")

    asked = evaluated({"ModelPackageName": package})

    assert asked["champion"] is True
    assert asked["champion_fault"] == {
        "error": "SageMaker.SageMakerException",
        "cause": f"Model package {package} is rejected: it can't be deployed.",
    }


def test_why_a_job_failed(evaluated: Evaluated, models: TinyModels) -> None:
    fault = evaluated(models.container("broken"))["champion_fault"]

    assert fault["error"] == "States.TaskFailed"
    job = json.loads(fault["cause"])
    assert (job["TransformJobStatus"], job["FailureReason"]) == (
        "Failed",
        "AlgorithmError: See job logs for more information",
    )


def test_a_long_cause_is_cut(evaluated: Evaluated) -> None:
    fault = evaluated({"ModelPackageName": "x" * 20_000})["champion_fault"]

    assert len(fault["cause"]) == 10_000


ECHO = "def handler(event, context): return {'prepared': 1, 'unreadable': 1, 'asked': event}"
CHANNELS = ["train", "validation", "train_lst", "validation_lst"]
DATASET = "s3://data/dataset/"

Handed = Callable[..., Any]


def substituted(states: dict[str, Any], **values: str) -> dict[str, Any]:
    text = json.dumps(states)
    for placeholder, value in values.items():
        text = text.replace(f"${{{placeholder}}}", value)
    return dict(json.loads(text))


def lists(batches: dict[str, int], *, trained_on: bool) -> dict[str, Any]:
    """Give what the lists' function answers: how many batches each list has."""
    channels = [*CHANNELS, "negatives"] if trained_on else CHANNELS
    return {
        "channels": {
            name: {"S3DataType": "ManifestFile", "S3Uri": f"s3://data/{name}"} for name in channels
        },
        "photos": DATASET,
        "negatives": {"photos": f"{DATASET}none_of_the_classes/"} if len(batches) > 1 else None,
        "batches": [
            {"start": number, "end": number + 1, "list_file": name}
            for name, count in batches.items()
            for number in range(count)
        ],
    }


@pytest.mark.parametrize("spot", ["true", "false"])
def test_only_spot_training_has_checkpoints(app: TinyApp, spot: str) -> None:
    states = {
        "Lists": {"Type": "Pass", "Assign": {"training": {}, "run": "run"}, "Next": "Train"},
        "Train": {
            "Type": "Pass",
            "Output": DEFINITION["States"]["Train"]["Arguments"],
            "End": True,
        },
    }
    machine = app.machine(substituted(states, SpotTraining=spot, TrainingHours="2", VpcConfig="{}"))

    asked = app.run(machine)["output"]

    of_spot = {"EnableManagedSpotTraining", "CheckpointConfig", "StoppingCondition"}
    assert set(asked) == (of_spot if spot == "true" else set())
    if spot == "true":
        assert asked["StoppingCondition"] == {
            "MaxRuntimeInSeconds": 7200,
            "MaxWaitTimeInSeconds": 14400,
        }


@pytest.mark.parametrize("algorithm", ["own", "builtin"])
@pytest.mark.parametrize("trained_on", [True, False])
@pytest.mark.parametrize("incremental", ["true", "false"])
def test_negatives_are_a_channel_of_our_own_algorithm_only(
    app: TinyApp, algorithm: str, trained_on: bool, incremental: str
) -> None:
    channels = DEFINITION["States"]["Prepare Training"]["Assign"]["training"]["InputDataConfig"]
    states = {
        "Lists": {
            "Type": "Pass",
            "Assign": {
                "lists": lists({"validation.lst": 1}, trained_on=trained_on),
                "continuable": True,
                "production": {"artifacts": "s3://data/model.tar.gz"},
            },
            "Next": "Train",
        },
        "Train": {"Type": "Pass", "Output": channels, "End": True},
    }
    machine = app.machine(substituted(states, Algorithm=algorithm, Incremental=incremental))

    asked = app.run(machine)["output"]

    expected = list(CHANNELS)
    expected += ["negatives"] * (trained_on and algorithm == "own")
    expected += ["model"] * (incremental == "true")
    assert [channel["ChannelName"] for channel in asked] == expected
    for channel in asked:
        if channel["ChannelName"] != "model":
            assert channel["DataSource"]["S3DataSource"] == {
                "S3DataType": "ManifestFile",
                "S3Uri": f"s3://data/{channel['ChannelName']}",
                "S3DataDistributionType": "FullyReplicated",
            }


@pytest.mark.parametrize("negatives", [0, 1, 3])
@pytest.mark.parametrize("photos", [1, 2])
def test_the_batches_of_both_lists_are_prepared(app: TinyApp, photos: int, negatives: int) -> None:
    counts = {"validation.lst": photos} | ({"negatives.lst": negatives} if negatives else {})
    given = lists(counts, trained_on=True)
    states = {
        "Lists": {"Type": "Pass", "Assign": {"run": "run-1", "lists": given}, "Next": "Prepare"},
        "Prepare": DEFINITION["States"]["Prepare Pictures"] | {"Next": "Done"},
        "Done": {"Type": "Pass", "Output": "{% $prepared %}", "End": True},
        "Failed": {"Type": "Fail", "Error": "{% $fault.Error %}", "Cause": "{% $fault.Cause %}"},
    }
    function = app.function(ECHO)
    machine = app.machine(
        substituted(states, PrepareImagesFunction=function), allow("lambda:InvokeFunction")
    )

    prepared = app.run(machine)["output"]

    roots = {"validation.lst": DATASET, "negatives.lst": f"{DATASET}none_of_the_classes/"}
    assert [item["asked"] for item in prepared] == [
        {"run": "run-1", "photos": roots[batch["list_file"]], **batch} for batch in given["batches"]
    ]


@pytest.mark.parametrize(
    ("familiarity", "negatives", "auroc"),
    [
        (None, "0", "none"),
        ({"negatives": 0, "auroc": None}, "0", "none"),
        ({"negatives": 3, "auroc": 0.97}, "3", "0.97"),
    ],
)
def test_what_a_version_says_of_its_familiarity(
    app: TinyApp, familiarity: Any, negatives: str, auroc: str
) -> None:
    register = DEFINITION["States"]["Register"]["Arguments"]["CustomerMetadataProperties"]
    told = {name: register[name] for name in ("negatives", "familiarity_auroc")}
    evaluation = {"candidate": {"familiarity": familiarity}}
    states = {
        "Evaluate": {"Type": "Pass", "Assign": {"evaluation": evaluation}, "Next": "Register"},
        "Register": {"Type": "Pass", "Output": told, "End": True},
    }

    output = app.run(app.machine(states))["output"]

    assert output == {"negatives": negatives, "familiarity_auroc": auroc}
