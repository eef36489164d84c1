"""How far probabilities can be trusted, and the temperature that makes them more so.

Temperature scaling after Guo et al. 2017 (https://arxiv.org/abs/1706.04599).
"""

import numpy as np
import numpy.typing as npt

from scones import calibration

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

SHARPEST, FLATTEST = 0.05, 20.0
"""Bounds of the temperature."""

REGULARIZATION = 1.0
"""Weight of ``(1 / temperature - 1) ** 2`` against the summed log loss of the photos: with few
photos the temperature stays near 1, and a set without a mistake does not make it 0."""


def softmax(logits: Floats, temperature: float) -> Floats:
    """Map logits (n, classes) to probabilities (n, classes) at a temperature above 0."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Mean negative logarithm of the true class's probability; 0 is best."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())


def expected_calibration_error(probabilities: Floats, labels: Labels) -> float:
    """Return the expected calibration error of `scones.calibration`, from 0 to 1.

    Parameters
    ----------
    probabilities
        (n, classes), of at least one photo.
    labels
        (n,), their class indices.
    """
    confidences = probabilities.max(axis=1).tolist()
    correct = (probabilities.argmax(axis=1) == labels).tolist()
    bins = calibration.reliability_bins(zip(confidences, correct, strict=True))
    return calibration.expected_calibration_error(bins)


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Find the temperature that suits the labels.

    The summed log loss is convex in ``1 / temperature``, and so is the pull to 1, so the one
    minimum is where their derivative changes sign. As the pull is 0 at temperature 1, the log
    loss at the minimum is never above that at 1.

    Parameters
    ----------
    logits
        (n, classes), of photos not trained on.
    labels
        (n,), their class indices.

    Returns
    -------
    float
        From `SHARPEST` to `FLATTEST`; 1 changes nothing.
    """
    low, high = 1 / FLATTEST, 1 / SHARPEST
    for _ in range(60):
        middle = (low + high) / 2
        if _slope(logits, labels, middle) > 0:
            high = middle
        else:
            low = middle
    return 2 / (low + high)


def _slope(logits: Floats, labels: Labels, inverse: float) -> float:
    expected = (softmax(logits, 1 / inverse) * logits).sum(axis=1)
    actual = logits[np.arange(len(labels)), labels]
    return float((expected - actual).sum() + 2 * REGULARIZATION * (inverse - 1))
