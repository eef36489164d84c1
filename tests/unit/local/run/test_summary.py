from dataclasses import replace

import pytest

from scones.classes import NONE_OF_THE_CLASSES
from scones.serialize import Reason
from scones_local.run.summary import summarize_results, unexpected_results
from scones_local.run.train_and_promote import TrainedModel
from tests.unit.local.run.examples import event, result

REASON = Reason(code="unfamiliar", message="m")
UNFAMILIAR = event("needs_review", "a").model_copy(update={"reason": REASON})
MODEL = TrainedModel(1, 0.97, 12.34)


def test_figures() -> None:
    figures = summarize_results(
        [
            result("classified", "a", "a", 100),
            result("classified", "a", "a", 200),
            result("classified", "b", "a", 300),
            result("needs_review", "b", "a", 400),
            replace(result("needs_review", None, "a", 500), decision=UNFAMILIAR),
            result("rejected", "a"),
            result("failed", "b"),
            result(None, "b"),
        ],
        MODEL,
        61.04,
    )

    assert figures == {
        "photos": 8,
        "classified": 3,
        "needs_review": 2,
        "unfamiliar": 1,
        "rejected": 1,
        "failed": 2,
        "labelled": {"photos": 4, "right": 2, "accepted": 3, "accepted_right": 2},
        "accuracy": 0.5,
        "accepted_accuracy": pytest.approx(2 / 3, abs=1e-4),
        "latency_ms": {"p50": 200, "p95": 500},
        "training": {
            "accuracy": 0.97,
            "seconds": 12.3,
            "epochs": None,
            "best_epoch": None,
            "best_epoch_accuracy": None,
        },
        "seconds": 61.0,
    }


def test_a_photo_of_none_of_the_classes_is_right_in_review() -> None:
    truth = NONE_OF_THE_CLASSES
    results = [
        result("classified", truth, "a"),
        result("needs_review", truth, "a"),
        result("rejected", truth),
    ]

    figures = summarize_results([*results, result("classified", "a", "a")], MODEL, 1)

    assert figures["labelled"] == {"photos": 3, "right": 2, "accepted": 2, "accepted_right": 1}
    assert (figures["accuracy"], figures["accepted_accuracy"]) == (0.6667, 0.5)


def test_accuracy_of_unlabelled_photos_is_not_known() -> None:
    figures = summarize_results([result("classified", None, "a")], MODEL, 1)

    assert figures["accuracy"] is None
    assert figures["accepted_accuracy"] is None


def test_what_should_not_have_ended_so() -> None:
    good = result("rejected")
    failed = result("failed")
    lost = result(None)

    assert unexpected_results([good, failed, lost], {}) == [failed, lost]
    assert unexpected_results([good], {"rejected photo": {"classified"}}) == [good]
    assert unexpected_results([failed], {"failed photo": {"failed"}}) == []


def test_what_was_not_announced_did_not_end_as_it_should() -> None:
    silent = replace(result("classified"), announced=False)

    assert unexpected_results([silent], {"classified photo": {"classified"}}) == [silent]


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [((0.5, 0.886, 0.829), (2, 0.886)), ((0.9, 0.5, 0.9), (3, 0.9)), ((0.4,), (1, 0.4))],
)
def test_best_and_kept_epoch(accuracies: tuple[float, ...], best: tuple[int, float]) -> None:
    training = summarize_results([], replace(MODEL, epoch_accuracies=accuracies), 1.0)["training"]

    assert training["epochs"] == len(accuracies)
    assert (training["best_epoch"], training["best_epoch_accuracy"]) == best
