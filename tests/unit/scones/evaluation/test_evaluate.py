import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.decisions import ConfidenceBelowThreshold, apply_threshold, top_class
from scones.endpoint import UnusablePrediction
from scones.evaluation import evaluate, publish
from scones.evaluation.evaluate import NoPredictions, Request
from scones.evaluation.model_metrics import ModelMetrics, NotEvaluated
from scones.evaluation.report import EvaluationReport
from scones.evaluation.transform_failure import MAX_REASON_LENGTH, TransformFailure
from scones.evaluation.verdict import Limits
from scones.lst import LstError
from scones.runs import RunIncomplete, RunOutdated
from scones.serialize import StorageBusy, StorageRefused
from tests.unit.stored_run import BUCKET, NAME, StoredRun, break_call

LIMITS = Limits(
    minimum_accuracy=0.6, accuracy_margin=0.01, wanted_precision=0.99, familiarity_limit=0.05
)
A, B = [0.9, 0.1], [0.2, 0.8]


REJECTED = "Model package arn:x:model-package/scones/1 is rejected: it can't be deployed."


def evaluated(
    stored: StoredRun, champion: bool = True, fault: TransformFailure | None = None
) -> EvaluationReport:
    request = Request(run=NAME, champion=champion, champion_fault=fault)
    return evaluate(stored.client, BUCKET, request, ("a", "b"), LIMITS)


@pytest.fixture
def predicted(stored: StoredRun) -> StoredRun:
    """Four photos: the new model is right about three, the one in production about two."""
    stored.put_lists([0, 0, 1, 1])
    for index, (candidate, champion) in enumerate([(A, A), (A, B), (B, B), (A, A)]):
        stored.predict("candidate", index, candidate)
        stored.predict("champion", index, {"prediction": champion})
    return stored


def test_both_models_are_judged_on_the_same_photos(predicted: StoredRun) -> None:
    report = evaluated(predicted)

    assert report.candidate.accuracy == 0.75
    assert report.candidate.confusion_matrix == [[2, 0], [1, 1]]
    assert report.candidate.recall == {"a": 1.0, "b": 0.5}
    assert isinstance(report.champion, ModelMetrics)
    assert report.champion.confusion_matrix == [[1, 1], [1, 1]]
    assert report.verdict.verdict == "good"
    assert report.champion_message is None
    assert report.without_prediction == 0


def test_the_champion_is_not_asked_for_where_it_is_not_wanted(predicted: StoredRun) -> None:
    report = evaluated(predicted, champion=False)

    assert isinstance(report.champion, NotEvaluated)
    assert "there is no model in production of the same classes" in report.verdict.message


def test_photos_without_a_prediction_are_left_out_and_counted(predicted: StoredRun) -> None:
    predicted.put_lists([0, 0, 1, 1, 1, 1])

    report = evaluated(predicted)

    assert report.candidate.photos == 4
    assert report.without_prediction == 2
    assert "2 validation photos left out" in report.verdict.message


def test_predictions_of_jpeg_pictures_count_too(predicted: StoredRun) -> None:
    predicted.put_lists([0, 0, 1, 1, 1])
    predicted.predict("candidate", 4, B, ".jpg")
    predicted.predict("champion", 4, B, ".jpg")

    assert evaluated(predicted).candidate.photos == 5


def test_what_else_lies_among_the_predictions_is_ignored(predicted: StoredRun) -> None:
    for name in ("_SUCCESS", "0.png.out.part", "99.png.out", "x.png.out"):
        predicted.put(f"retraining/{NAME}/predictions/candidate/{name}", b"?")

    assert evaluated(predicted).candidate.photos == 4


def test_predictions_on_several_pages_of_the_listing(predicted: StoredRun) -> None:
    def small_pages(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = 3

    predicted.client.meta.events.register("provide-client-params.s3.ListObjectsV2", small_pages)

    assert evaluated(predicted).candidate.photos == 4


def test_a_champion_of_other_classes_is_not_judged(predicted: StoredRun) -> None:
    for index in range(4):
        predicted.predict("champion", index, [0.5, 0.25, 0.25])

    report = evaluated(predicted)

    assert report.verdict.verdict == "good"
    assert isinstance(report.champion, NotEvaluated)
    assert "the model in production was not judged: the model gives 3 probabilities" in (
        report.verdict.message
    )


def test_a_champion_with_predictions_missing_is_not_judged(predicted: StoredRun) -> None:
    predicted.client.delete_object(
        Bucket=BUCKET, Key=f"retraining/{NAME}/predictions/champion/2.png.out"
    )

    report = evaluated(predicted)

    assert report.champion_message == (
        "the model in production was not judged: it has no prediction for 1 of the 4 photos, see "
        f"the log of the transform job {NAME}-champion"
    )


def without_champion(stored: StoredRun, count: int) -> None:
    for index in range(count):
        key = f"retraining/{NAME}/predictions/champion/{index}.png.out"
        stored.client.delete_object(Bucket=BUCKET, Key=key)


def job_ended(**described: str) -> TransformFailure:
    """Give the fault that Step Functions makes of a job that did not complete."""
    job = {"TransformJobName": f"{NAME}-champion", "CreationTime": 1793589300000, **described}
    return TransformFailure(error="States.TaskFailed", cause=json.dumps(job))


def test_a_champion_that_no_job_could_be_started_for_is_not_judged(predicted: StoredRun) -> None:
    without_champion(predicted, 4)
    fault = TransformFailure(error="SageMaker.AmazonSageMakerException", cause=REJECTED)

    report = evaluated(predicted, fault=fault)

    said = (
        f"the model in production was not judged: its batch transform could not be run: {REJECTED}"
    )
    assert report.champion_message == said.removesuffix(".")
    assert report.document()["champion_message"] == report.champion_message
    assert report.champion_message in report.verdict.message
    assert report.verdict.verdict == "good"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            job_ended(
                TransformJobStatus="Failed",
                FailureReason="AlgorithmError: See job logs for more information",
            ),
            "failed (AlgorithmError: See job logs for more information)",
        ),
        (job_ended(TransformJobStatus="Stopped"), "was stopped"),
        (
            TransformFailure(error="States.TaskFailed", cause='{"TransformJobStatus": "Sto'),
            "failed",
        ),
        (TransformFailure(error="States.TaskFailed", cause="[]"), "failed"),
        (TransformFailure(error="States.TaskFailed"), "failed"),
    ],
)
def test_a_champion_whose_job_did_not_complete_is_not_judged(
    predicted: StoredRun, fault: TransformFailure, said: str
) -> None:
    without_champion(predicted, 3)

    report = evaluated(predicted, fault=fault)

    assert report.champion_message == (
        "the model in production was not judged: it has no prediction for 3 of the 4 photos: "
        f"the transform job {NAME}-champion {said}, see its log"
    )


def test_a_champion_with_all_predictions_is_judged_whatever_became_of_its_job(
    predicted: StoredRun,
) -> None:
    report = evaluated(predicted, fault=job_ended(TransformJobStatus="Stopped"))

    assert isinstance(report.champion, ModelMetrics)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("x" * 10_000, "x" * (MAX_REASON_LENGTH - 1) + "\N{HORIZONTAL ELLIPSIS}"),
        ("x" * MAX_REASON_LENGTH, "x" * MAX_REASON_LENGTH),
        (" denied:\n  as told. ", "denied: as told"),
        ("", "SageMaker.ResourceInUse"),
        ("\n", "SageMaker.ResourceInUse"),
    ],
)
def test_the_reason_of_a_fault_is_a_part_of_a_sentence(cause: str, reason: str) -> None:
    assert TransformFailure(error="SageMaker.ResourceInUse", cause=cause).reason == reason


def test_the_champion_may_have_more_predictions(predicted: StoredRun) -> None:
    predicted.client.delete_object(
        Bucket=BUCKET, Key=f"retraining/{NAME}/predictions/candidate/2.png.out"
    )

    report = evaluated(predicted)

    assert report.candidate.photos == 3
    assert isinstance(report.champion, ModelMetrics)
    assert report.champion.photos == 3


def test_no_predictions_at_all_is_an_error_that_says_where_to_look(stored: StoredRun) -> None:
    stored.put_lists([0, 1])

    with pytest.raises(NoPredictions, match=rf"any of the 2 photos .* {NAME}-candidate"):
        evaluated(stored)


def test_a_candidate_of_other_classes_is_an_error_that_names_the_object(
    predicted: StoredRun,
) -> None:
    predicted.predict("candidate", 3, [0.5, 0.25, 0.25])

    with pytest.raises(UnusablePrediction, match=r"gives 3 probabilities .*candidate/3\.png\.out"):
        evaluated(predicted)


def test_a_run_of_other_classes_is_outdated(predicted: StoredRun) -> None:
    predicted.put_lists([0, 0, 1, 1], class_names=("b", "a"))

    with pytest.raises(RunOutdated, match=f"run {NAME} is of the classes b, a, and .* a, b now"):
        evaluated(predicted)


def test_a_class_index_that_there_is_no_class_for(predicted: StoredRun) -> None:
    predicted.put_lists([0, 0, 1, 2])

    with pytest.raises(LstError, match="class index 2, and the highest of the 2 classes is 1"):
        evaluated(predicted)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"class_names": ["a", "b"]}'])
def test_a_manifest_that_is_none_is_named(predicted: StoredRun, text: str) -> None:
    predicted.put(f"retraining/{NAME}/lists/manifest.json", text.encode())

    with pytest.raises(RunIncomplete, match=r"manifest\.json is not the manifest of a run: start"):
        evaluated(predicted)


def test_a_run_without_lists(stored: StoredRun) -> None:
    with pytest.raises(RunIncomplete, match=r"lists/manifest\.json does not exist"):
        evaluated(stored)


@pytest.mark.parametrize(
    ("operation", "code", "status", "fault"),
    [
        ("ListObjectsV2", "AccessDenied", 403, StorageRefused),
        ("ListObjectsV2", "SlowDown", 503, StorageBusy),
        ("GetObject", "AccessDenied", 403, StorageRefused),
        ("GetObject", "InternalError", 500, StorageBusy),
    ],
)
def test_faults_of_s3_have_names(
    predicted: StoredRun, operation: str, code: str, status: int, fault: type[Exception]
) -> None:
    break_call(predicted.client, operation, code, status)

    with pytest.raises(fault, match="says why"):
        evaluated(predicted)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a" * 64, "run\n"])
def test_names_that_are_none_of_a_run(name: str) -> None:
    with pytest.raises(ValueError, match="run"):
        Request(run=name, champion=False)


def test_the_report_is_written_beside_its_pictures(predicted: StoredRun) -> None:
    report = evaluated(predicted)

    answer = publish(predicted.client, BUCKET, report, {"confusion.png": b"PNG"})

    uri = f"s3://{BUCKET}/retraining/{NAME}/evaluation/evaluation.json"
    assert answer["evaluation"] == uri
    assert predicted.names("evaluation/") == ["confusion.png", "evaluation.json"]
    assert predicted.get("evaluation/confusion.png")["ContentType"] == "image/png"
    stored = predicted.get("evaluation/evaluation.json")
    assert stored["ContentType"] == "application/json"
    assert json.loads(stored["Body"].read()) == report.document()


def test_what_a_model_was_judged_by_is_not_overwritten(predicted: StoredRun) -> None:
    report = evaluated(predicted)
    publish(predicted.client, BUCKET, report, {"confusion.png": b"PNG"})

    better = replace(report, class_names=("b", "a"))
    answer = publish(predicted.client, BUCKET, better, {"confusion.png": b"other"})

    assert answer["evaluation"].endswith("/evaluation/evaluation.json")
    stored = json.loads(predicted.get("evaluation/evaluation.json")["Body"].read())
    assert stored == report.document()
    assert predicted.get("evaluation/confusion.png")["Body"].read() == b"PNG"


def test_the_document_holds_everything(predicted: StoredRun) -> None:
    document = json.loads(json.dumps(evaluated(predicted).document()))

    assert {name: document[name] for name in ("version", "run", "class_names")} == {
        "version": "1",
        "run": NAME,
        "class_names": ["a", "b"],
    }
    assert document["fingerprint"] == "f" * 64
    assert document["limits"] == {
        "minimum_accuracy": 0.6,
        "accuracy_margin": 0.01,
        "wanted_precision": 0.99,
        "familiarity_limit": 0.05,
    }
    for who in ("candidate", "champion"):
        assert set(document[who]) == {
            "photos",
            "accuracy",
            "recall",
            "precision",
            "confusion_matrix",
            "calibration_error",
            "reliability",
            "threshold",
            "at_threshold",
            "risk_coverage_area",
            "risk_coverage",
            "familiarity",
        }
        assert document[who]["familiarity"] is None
    assert document["candidate"]["precision"] == {"a": 0.666667, "b": 1.0}
    assert document["candidate"]["threshold"] is None
    assert document["candidate"]["risk_coverage"][0] == {
        "threshold": 0.9,
        "coverage": 0.75,
        "risk": 0.333333,
    }


def test_the_answer_is_what_the_machine_goes_on_with(predicted: StoredRun) -> None:
    answer = evaluated(predicted).summary("s3://data/evaluation.json")

    assert set(answer) == {
        "verdict",
        "message",
        "candidate",
        "champion",
        "champion_message",
        "evaluation",
    }
    assert answer["candidate"] == {
        "accuracy": 0.75,
        "photos": 4,
        "recall": {"a": 1.0, "b": 0.5},
        "calibration_error": 0.225,
        "threshold": None,
        "familiarity": None,
    }
    assert set(answer["champion"]) == set(answer["candidate"])


def test_the_answer_of_a_champion_that_was_not_judged(predicted: StoredRun) -> None:
    answer = evaluated(predicted, champion=False).summary("s3://data/evaluation.json")

    assert answer["champion"] is None
    assert answer["champion_message"] in answer["message"]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_models_are_judged_by_what_would_be_decided(probabilities: list[float]) -> None:
    names = [str(index) for index in range(len(probabilities))]
    index, confidence = top_class(probabilities)

    decision = apply_threshold(probabilities, names, {}, confidence)

    assert (decision.label, decision.confidence) == (str(index), confidence)
    if confidence < 1:
        with pytest.raises(ConfidenceBelowThreshold):
            apply_threshold(probabilities, names, {}, confidence + 1e-6)


def test_of_equally_likely_classes_the_first_is_taken(stored: StoredRun) -> None:
    stored.put_lists([0, 1])
    for index in range(2):
        stored.predict("candidate", index, [0.5 - 1e-9, 0.5 + 1e-9])

    report = evaluated(stored, champion=False)

    assert report.candidate.confusion_matrix == [[1, 0], [1, 0]]
