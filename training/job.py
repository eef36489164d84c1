"""One training job, from its hyperparameters to its model files or the reason it failed."""

import json
import signal
import sys
import time
import traceback
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from training import calibrate, dataset, export, fit, hyperparameters
from training.errors import BadInput
from training.network import Classifier
from training.paths import Paths

TERMINATED = 128 + signal.SIGTERM
LONGEST_REASON = 1024
"""Characters of a ``FailureReason`` that SageMaker keeps."""


def run(paths: Paths) -> int:
    """Run the job whose files are under ``paths``.

    Bad input ends with one sentence in ``output/failure``, a fault with its traceback, and an
    interruption by SIGTERM with neither: the job was stopped, or goes on elsewhere.

    Returns
    -------
    int
        The exit status: 0, or 1 where the failure file says why.

    Raises
    ------
    SystemExit
        With 143 on SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        _train(paths)
    except SystemExit:
        # Not in the handler, which may have interrupted another print.
        print("Terminated.", flush=True)
        raise
    except BadInput as error:
        return _failed(paths, str(error)[:LONGEST_REASON])
    except Exception:
        traceback.print_exc()
        return _failed(paths, traceback.format_exc()[-LONGEST_REASON:])
    return 0


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)


def _failed(paths: Paths, reason: str) -> int:
    print(reason, file=sys.stderr, flush=True)
    paths.failure.parent.mkdir(parents=True, exist_ok=True)
    paths.failure.write_text(reason, encoding="utf-8")
    return 1


def _train(paths: Paths) -> None:
    began = time.monotonic()
    given = hyperparameters.parse(_given(paths))
    if idle := given.without_effect():
        print(f"Hyperparameters without effect in this job: {', '.join(idle)}.", flush=True)
    model_channel, start = paths.data / "model", None
    if model_channel.is_dir():
        given = given.incremental()
        start = export.read(model_channel, given)
    train, validation = dataset.load(paths.data, given)
    print(
        f"Prepared {len(train)} training and {len(validation)} validation photos "
        f"as {given.image_shape}.",
        flush=True,
    )
    checkpoints = paths.checkpoints if paths.checkpoints.is_dir() else None
    classifier = fit.fit(train, validation, given, start=start, checkpoints=checkpoints)
    paths.model.mkdir(parents=True, exist_ok=True)
    facts = {
        "image_shape": str(given.image_shape),
        "num_classes": given.num_classes,
        "training_photos": len(train),
        "validation_photos": len(validation),
        "mean": classifier.mean.tolist(),
        "std": classifier.std.tolist(),
        **_calibrated(classifier, validation),
        "seconds": round(time.monotonic() - began, 1),
        "hyperparameters": given.model_dump(mode="json"),
    }
    export.write(paths.model, classifier, facts, given.image_shape)
    print(f"Model written after {time.monotonic() - began:.1f} s.", flush=True)


def _given(paths: Paths) -> dict[str, str]:
    try:
        given = json.loads(paths.hyperparameters.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            f"There is no {paths.hyperparameters}: start a job with hyperparameters."
        ) from None
    except ValueError as error:
        raise BadInput(f"{paths.hyperparameters.name} is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise BadInput(f"{paths.hyperparameters.name} must hold one JSON object.")
    return given


def _calibrated(classifier: Classifier, validation: dataset.Pictures) -> dict[str, Any]:
    """Set the classifier's temperature, and measure before and after."""
    logits = fit.logits(classifier, validation.pixels).numpy().astype(np.float64)
    temperature = calibrate.temperature(logits, validation.labels)
    classifier.temperature.fill_(temperature)
    chosen = logits.argmax(axis=1)
    return {
        "temperature": temperature,
        "validation_accuracy": float((chosen == validation.labels).mean()),
        "before_calibration": _measures(calibrate.probabilities(logits, 1.0), validation),
        "after_calibration": _measures(calibrate.probabilities(logits, temperature), validation),
    }


def _measures(
    probabilities: npt.NDArray[np.float64], validation: dataset.Pictures
) -> dict[str, float]:
    return {
        "log_loss": calibrate.log_loss(probabilities, validation.labels),
        "expected_calibration_error": calibrate.expected_calibration_error(
            probabilities, validation.labels
        ),
    }
