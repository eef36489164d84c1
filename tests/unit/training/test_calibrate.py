import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scones.decisions import DECIMALS
from scones.evaluation.metrics import LabeledPrediction
from scones.evaluation.model_metrics import compute_model_metrics
from scones_training import calibrate


@st.composite
def validation_sets(draw: st.DrawFn) -> tuple[calibrate.Floats, calibrate.Labels]:
    count, classes = draw(st.integers(1, 30)), draw(st.integers(2, 5))
    logits = draw(arrays.arrays(np.float64, (count, classes), elements=st.floats(-30, 30)))
    labels = draw(arrays.arrays(np.int64, count, elements=st.integers(0, classes - 1)))
    return logits, labels


@given(validation_sets())
def test_calibration_never_makes_the_log_loss_worse(
    validation: tuple[calibrate.Floats, calibrate.Labels],
) -> None:
    logits, labels = validation
    found = calibrate.fit_temperature(logits, labels)

    before = calibrate.log_loss(calibrate.softmax(logits, 1.0), labels)
    after = calibrate.log_loss(calibrate.softmax(logits, found), labels)

    assert calibrate.SHARPEST * 0.999 <= found <= calibrate.FLATTEST * 1.001
    assert after <= before + 1e-9


@given(validation_sets(), st.floats(0.05, 20))
def test_the_most_likely_class_stays(
    validation: tuple[calibrate.Floats, calibrate.Labels], temperature: float
) -> None:
    logits, _ = validation

    scaled = calibrate.softmax(logits, temperature)

    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    best = scaled[np.arange(len(scaled)), logits.argmax(axis=1)]
    np.testing.assert_allclose(best, scaled.max(axis=1))


@pytest.mark.parametrize("true", [0.3, 1.0, 3.0])
def test_the_temperature_of_a_large_set_is_found(true: float) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, (20_000, 4))
    chances = calibrate.softmax(logits, true)
    labels = (chances.cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)

    assert calibrate.fit_temperature(logits, labels) == pytest.approx(true, rel=0.05)


def test_a_small_set_without_a_mistake_hardly_sharpens() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 2.0]])

    assert 0.8 < calibrate.fit_temperature(logits, np.array([0, 1])) < 1


def test_log_loss_is_the_mean_negative_logarithm() -> None:
    probabilities = np.array([[0.5, 0.5], [0.2, 0.8]])

    expected = -(np.log(0.5) + np.log(0.2)) / 2
    assert calibrate.log_loss(probabilities, np.array([0, 0])) == pytest.approx(expected)


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy() -> None:
    confident = np.tile([0.9, 0.1], (10, 1))

    right_nine_times = np.array([0] * 9 + [1])
    right_half_the_times = np.array([0, 1] * 5)

    error = calibrate.expected_calibration_error
    assert error(confident, right_nine_times) == pytest.approx(0.0, abs=1e-12)
    assert error(confident, right_half_the_times) == pytest.approx(0.4)
    assert error(np.array([[1.0, 0.0]]), np.array([0])) == 0


@given(validation_sets())
@example((np.log([[0.8, 0.2], [0.79, 0.21]]), np.array([0, 1])))
def test_the_calibration_error_is_that_of_the_evaluation(
    validation: tuple[calibrate.Floats, calibrate.Labels],
) -> None:
    logits, labels = validation
    probabilities = calibrate.softmax(logits, 1.0)
    answers = [
        LabeledPrediction(int(label), int(row.argmax()), round(float(row.max()), DECIMALS))
        for row, label in zip(probabilities, labels, strict=True)
    ]
    judged = compute_model_metrics(answers, [str(index) for index in range(logits.shape[1])], 0.99)

    error = calibrate.expected_calibration_error(probabilities, labels)

    assert error == pytest.approx(judged.calibration_error, abs=1e-12)
