import pytest

from scones.evaluation.metrics import LabeledPrediction
from scones.evaluation.model_metrics import ModelMetrics, NotEvaluated, compute_model_metrics
from scones.evaluation.verdict import Limits, compare

LIMITS = Limits(
    minimum_accuracy=0.85, accuracy_margin=0.01, wanted_precision=0.99, familiarity_limit=0.05
)
ALONE = NotEvaluated("there is no model in production")


def right_in(thousandths: int) -> ModelMetrics:
    """A model that is right about so many of 1000 photos."""
    answers = [LabeledPrediction(0, int(place >= thousandths), 0.9) for place in range(1000)]
    return compute_model_metrics(answers, ("a", "b"), 0.99)


@pytest.mark.parametrize(("right", "verdict"), [(850, "good"), (849, "too_inaccurate")])
def test_the_minimum_itself_is_enough(right: int, verdict: str) -> None:
    assert compare(right_in(right), ALONE, LIMITS, 0).verdict == verdict


@pytest.mark.parametrize(
    ("candidate", "champion", "verdict"),
    [
        (950, 900, "good"),
        (950, 950, "good"),
        (950, 960, "good"),  # 0.96 - 0.95 is more than 0.01, for a computer
        (950, 961, "worse_than_champion"),
        (860, 870, "good"),
        (860, 871, "worse_than_champion"),
        (840, 990, "too_inaccurate"),
        (840, 300, "too_inaccurate"),
    ],
)
def test_worse_than_the_model_in_production_by_more_than_the_margin(
    candidate: int, champion: int, verdict: str
) -> None:
    assert compare(right_in(candidate), right_in(champion), LIMITS, 0).verdict == verdict


@pytest.mark.parametrize(
    ("candidate", "champion", "message"),
    [
        (
            right_in(950),
            right_in(960),
            "its accuracy is 0.95 on 1,000 validation photos, at least the 0.85 asked for; the "
            "model in production has 0.96 on the same photos, 0.01 more, and up to 0.01 more is "
            "allowed",
        ),
        (
            right_in(849),
            right_in(849),
            "its accuracy is 0.849 on 1,000 validation photos, below the 0.85 asked for; the "
            "model in production has 0.849 on the same photos, the same, and up to 0.01 more is "
            "allowed",
        ),
        (
            right_in(900),
            ALONE,
            "its accuracy is 0.9 on 1,000 validation photos, at least the 0.85 asked for; there "
            "is no model in production",
        ),
    ],
)
def test_the_message_says_the_numbers(
    candidate: ModelMetrics, champion: ModelMetrics | NotEvaluated, message: str
) -> None:
    assert compare(candidate, champion, LIMITS, 0).message == message


def test_the_message_says_how_many_photos_are_left_out() -> None:
    message = compare(right_in(900), ALONE, LIMITS, 1).message

    assert message.endswith("; 1 validation photo left out, without a prediction")


def test_an_accuracy_just_below_does_not_look_like_the_minimum() -> None:
    answers = [LabeledPrediction(0, int(place >= 84_999), 0.9) for place in range(100_000)]

    verdict = compare(compute_model_metrics(answers, ("a", "b"), 0.99), ALONE, LIMITS, 0)

    assert verdict.verdict == "too_inaccurate"
    assert "0.84999 on 100,000 validation photos, below the 0.85" in verdict.message
