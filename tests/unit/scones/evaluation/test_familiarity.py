"""What an evaluation says of familiarity, and that negatives change nothing else in it."""

from collections.abc import Sequence

import pytest

from scones.endpoint import UnusablePrediction
from scones.evaluation import evaluate
from scones.evaluation.evaluate import NoPredictions, Request
from scones.evaluation.model_metrics import (
    Familiarity,
    ModelMetrics,
    NotEvaluated,
    compute_familiarity,
)
from scones.evaluation.report import EvaluationReport
from scones.evaluation.verdict import Limits
from scones.lst import LstError
from scones.runs import RunIncomplete
from tests.unit.stored_run import BUCKET, NAME, StoredRun

LIMITS = Limits(
    minimum_accuracy=0.6, accuracy_margin=0.01, wanted_precision=0.99, familiarity_limit=0.05
)
PHOTOS = [0.04, 0.05, 0.5, 0.9]
NEGATIVES = [0.0, 0.04, 0.05]
RIGHT = [0, 0, 1, 1]


def evaluated(stored: StoredRun, champion: bool = False) -> EvaluationReport:
    request = Request(run=NAME, champion=champion)
    return evaluate(stored.client, BUCKET, request, ("a", "b"), LIMITS)


def predict(
    stored: StoredRun, who: str, familiarities: Sequence[float | None], wrong: Sequence[int] = ()
) -> None:
    """Predict all photos in the order of their indices, first those of the classes."""
    for index, familiarity in enumerate(familiarities):
        label = RIGHT[index] if index < len(RIGHT) else 0
        label = 1 - label if index in wrong else label
        prediction = [0.1, 0.9] if label else [0.9, 0.1]
        stored.predict(who, index, {"prediction": prediction, "familiarity": familiarity})


def test_familiarity_of_photos_and_negatives(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=3)
    predict(stored, "candidate", PHOTOS + NEGATIVES)

    report = evaluated(stored)

    # Of 12 pairs 9 are in order, and 2 are ties.
    assert report.candidate.familiarity == Familiarity(
        photos=4, limit=0.05, below_limit=0.25, negatives=3, auroc=10 / 12, negatives_passed=1 / 3
    )
    assert report.document()["candidate"]["familiarity"] == {
        "photos": 4,
        "limit": 0.05,
        "below_limit": 0.25,
        "negatives": 3,
        "auroc": 0.833333,
        "negatives_passed": 0.333333,
    }
    assert report.summary("")["candidate"]["familiarity"]["auroc"] == 0.833333
    assert (
        "25 % of these photos are below the familiarity limit of 0.05, and 33.3 % of 3 photos of "
        "none of the classes are not"
    ) in report.verdict.message


def test_without_negatives_there_is_nothing_to_tell_photos_from(stored: StoredRun) -> None:
    stored.put_lists(RIGHT)
    predict(stored, "candidate", PHOTOS)

    report = evaluated(stored)

    assert report.candidate.familiarity == Familiarity(4, 0.05, 0.25, 0, None, None)
    assert report.verdict.message.endswith("below the familiarity limit of 0.05")


def test_a_model_without_familiarity_has_none_with_and_without_negatives(
    stored: StoredRun,
) -> None:
    stored.put_lists(RIGHT, negatives=1)
    for index in range(5):
        stored.predict("candidate", index, [0.9, 0.1])

    report = evaluated(stored)

    assert report.candidate.familiarity is None
    assert report.document()["candidate"]["familiarity"] is None
    assert "familiarity" not in report.verdict.message


def test_negatives_change_nothing_else(stored: StoredRun) -> None:
    stored.put_lists(RIGHT)
    predict(stored, "candidate", PHOTOS + NEGATIVES, wrong=[0])
    before = evaluated(stored).document()
    stored.put_lists(RIGHT, negatives=3)

    after = evaluated(stored).document()

    assert after["without_prediction"] == before["without_prediction"] == 0
    for document in (before, after):
        del document["candidate"]["familiarity"], document["message"]
    assert after == before
    assert after["candidate"]["photos"] == 4


def test_a_negative_without_a_prediction_is_left_out(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=4)
    predict(stored, "candidate", PHOTOS + NEGATIVES)

    report = evaluated(stored)

    assert report.candidate.familiarity is not None
    assert report.candidate.familiarity.negatives == 3
    assert report.without_prediction == 0


def test_negatives_alone_are_no_predictions_to_judge_by(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=1)
    stored.predict("candidate", 4, {"prediction": [0.5, 0.5], "familiarity": 0.1})

    with pytest.raises(NoPredictions, match="any of the 4 photos"):
        evaluated(stored)


def test_a_familiarity_is_rounded_as_it_is_decided_by(stored: StoredRun) -> None:
    stored.put_lists(RIGHT)
    predict(stored, "candidate", [0.05 - 1e-9, 0.05 - 1e-6, 0.5, 0.5])

    familiarity = evaluated(stored).candidate.familiarity

    assert familiarity is not None
    assert familiarity.below_limit == 0.25


@pytest.mark.parametrize("lacking", [0, 6])
def test_a_familiarity_of_some_photos_only_is_an_error(stored: StoredRun, lacking: int) -> None:
    stored.put_lists(RIGHT, negatives=3)
    familiarities: list[float | None] = [*PHOTOS, *NEGATIVES]
    familiarities[lacking] = None
    predict(stored, "candidate", familiarities)

    with pytest.raises(UnusablePrediction, match=r"for 6 of 7 photos .*predictions/candidate/"):
        evaluated(stored)


def test_a_champion_with_a_familiarity_of_some_photos_only_is_not_judged(
    stored: StoredRun,
) -> None:
    stored.put_lists(RIGHT)
    predict(stored, "candidate", PHOTOS)
    predict(stored, "champion", [None, *PHOTOS[1:]])

    report = evaluated(stored, champion=True)

    assert isinstance(report.champion, NotEvaluated)
    assert "a familiarity for 3 of 4 photos" in report.champion.reason


def test_a_champion_is_judged_on_the_negatives_that_both_answered(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=3)
    predict(stored, "candidate", [*PHOTOS, 0.0, 0.0])
    predict(stored, "champion", PHOTOS + NEGATIVES)

    report = evaluated(stored, champion=True)

    assert isinstance(report.champion, ModelMetrics)
    assert report.champion.familiarity is not None
    assert report.champion.familiarity.negatives == 2


def test_a_champion_that_lacks_a_negative_is_judged(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=3)
    predict(stored, "candidate", PHOTOS + NEGATIVES)
    predict(stored, "champion", PHOTOS + NEGATIVES[:1])

    report = evaluated(stored, champion=True)

    assert isinstance(report.champion, ModelMetrics)
    assert report.champion.familiarity is not None
    assert report.champion.familiarity.negatives == 1


def test_an_old_champion_without_familiarity_is_judged(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=3)
    predict(stored, "candidate", PHOTOS + NEGATIVES)
    predict(stored, "champion", [None] * 7)

    report = evaluated(stored, champion=True)

    assert isinstance(report.champion, ModelMetrics)
    assert report.champion.familiarity is None
    assert report.candidate.familiarity is not None


def test_a_limit_of_0_lets_all_pass() -> None:
    assert compute_familiarity([0.0], [0.0], 0.0) == Familiarity(1, 0.0, 0.0, 1, 0.5, 1.0)


def test_a_list_of_negatives_that_is_gone(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=1)
    key = f"retraining/{NAME}/lists/negatives.lst"
    stored.client.delete_object(Bucket=BUCKET, Key=key)

    with pytest.raises(RunIncomplete, match=r"lists/negatives\.lst does not exist"):
        evaluated(stored)


def test_an_index_in_both_lists(stored: StoredRun) -> None:
    stored.put_lists(RIGHT, negatives=1)
    stored.put_list("3\t2\tn/3.png\n", "negatives.lst")

    with pytest.raises(LstError, match="both hold the index 3"):
        evaluated(stored)
