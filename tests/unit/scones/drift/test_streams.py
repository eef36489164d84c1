"""Whole streams, many of them: what fires, and what does not."""

from random import Random

import pytest

from scones.drift.check import _drift
from scones.drift.distributions import confidence_bins, label_bins
from tests.unit.scones.drift.evaluations import CLASSES, evaluation

LIMIT = 0.25
STREAMS = 25


def confidences(random: Random, photos: int, sureness: float) -> list[float]:
    return [round(random.betavariate(sureness, 1), 6) for _ in range(photos)]


def fires(random: Random, sizes: tuple[int, int], sureness: float, bicycles: float) -> bool:
    """Tell whether a stream fires against an evaluation of sure answers, half of them bicycles."""
    evaluated, photos = sizes
    own = confidences(random, evaluated, 12)
    half = evaluated // 2
    judged = evaluation(own, dict(zip(CLASSES, (half, evaluated - half), strict=True)))
    labels = random.choices(CLASSES, [bicycles, 1 - bicycles], k=photos)
    found = confidence_bins(judged.candidate, confidences(random, photos, sureness))
    return _drift(found, LIMIT).shifted or _drift(label_bins(judged, labels), LIMIT).shifted


def fired(sizes: tuple[int, int], sureness: float = 12, bicycles: float = 0.5) -> int:
    return sum(fires(Random(seed), sizes, sureness, bicycles) for seed in range(STREAMS))


@pytest.mark.parametrize("sizes", [(60, 100), (200, 100), (500, 100)])
def test_a_steady_stream_does_not_fire_however_small(sizes: tuple[int, int]) -> None:
    """Twice in a thousand checks, by two comparisons: in 25 streams at most once."""
    assert fired(sizes) <= 1


@pytest.mark.parametrize("sizes", [(200, 100), (500, 300)])
def test_a_stream_that_the_model_is_unsure_of_fires(sizes: tuple[int, int]) -> None:
    assert fired(sizes, sureness=4) >= STREAMS - 1


@pytest.mark.parametrize("sizes", [(60, 100), (500, 300)])
def test_a_stream_of_another_mix_of_classes_fires(sizes: tuple[int, int]) -> None:
    assert fired(sizes, bicycles=0.9) >= STREAMS - 1


def test_a_small_shift_of_many_photos_is_below_the_limit() -> None:
    assert fired((1000, 1000), bicycles=0.58) == 0
