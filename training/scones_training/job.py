"""One training job, from its hyperparameters to its model files or the reason it failed."""

import json
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from types import FrameType
from typing import Any, NoReturn

from scones_training import calibrate, dataset, export, fit, hyperparameters, recipe
from scones_training.calibrate import Floats, Labels
from scones_training.classifier import Classifier
from scones_training.device import find_device
from scones_training.errors import InputError, OtherNetworkError
from scones_training.familiarity import Familiarity
from scones_training.paths import CONTAINER_ROOT, Paths

TERMINATED = 128 + signal.SIGTERM
MAX_REASON_LENGTH = 1024
"""Characters of a ``FailureReason`` that SageMaker keeps."""

MAX_SHOWN = 10
"""Maximum number of unusable photos of a list that the log names."""


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
    except InputError as error:
        return _write_failure(paths, str(error)[:MAX_REASON_LENGTH])
    except Exception:
        traceback.print_exc()
        return _write_failure(paths, traceback.format_exc()[-MAX_REASON_LENGTH:])
    return 0


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)


def _write_failure(paths: Paths, reason: str) -> int:
    print(reason, file=sys.stderr, flush=True)
    paths.failure.parent.mkdir(parents=True, exist_ok=True)
    paths.failure.write_text(reason, encoding="utf-8")
    return 1


def _train(paths: Paths) -> None:
    started = time.monotonic()
    device = find_device(in_container=paths.root == CONTAINER_ROOT)
    options = hyperparameters.parse_hyperparameters(_read_hyperparameters(paths))
    print(_describe_hyperparameters(options), flush=True)
    model = _earlier_model(paths, options)
    if model is not None:
        options = options.incremental()
    splits = dataset.load_dataset(paths.data, options)
    print(_format_dataset(splits, options), flush=True)
    for line in _format_unusable(splits):
        print(line, flush=True)
    if len(splits.train) < options.mini_batch_size:
        print(f"mini_batch_size is lowered to {len(splits.train)}, the photos left.", flush=True)
        options = options.with_batch_for(len(splits.train))
    checkpoints = paths.checkpoints if paths.checkpoints.is_dir() else None
    start = recipe.prepare_start(splits, options, model=model, device=device)
    fitted = fit.fit(start, options, checkpoints=checkpoints)
    paths.model.mkdir(parents=True, exist_ok=True)
    classifier = fitted.classifier
    logits = fit.head_logits(classifier, fitted.validation)
    calibration_metrics = _calibrate(classifier, logits, splits.validation.labels)
    print(
        format_kept_epoch(fitted.accuracies, calibration_metrics["validation_accuracy"]), flush=True
    )
    familiarity = Familiarity.calibrate(
        (fitted.train, splits.train.labels), fitted.negatives, fitted.validation
    )
    metadata = {
        "image_shape": str(options.image_shape),
        "num_classes": options.num_classes,
        "reference_layers": len(classifier.reference) if classifier.reference else 0,
        "training_photos": len(splits.train),
        "validation_photos": len(splits.validation),
        "unusable_training_photos": len(splits.unusable_train),
        "unusable_validation_photos": len(splits.unusable_validation),
        "negatives": len(splits.negatives) if splits.negatives else 0,
        "mean": classifier.mean.tolist(),
        "std": classifier.std.tolist(),
        **calibration_metrics,
        "validation_accuracies": fitted.accuracies,
        "seconds": round(time.monotonic() - started, 1),
        "hyperparameters": options.model_dump(mode="json"),
    }
    export.save_model(paths.model, classifier, metadata, options.image_shape)
    familiarity.save(paths.model)
    print(f"Model written after {time.monotonic() - started:.1f} s.", flush=True)


def _earlier_model(paths: Paths, options: hyperparameters.Hyperparameters) -> Classifier | None:
    """Return the model to train on from; None if there is none, or one of another network.

    A stack that trains on from its model in production must still train after an upgrade that
    changes the default network.
    """
    channel = paths.data / "model"
    if not channel.is_dir():
        return None
    try:
        return export.load_model(channel, options)
    except OtherNetworkError as error:
        print(f"Not trained on from the earlier model. {error}", flush=True)
        return None


def _format_dataset(splits: dataset.Splits, options: hyperparameters.Hyperparameters) -> str:
    text = (
        f"Prepared {len(splits.train)} training and {len(splits.validation)} validation photos "
        f"as {options.image_shape}"
    )
    if splits.negatives:
        text += f", and {len(splits.negatives)} photos of none of the classes"
    if splits.too_few_negatives:
        text += f"; {splits.too_few_negatives} photos of none of the classes are too few to use"
    if splits.skipped_negatives:
        text += f"; skipped {splits.skipped_negatives} unusable photos of none of the classes"
    return f"{text}."


def _describe_hyperparameters(options: hyperparameters.Hyperparameters) -> str:
    """Return what the job was given, what it takes by default, and what has no effect."""
    given, defaults = _format_pairs(options.given()), _format_pairs(options.defaults())
    text = f"Hyperparameters given to this job: {given}. Defaults: {defaults}."
    if idle := options.ignored():
        text += f" Given, but without effect in this job: {', '.join(idle)}."
    return text


def _format_pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _format_unusable(splits: dataset.Splits) -> Iterator[str]:
    """Yield how many photos were left out, and name the first ones with the reason."""
    for part, reasons, used in (
        ("training", splits.unusable_train, splits.train),
        ("validation", splits.unusable_validation, splits.validation),
    ):
        if reasons:
            total = len(used) + len(reasons)
            yield f"Left out {len(reasons)} of {total} {part} photos that cannot be decoded:"
            for path, reason in islice(reasons.items(), MAX_SHOWN):
                yield f"  {path}: {reason}"
            if len(reasons) > MAX_SHOWN:
                yield f"  and {len(reasons) - MAX_SHOWN} more"


def format_kept_epoch(accuracies: Sequence[float], kept_epoch: float) -> str:
    """Return which epoch's weights are kept, and why if another had a higher accuracy.

    Parameters
    ----------
    accuracies
        Validation accuracy of the averaged weights after each epoch, 0 to 1.
    kept_epoch
        Validation accuracy of the model that is written, 0 to 1.
    """
    count = len(accuracies)
    text = (
        f"Kept: the average of the weights after the last of {count} epochs, validation accuracy "
        f"{kept_epoch:.3f}."
    )
    best = max(accuracies, default=kept_epoch)
    if best <= kept_epoch:
        return text
    epochs = accuracies.index(best) + 1
    after = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    return (
        f"{text} The highest was {best:.3f}, after {after}; an epoch is not chosen by its "
        "validation accuracy, since the highest of several is partly luck."
    )


def _read_hyperparameters(paths: Paths) -> dict[str, str]:
    try:
        values = json.loads(paths.hyperparameters.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"There is no {paths.hyperparameters}: start a job with hyperparameters."
        ) from None
    except ValueError as error:
        raise InputError(f"{paths.hyperparameters.name} is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise InputError(f"{paths.hyperparameters.name} must be one JSON object.")
    return values


def _calibrate(classifier: Classifier, logits: Floats, labels: Labels) -> dict[str, Any]:
    """Set the classifier's temperature, and measure before and after."""
    temperature = calibrate.fit_temperature(logits, labels)
    classifier.temperature.fill_(temperature)
    predicted = logits.argmax(axis=1)
    return {
        "temperature": temperature,
        "validation_accuracy": float((predicted == labels).mean()),
        "before_calibration": _calibration_metrics(calibrate.softmax(logits, 1.0), labels),
        "after_calibration": _calibration_metrics(calibrate.softmax(logits, temperature), labels),
    }


def _calibration_metrics(probabilities: Floats, labels: Labels) -> dict[str, float]:
    return {
        "log_loss": calibrate.log_loss(probabilities, labels),
        "expected_calibration_error": calibrate.expected_calibration_error(probabilities, labels),
    }
