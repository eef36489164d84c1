"""The functions that judge a model take the events of events/ and answer what machines expect."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests.unit.stored_run import NAME, StoredRun, photo

Load = Callable[..., ModuleType]
Event = Callable[[str], Any]

BUCKET = "data"
MODEL = {"DATA_BUCKET": BUCKET, "CLASS_NAMES": "a,b", "MINIMUM_ACCURACY": "0.85"}
LIMITS = {"ACCURACY_MARGIN": "0.01", "WANTED_PRECISION": "0.99", "FAMILIARITY_LIMIT": "0.05"}


@pytest.fixture
def stored(aws: None) -> StoredRun:
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return StoredRun(client)


def test_the_events_are_of_one_run(event: Event) -> None:
    for name in ("prepare-images", "evaluate", "smoke-test"):
        assert event(name)["run"] == NAME


def test_prepare_pictures(load: Load, event: Event, context: Any, stored: StoredRun) -> None:
    batch = event("prepare-images")
    bucket = batch["photos"].split("/")[2]
    stored.client.create_bucket(Bucket=bucket)
    stored.client.put_object(Bucket=bucket, Key="dataset/validation/c/0.png", Body=photo())
    stored.put_lists([0, 1])
    function = load("prepare_images", DATA_BUCKET=BUCKET, IMAGE_SHAPE="3,32,32")

    answer = function.handler(batch, context)

    assert answer["prepared"] == 1
    assert answer["unreadable"] == 1
    assert answer["examples"] == ["c/1.png: deleted since the lists were made"]
    json.dumps(answer)


def test_evaluate(load: Load, event: Event, context: Any, stored: StoredRun) -> None:
    stored.put_lists([0, 1])
    for who in ("candidate", "champion"):
        stored.predict(who, 0, [0.9, 0.1])
        stored.predict(who, 1, [0.2, 0.8])
    function = load("evaluate", **MODEL, **LIMITS)

    answer = function.handler(event("evaluate"), context)

    assert answer["verdict"] == "good"
    assert answer["champion"]["accuracy"] == 1.0
    assert stored.names("evaluation/") == [
        "confusion.png",
        "evaluation.json",
        "reliability.png",
        "risk-coverage.png",
    ]
    json.dumps(answer, allow_nan=False)


def test_evaluate_takes_what_executions_from_before_an_update_give_it(
    load: Load, event: Event, context: Any, stored: StoredRun
) -> None:
    stored.put_lists([0, 1])
    stored.predict("candidate", 0, [0.9, 0.1])
    function = load("evaluate", **MODEL, **LIMITS)
    given = event("evaluate")
    del given["champion_fault"]

    answer = function.handler(given, context)

    assert f"see the log of the transform job {NAME}-champion" in answer["champion_message"]


def test_evaluate_says_why_the_model_in_production_has_no_predictions(
    load: Load, event: Event, context: Any, stored: StoredRun
) -> None:
    stored.put_lists([0, 1])
    stored.predict("candidate", 0, [0.9, 0.1])
    function = load("evaluate", **MODEL, **LIMITS)
    fault = {"error": "SageMaker.AmazonSageMakerException", "cause": "it is rejected"}

    answer = function.handler({**event("evaluate"), "champion_fault": fault}, context)

    assert answer["champion_message"].endswith("could not be run: it is rejected")
    written = json.loads(stored.get("evaluation/evaluation.json")["Body"].read())
    assert written["champion_message"] == answer["champion_message"]


def test_smoke_test(load: Load, event: Event, context: Any, stored: StoredRun) -> None:
    stored.put_lists([0, 1])
    stored.put_picture(0)
    stored.put_picture(1)
    function = load("smoke_test", **MODEL, MAXIMUM_LATENCY_MS="17999", SMOKE_PHOTOS="50")
    with Stubber(function.sagemaker) as stubber:
        for probabilities in (b"[0.9, 0.1]", b"[0.9, 0.1]", b"[0.1, 0.9]"):
            stubber.add_response(
                "invoke_endpoint",
                {"Body": io.BytesIO(probabilities)},
                {
                    "EndpointName": "scones--staging",
                    "Body": ANY,
                    "ContentType": "image/png",
                    "Accept": "application/json",
                },
            )
        answer = function.handler(event("smoke-test"), context)

    assert answer["passed"] is True
    assert answer["photos"] == 2
    assert set(answer["latency_ms"]) == {"p50", "p95"}
    json.dumps(answer)


def test_a_retried_request_would_count_as_a_slow_answer(load: Load, aws: None) -> None:
    function = load("smoke_test", **MODEL, MAXIMUM_LATENCY_MS="1000", SMOKE_PHOTOS="50")

    assert function.sagemaker.meta.config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize(
    "module", ["scones.evaluation", "scones.smoke_test", "scones.prepared_images"]
)
def test_only_the_plots_need_their_layer(module: str) -> None:
    lines = f"import sys, {module}; print([m for m in ('matplotlib', 'numpy') if m in sys.modules])"

    loaded = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=True
    )

    assert loaded.stdout == "[]\n"
