from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_training import familiarity
from scones_training.familiarity import (
    FILE_NAME,
    NEIGHBORS,
    SHRINKAGE,
    TRAINED_WEIGHT,
    Familiarity,
    Floats,
    Integers,
    Metric,
)

WIDTH = 16
"""Of the trained and of the reference embedding."""


class GivenDistances(Familiarity):
    """Takes the first value of each embedding for its distance."""

    def distances(self, embeddings: Floats) -> Floats:
        return np.asarray(embeddings[:, 0], np.float32)


def calibrated_on(distances: list[int]) -> GivenDistances:
    train = embeddings(1, 0), np.zeros(1, np.int64)
    return GivenDistances.calibrate(train, NONE, one_each(distances))


def one_each(distances: list[int]) -> Floats:
    return np.array(distances, np.float32)[:, None]


def embeddings(count: int, seed: int, center: int = 0) -> Floats:
    """Draw embeddings as a ReLU leaves them: none below 0, some features stronger by class."""
    values = np.random.default_rng((seed, center)).normal(0, 1, (count, 2, WIDTH))
    values[:, :, center * 4 : center * 4 + 4] += 2
    return np.maximum(values, 0).reshape(count, 2 * WIDTH).astype(np.float32)


def classes(per_class: int, seed: int) -> Floats:
    return np.concatenate([embeddings(per_class, seed, index) for index in range(3)])


def labeled(per_class: int, seed: int) -> tuple[Floats, Integers]:
    return classes(per_class, seed), np.repeat(np.arange(3), per_class)


NONE = embeddings(0, 0)


@given(st.lists(st.integers(0, 8), min_size=2, max_size=30))
def test_each_of_exchangeable_photos_is_rarely_unfamiliar(distances: list[int]) -> None:
    """Take each photo for the new one once: at most k of n + 1 may be at or below k / (n + 1)."""
    values = []
    for at, distance in enumerate(distances):
        model = calibrated_on(distances[:at] + distances[at + 1 :])
        values.append(float(model.p_values(one_each([distance]))[0]))

    count = len(distances)
    for k in range(1, count + 1):
        assert sum(value <= k / count + 1e-6 for value in values) <= k


@given(st.lists(st.integers(0, 8), max_size=30), st.lists(st.integers(-1, 9), min_size=1))
def test_it_falls_with_the_distance_from_1_and_never_to_0(
    calibration: list[int], asked: list[int]
) -> None:
    values = calibrated_on(calibration).p_values(one_each(sorted(asked)))

    assert np.all(np.diff(values) <= 0)
    assert np.all((values >= np.float32(1 / (len(calibration) + 1))) & (values <= 1))


def test_it_is_the_share_of_held_out_photos_that_are_as_unlike() -> None:
    model = calibrated_on([1, 2, 2, 4])

    values = model.p_values(one_each([0, 1, 2, 3, 4, 5]))

    np.testing.assert_allclose(values, np.array([5, 5, 4, 2, 2, 1]) / 5)


@pytest.mark.parametrize("negatives", [0, 40])
def test_five_percent_of_new_photos_of_the_classes_are_below_its_limit(negatives: int) -> None:
    """Of 20 x 600 photos the share has a standard deviation of 0.004, most of it from the
    calibration photos: sqrt(0.05 * 0.95 / 300 / 20) and sqrt(0.05 * 0.95 / 600 / 20)."""
    shares, others = [], []
    for seed in range(20):
        known = embeddings(negatives, seed + 1000, center=3)
        model = Familiarity.calibrate(labeled(80, 3 * seed), known, classes(100, 3 * seed + 1))
        shares.append(below_the_limit(model, classes(200, 3 * seed + 2)))
        others.append(below_the_limit(model, embeddings(200, seed, center=3)))

    assert 0.038 < np.mean(shares) < 0.062
    assert np.mean(others) > 0.5


def below_the_limit(model: Familiarity, embedded: Floats) -> float:
    return float((model.p_values(embedded) < 0.05).mean())


def features(embedded: Floats) -> Floats:
    """Return the directions of the square roots, the reference's first."""
    roots = np.sqrt(embedded.reshape(-1, 2, WIDTH))
    trained, reference = (roots / np.linalg.norm(roots, axis=2, keepdims=True)).swapaxes(0, 1)
    return np.concatenate([reference, TRAINED_WEIGHT * trained], axis=1)


@pytest.mark.parametrize("photos", [5, 200])
def test_the_metric_is_the_fourth_root_of_the_inverse_shrunk_covariance(photos: int) -> None:
    spread = np.linspace(0.1, 3, 2 * WIDTH)
    drawn = np.random.default_rng(0).normal(1, spread, (photos, 2 * WIDTH)).astype(np.float32)
    covariance = np.cov(drawn.T, bias=True)
    floor = SHRINKAGE * np.trace(covariance) / (2 * WIDTH)
    shrunk = (1 - SHRINKAGE) * covariance + floor * np.eye(2 * WIDTH)
    values, vectors = np.linalg.eigh(shrunk / floor)
    expected = (drawn - drawn.mean(0)) @ (vectors * values**-0.25) @ vectors.T

    points = Metric.fit(drawn)(drawn)

    np.testing.assert_allclose(points, expected, atol=2e-3)


def test_only_the_first_components_are_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(familiarity, "COMPONENTS", 2)
    drawn = np.random.default_rng(0).normal(0, [5, 4, 1, 1], (500, 4)).astype(np.float32)

    metric = Metric.fit(drawn)

    assert metric.components.shape == (2, 4)
    spread = metric(drawn).std(0) / drawn.std(0)
    assert spread[:2].max() < 0.8
    np.testing.assert_allclose(spread[2:], 1, atol=0.05)


def test_photos_that_are_all_the_same_have_a_metric() -> None:
    same = np.repeat(embeddings(1, 0), 7, axis=0)
    model = Familiarity.calibrate((same, np.zeros(7, np.int64)), NONE, same)

    assert model.p_values(same).tolist() == [1.0] * 7
    np.testing.assert_allclose(model.metric.gains, 0, atol=1e-6)
    assert np.isfinite(model.distances(embeddings(5, 1))).all()
    assert model.distances(embeddings(5, 1)).min() > model.calibration.max()


def test_the_distance_is_to_the_nearest_photos() -> None:
    train, new = labeled(20, 0), classes(6, 2)

    model = Familiarity.calibrate(train, NONE, classes(5, 1))

    metric = Metric.fit(features(train[0]).astype(np.float32))
    points, photos = metric(features(new)), metric(features(train[0]))
    distances = np.sort(np.linalg.norm(points[:, None] - photos, axis=2), axis=1)
    np.testing.assert_allclose(model.distances(new), distances[:, NEIGHBORS - 1], atol=2e-3)


def test_the_farthest_of_few_photos_counts() -> None:
    two = embeddings(2, 0)
    model = Familiarity.calibrate((two, np.array([0, 1])), NONE, two)

    one, other = model.distances(two)

    assert one == pytest.approx(other, abs=2e-3)
    assert one > 0.01


def test_negatives_count_by_the_distance_to_the_nearest_of_them() -> None:
    train, negatives, new = labeled(20, 0), embeddings(20, 5, 3), classes(6, 2)
    without = Familiarity.calibrate(train, NONE, classes(5, 1))
    with_them = Familiarity.calibrate(train, negatives, classes(5, 1))
    points, others = with_them.metric(features(new)), with_them.metric(features(negatives))
    to_negatives = np.sort(np.linalg.norm(points[:, None] - others, axis=2), axis=1)

    distances = with_them.distances(new)

    expected = without.distances(new) - to_negatives[:, NEIGHBORS - 1]
    np.testing.assert_allclose(distances, expected, atol=2e-3)


def between(count: int, seed: int) -> Floats:
    """Draw embeddings of others that are much like the first class."""
    return (embeddings(count, seed, 0) + embeddings(count, seed, 3)) / 2


def test_negatives_make_photos_like_them_less_familiar() -> None:
    train, held_out, others = labeled(80, 0), classes(100, 1), between(200, 7)
    without, with_them = (
        below_the_limit(Familiarity.calibrate(train, known, held_out), others)
        for known in (NONE, between(50, 5))
    )

    assert without < 0.5
    assert with_them > without + 0.3


def test_scaled_embeddings_are_as_familiar() -> None:
    model = Familiarity.calibrate(labeled(20, 0), NONE, classes(20, 1))
    new = classes(20, 2)

    np.testing.assert_allclose(model.distances(new), model.distances(new * 3), atol=1e-4)


def test_an_embedding_of_zeros_is_like_no_photo() -> None:
    model = Familiarity.calibrate(labeled(5, 0), NONE, classes(9, 1))

    assert model.p_values(np.zeros((1, 2 * WIDTH), np.float32))[0] == pytest.approx(1 / 28)
    assert np.isfinite(model.distances(np.zeros((1, 2 * WIDTH), np.float32))).all()


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 40))
def test_thinning_keeps_the_classes_even(labels: list[int], most: int) -> None:
    given_labels = np.array(labels, np.int64)

    kept = familiarity._sample_evenly(given_labels, most)
    again = familiarity._sample_evenly(given_labels, most)

    assert kept.tolist() == sorted(set(kept.tolist()))
    assert kept.tolist() == again.tolist()
    assert len(kept) == min(most, len(labels))
    counts = np.bincount(given_labels[kept], minlength=4)
    all_counts = np.bincount(given_labels, minlength=4)
    # A class that lost photos has as many as any other, or one fewer.
    lost = counts < all_counts
    assert not lost.any() or counts[lost].min() >= counts.max() - 1


def test_a_large_set_is_thinned_and_still_calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(familiarity, "MAX_PHOTOS", 60)
    monkeypatch.setattr(familiarity, "MAX_NEGATIVES", 40)
    model = Familiarity.calibrate(labeled(300, 0), embeddings(100, 5, 3), classes(200, 1))

    assert model.photos.shape == (60, 2 * WIDTH)
    assert model.negatives.shape == (40, 2 * WIDTH)
    # Standard deviation 0.01: 600 calibration photos.
    assert 0.02 < below_the_limit(model, classes(500, 2)) < 0.08


@pytest.mark.parametrize("negatives", [0, 12])
def test_it_is_the_same_after_loading(tmp_path: Path, negatives: int) -> None:
    model = Familiarity.calibrate(labeled(20, 0), embeddings(negatives, 5, 3), classes(20, 1))

    model.save(tmp_path)
    loaded = Familiarity.load(tmp_path)

    assert loaded is not None
    np.testing.assert_array_equal(loaded.p_values(classes(9, 2)), model.p_values(classes(9, 2)))
    np.testing.assert_array_equal(loaded.distances(classes(9, 2)), model.distances(classes(9, 2)))
    assert loaded.negatives.shape == (negatives, 2 * WIDTH)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_model_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert Familiarity.load(tmp_path) is None
