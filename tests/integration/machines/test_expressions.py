"""Every expression of every state machine, with none, one and several items in each list.

What services answer has the members that botocore's models give them; Step Functions writes all
their names in Pascal case.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import stepfunctions

from scones.reviews import JoinOutcome
from tests.integration.machines.exploration import (
    ACCOUNT,
    EXECUTION,
    STARTED,
    Exploration,
    Results,
    explore,
    expressions,
    load,
)

ACCOUNT_ARN = f"arn:aws:sagemaker:{ACCOUNT}"
PACKAGE = f"{ACCOUNT_ARN}:model-package/scones/7"
OTHER_PACKAGE = f"{ACCOUNT_ARN}:model-package/scones/6"
ARTIFACTS = "s3://data/models/scones-20260102030405-0f0f0f/model.tar.gz"

SUBSTITUTIONS = {
    "RecordRetentionDays": "365",
    "DataBucket": "data",
    "TrainingImage": "image",
    "EndpointName": "scones",
    "ClassNames": "bicycle,motorcycle",
    "ImageShape": "3,64,64",
    "ErrorsAlarm": "errors",
    "LatencyAlarm": "latency",
    **dict.fromkeys(
        [
            "PollSeconds",
            "ApprovalHours",
            "TransformConcurrency",
            "TrainingHours",
            "TrainingVolumeGB",
            "CapturePercent",
            "CanarySeconds",
            "BakeSeconds",
            "HostingInstanceCount",
            "SmokePhotos",
        ],
        "2",
    ),
    "VpcConfig": "{}",
    "OutputEncryption": "{}",
    "SpotTraining": "false",
    "Incremental": "true",
    "Algorithm": "own",
}

ENDPOINT = f'"{ACCOUNT_ARN}:endpoint/scones"'
EXISTS = f"Cannot create already existing endpoint {ENDPOINT}."
IN_PROGRESS = f"Cannot update in-progress endpoint {ENDPOINT}."
GONE = f"Could not find endpoint {ENDPOINT}."
NOT_JSON = "{not JSON, though it looks so}"
ERRORS = [
    {"Error": "States.Timeout"},
    {"Error": "Lambda.Unknown", "Cause": "The cause could not be determined"},
    {"Error": "States.TaskFailed", "Cause": NOT_JSON},
    {"Error": "DatasetError", "Cause": json.dumps({"errorMessage": 'no "photos"\nat all'})},
    {"Error": "States.TaskFailed", "Cause": json.dumps({"FailureReason": "AlgorithmError: x"})},
    {"Error": "SageMaker.SageMakerException", "Cause": EXISTS},
]


def executions(count: int) -> dict[str, Any]:
    """Answer ListExecutions with this one and others that started before it."""
    started = [(EXECUTION, STARTED)]
    started += [(f"{EXECUTION}-{n}", "2026-01-01T00:00:00.000Z") for n in range(count)]
    return {"Executions": [{"ExecutionArn": arn, "StartDate": date} for arn, date in started]}


def endpoints(name: str) -> list[dict[str, Any]]:
    """Answer ListEndpoints: none, the endpoint alone, among others, and others alone."""
    statuses = ["InService", "Failed", "Updating", "UpdateRollbackFailed"]
    found = [[{"EndpointName": name, "EndpointStatus": status}] for status in statuses]
    other = {"EndpointName": "scones-of-others", "EndpointStatus": "InService"}
    return [{"Endpoints": items} for items in ([], *found, [*found[0], other], [other])]


def alarms(*ringing: str) -> dict[str, Any]:
    return {
        "MetricAlarms": [
            {"AlarmName": name, "StateValue": "ALARM" if name in ringing else "OK"}
            for name in ("errors", "latency")
        ]
    }


def described(status: str, config: str | None = None, reason: str | None = None) -> dict[str, Any]:
    found = {"EndpointStatus": status, "EndpointConfigName": config, "FailureReason": reason}
    return {name: value for name, value in found.items() if value is not None}


MODELS = [
    {"PrimaryContainer": {"ModelPackageName": OTHER_PACKAGE}},
    {"PrimaryContainer": {"ModelPackageName": PACKAGE}},
    {"PrimaryContainer": {"Image": "image", "ModelDataUrl": ARTIFACTS}},
    {"PrimaryContainer": {"Image": "image", "ModelDataUrl": ARTIFACTS, "Environment": {"A": "1"}}},
    {"Containers": [{"Image": "image"}]},
]

CLASSES = hashlib.sha256(b'["bicycle","motorcycle","3,64,64"]').hexdigest()
RECIPE = hashlib.sha256(f"{'f' * 64} image true".encode()).hexdigest()


def packages() -> list[dict[str, Any]]:
    own = {"classes": CLASSES, "run": "scones-1", "algorithm": "own", "artifacts": ARTIFACTS}
    metadata: list[dict[str, str]] = [
        {},
        own,
        own | {"artifacts_etag": "e"},
        own | {"artifacts_etag": "f"},
        own | {"classes": "others"},
    ]
    containers = {"Containers": [{"Image": "image", "ModelDataUrl": ARTIFACTS}]}
    return [
        {
            "ModelApprovalStatus": status,
            "CustomerMetadataProperties": properties,
            "InferenceSpecification": containers,
        }
        for status, properties in itertools.product(("Approved", "Rejected"), metadata)
    ]


def staging(variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        described("Creating"),
        described("InService", f"{variables['name']}--staging"),
        described("Failed"),
        described("Failed", None, "CapacityError"),
    ]


def production(variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        described("InService", variables["name"]),
        described("InService", "before", "alarms rang"),
        described("InService", "before"),
        described("Updating"),
        described("Failed", None, "no capacity"),
    ]


PASSED = {"passed": True, "message": "5 of 5 photos"}
PROMOTE: Results = {
    "List Executions": [executions(count) for count in (0, 1, 2)],
    "Look At Other": [
        {"Input": json.dumps(asked)}
        for asked in ({"detail": {"ModelPackageArn": PACKAGE}}, {"rollback_to": PACKAGE}, {})
    ],
    "Describe Package": packages(),
    "Look At Version Again": packages(),
    "Look At Artifacts": [{"ETag": '"e"'}],
    "Find Production": endpoints("scones"),
    "Look At Production Now": endpoints("scones"),
    "Still There?": endpoints("scones"),
    "Find Staging": endpoints("scones--staging"),
    "Describe Endpoint": [described("InService", "before")],
    "Describe Endpoint Config": [{"ProductionVariants": [{"ModelName": "before"}]}],
    "Describe Model": MODELS,
    "Look At Staging": staging,
    "Look At Production": production,
    "Smoke Test": [{"Payload": PASSED}, {"Payload": PASSED | {"passed": False}}],
    "Ask A Person": [
        {"approved": True},
        {"approved": True, "by": "role/a", "comment": "fine"},
        {"approved": False, "comment": 'not "yet"\n'},
        {"approved": False, "by": "b"},
        {},
    ],
    "Look At Alarms": [
        *(alarms(*ringing) for ringing in ((), ("errors",), ("latency",), ("errors", "latency"))),
        {},
    ],
}

PROMOTIONS = [
    {"detail": {"ModelPackageArn": PACKAGE, "ModelApprovalStatus": "Approved"}},
    {"rollback_to": PACKAGE, "requested_by": "a"},
    {"artifacts": ARTIFACTS},
    {"artifacts": ["s3://data/models/"]},
    {"rollback_to": 7},
    {},
]


def manifest(batches: int, *, negatives: int) -> dict[str, Any]:
    channels = {
        name: {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{name}"}
        for name in ("train", "validation", "train_lst", "validation_lst")
    }
    prefix = {"negatives": {"S3DataType": "ManifestFile", "S3Uri": "s3://data/n"}}
    cut = [{"list_file": "validation.lst", "start": n, "end": n + 1} for n in range(batches)]
    cut += [{"list_file": "negatives.lst", "start": n, "end": n + 1} for n in range(negatives)]
    return {
        "fingerprint": "f" * 64,
        "last_trained": None,
        "class_names": ["bicycle", "motorcycle"],
        "channels": channels | (prefix if negatives else {}),
        "hyperparameters": {"num_classes": "2"},
        "photos": "s3://data/dataset/",
        "negatives": {"photos": "s3://data/negatives/"} if negatives else None,
        "batches": cut,
    }


def evaluation(verdict: str, *, champion: bool, familiarity: Any = None) -> dict[str, Any]:
    figures = {
        "accuracy": 0.9,
        "photos": 40,
        "calibration_error": 0.02,
        "threshold": 0.93 if champion else None,
        "familiarity": familiarity,
    }
    return {
        "verdict": verdict,
        "message": "36 of 40",
        "evaluation": "s3://data/retraining/1/evaluation.json",
        "candidate": figures,
        "champion": figures if champion else None,
    }


LISTS = [manifest(count, negatives=others) for count in (0, 1, 2) for others in (0, 1)]
FAMILIARITIES = [None, {"negatives": 0, "auroc": None}, {"negatives": 9, "auroc": 0.9}]
RETRAIN: Results = {
    **PROMOTE,
    "Generate Lists": [
        {"Payload": found} for found in (*LISTS, LISTS[0] | {"last_trained": RECIPE})
    ],
    "Describe Champion": packages(),
    "Train": [{"ModelArtifacts": {"S3ModelArtifacts": ARTIFACTS}}],
    "Prepare Batch": [{"Payload": {"prepared": 1, "unreadable": 1}}],
    "Evaluate": [
        {"Payload": evaluation(verdict, champion=champion, familiarity=familiarity)}
        for verdict in ("good", "not_good_enough")
        for champion in (False, True)
        for familiarity in FAMILIARITIES
    ],
    "Register": [{"ModelPackageArn": PACKAGE}],
}


def photo_event(key: str, **more: str) -> dict[str, Any]:
    detail = {"bucket": {"name": "photos"}, "object": {"key": key, "etag": "e", "size": 1, **more}}
    return {"time": "2026-01-02T03:04:05Z", "detail": detail}


PHOTOS = [
    photo_event("incoming/a.jpg", **{"version-id": "v", "sequencer": "0A"}),
    photo_event("incoming/b.jpg"),
    photo_event("simulated/c.jpg", **{"version-id": "v"}),
]
PROBABILITIES = {"bicycle": 0.6, "motorcycle": 0.4}
DECISION = {
    "label": "bicycle",
    "confidence": 0.6,
    "threshold": 0.5,
    "loading_bay": "A",
    "familiarity": None,
    "familiarity_limit": None,
    "probabilities": PROBABILITIES,
}


USABLE = {"outcome": "usable", "picture": {"image": "…", "content_type": "image/png"}}
REJECTED = {"outcome": "rejected", "reason": {"code": "corrupt", "message": "not a photo"}}
ANSWER = {"probabilities": PROBABILITIES, "endpoint": "scones", "variant": "AllTraffic"}
RECORDED = json.dumps({"status": "needs_review", "reason": None, **DECISION})
CLASSIFY: Results = {
    "Serialize": [{"Payload": USABLE}, {"Payload": REJECTED}],
    "Classify": [{"Payload": ANSWER}, {"Payload": ANSWER | {"familiarity": 0.4}}],
    "Threshold": [{"Payload": DECISION}],
    "Join Reviews": [{"Payload": {"outcome": name}} for name in get_args(JoinOutcome)],
    "Claim Record": [{"Attributes": {"event": {"S": RECORDED}}}],
}

RECORDS = [
    {},
    {"Item": {"status": {"S": "classified"}}},
    {"Item": {"status": {"S": "needs_review"}}},
    {"Item": {"status": {"S": "needs_review"}, "review": {"S": "{}"}}},
]


DECIDED = [{"photo": {"bucket": "photos", "key": "incoming/a.jpg", "version_id": "v"}}]
MACHINES: dict[str, tuple[Sequence[Any], Results]] = {
    "classify": (PHOTOS, CLASSIFY),
    "discard": (DECIDED, {"Read Record": RECORDS}),
    "promote": (PROMOTIONS, PROMOTE),
    "retrain": ([{}, {"force": True, "requested_by": "a"}], RETRAIN),
}


@pytest.fixture(scope="module")
def explored() -> Callable[..., Exploration]:
    found: dict[str, Exploration] = {}

    def run(machine: str) -> Exploration:
        if machine not in found:
            inputs, results = MACHINES[machine]
            found[machine] = explore(load(machine, SUBSTITUTIONS), inputs, results, ERRORS)
        return found[machine]

    return run


def test_there_are_results_for_every_machine() -> None:
    names = {path.name.removesuffix(".asl.json") for path in Path("statemachine").iterdir()}
    assert names == set(MACHINES)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_expression_gives_a_value(machine: str, explored: Callable[..., Exploration]) -> None:
    evaluated = explored(machine).evaluated
    missing = set(expressions(load(machine, SUBSTITUTIONS)["States"])) - evaluated
    assert not missing


def test_an_update_is_watched_by_the_alarms_that_do_not_ring(
    explored: Callable[..., Exploration],
) -> None:
    watched = set()
    for visit in explored("promote").visits:
        if visit.state == "Update Endpoint":
            rollback = visit.arguments["DeploymentConfig"].get("AutoRollbackConfiguration")
            alarms = rollback["Alarms"] if rollback else []
            watched.add(tuple(alarm["AlarmName"] for alarm in alarms))
    assert watched == {(), ("errors",), ("latency",), ("errors", "latency")}


@pytest.mark.parametrize(
    ("machine", "state", "cause", "following"),
    [
        ("promote", "Create Model", EXISTS, "Try It First?"),
        ("promote", "Create Staging Config", EXISTS, "Create Staging"),
        ("promote", "Create Staging", EXISTS, "Wait For Staging"),
        ("promote", "Create Config", EXISTS, "Look At Production Now"),
        ("promote", "Create Endpoint", EXISTS, "Wait For Production"),
        ("promote", "Update Endpoint", IN_PROGRESS, "Wait For Production"),
        ("promote", "Clear Staging", IN_PROGRESS, "Wait Until Cleared"),
        ("promote", "Clear Staging", GONE, "Wait Until Cleared"),
        ("promote", "Delete Broken Endpoint", GONE, "Wait Until Deleted"),
        ("retrain", "Save Model", EXISTS, "Prepare Pictures"),
        ("retrain", "Save Champion", EXISTS, "Transform"),
    ],
)
def test_a_request_whose_answer_was_lost_is_not_a_failure(
    machine: str, state: str, cause: str, following: str
) -> None:
    asked = expression_of(machine, state, "Catch")[-1]["Next"]
    choice = expression_of(machine, asked, "Choices")[0]
    refused = {"Error": "SageMaker.SageMakerException", "Cause": cause}

    assert evaluate(choice["Condition"], fault=refused, states={"fault": refused}) is True
    assert choice["Next"] == following
    for other in ("no capacity", NOT_JSON):
        refused = refused | {"Cause": other}
        assert evaluate(choice["Condition"], fault=refused, states={"fault": refused}) is False


@pytest.mark.parametrize(
    ("machine", "field"),
    [("promote", "reason"), ("retrain", "reason"), ("classify", "outcome")],
)
@given(st.text())
def test_the_reason_of_a_failure_is_read_from_its_cause(
    machine: str, field: str, message: str
) -> None:
    template = expression_of(machine, "Failed", "Assign")[field]

    def reason(cause: str) -> Any:
        told = evaluate(template, fault={"Error": "E", "Cause": cause}, outcome={})
        return told["reason"]["message"] if machine == "classify" else told

    assert reason(message) == message
    assert reason(f"{{{message}}}") == f"{{{message}}}"
    whole = {"errorMessage": message, "errorType": "E", "stackTrace": ["a"]}
    assert reason(json.dumps(whole)) == message
    assert reason(json.dumps(whole, ensure_ascii=False)) == message
    assert reason(json.dumps(whole)[:-1]) == message


def expression_of(machine: str, state: str, field: str) -> Any:
    """Find a field of a state, which may be nested."""
    (found,) = find_states(load(machine, SUBSTITUTIONS), state)
    return found[field]


def find_states(definition: Any, name: str) -> list[Any]:
    if isinstance(definition, list):
        return [found for part in definition for found in find_states(part, name)]
    if not isinstance(definition, dict):
        return []
    own = [definition["States"][name]] if name in definition.get("States", {}) else []
    return own + [found for part in definition.values() for found in find_states(part, name)]


def evaluate(template: Any, states: Any = None, **variables: Any) -> Any:
    """Evaluate an expression, with a state's input and variables."""
    context = {"variables": variables}
    return stepfunctions._apply_jsonata_template(template, states, context)
