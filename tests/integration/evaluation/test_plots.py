from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from scones.evaluation.metrics import LabeledPrediction
from scones.evaluation.model_metrics import ModelMetrics, NotEvaluated, compute_model_metrics
from scones.evaluation.plots import WIDTH, plot_all
from scones.evaluation.report import EvaluationReport
from scones.evaluation.verdict import Limits, Verdict

RUN = f"{'e' * 31}-20261102031500-4f9a1c"
BLUE, ORANGE = (31, 111, 178), (217, 115, 13)

right = LabeledPrediction(0, 0, 0.9)
wrong = LabeledPrediction(0, 1, 0.6)


def report(
    candidate: list[LabeledPrediction],
    champion: list[LabeledPrediction] | None = None,
    names: tuple[str, ...] = ("a", "b"),
    wanted_precision: float = 0.99,
) -> EvaluationReport:
    def judged(answers: list[LabeledPrediction]) -> ModelMetrics:
        return compute_model_metrics(answers, names, wanted_precision)

    return EvaluationReport(
        run=RUN,
        fingerprint="f" * 64,
        class_names=names,
        without_prediction=0,
        verdict=Verdict("good", "good"),
        limits=Limits(0.85, 0.01, wanted_precision, 0.05),
        candidate=judged(candidate),
        champion=judged(champion) if champion else NotEvaluated("there is none"),
    )


def pixels(picture: bytes, colour: tuple[int, int, int]) -> int:
    image = Image.open(BytesIO(picture)).convert("RGB")
    return sum(count for count, value in image.getcolors(2**24) or [] if value == colour)


@pytest.mark.parametrize(
    "drawn",
    [
        report([right, wrong] * 10, [right] * 20),
        report([right]),
        report([LabeledPrediction(0, 1, 1.0)], [LabeledPrediction(0, 0, 0.0)]),
        report([right] * 3, wanted_precision=1.0),
        report([right] * 3, wanted_precision=0.0),
        report([right, wrong], names=("$x$", "$\\frac{$", "größe " * 40)),
        report(
            [LabeledPrediction(n, n, 0.5) for n in range(60)],
            names=tuple(f"c{n}" for n in range(60)),
        ),
    ],
    ids=["both", "one photo", "certain", "all right", "anything", "names", "60 classes"],
)
def test_pictures_of_one_width_whatever_they_show(drawn: EvaluationReport) -> None:
    pictures = plot_all(drawn)

    assert list(pictures) == ["confusion.png", "reliability.png", "risk-coverage.png"]
    for data in pictures.values():
        image = Image.open(BytesIO(data))
        assert (image.format, image.width) == ("PNG", WIDTH)


def test_the_champion_is_drawn_beside_the_candidate() -> None:
    alone = plot_all(report([right, wrong]))
    both = plot_all(report([right, wrong], [right, wrong, wrong]))

    for name in ("reliability.png", "risk-coverage.png"):
        assert pixels(alone[name], BLUE) > 0
        assert pixels(alone[name], ORANGE) == 0
        assert pixels(both[name], ORANGE) > 0


def test_the_chosen_threshold_is_marked() -> None:
    marked = report([right] * 50 + [wrong] * 50)
    unmarked = replace(marked, candidate=replace(marked.candidate, at_threshold=None))

    with_mark, without = (
        pixels(plot_all(drawn)["risk-coverage.png"], BLUE) for drawn in (marked, unmarked)
    )

    assert with_mark > without + 50


def test_the_confusion_matrix_is_coloured_by_share() -> None:
    def brightness(answers: list[LabeledPrediction]) -> int:
        image = Image.open(BytesIO(plot_all(report(answers))["confusion.png"]))
        return image.convert("L").getpixel((300, 300))

    assert brightness([right] * 10 + [wrong]) < 100
    assert brightness([right] + [wrong] * 10) > 200
