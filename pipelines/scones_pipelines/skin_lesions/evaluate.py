"""Evaluate a model of the project's trainer on the test photos.

Runs in the processing image, which predicts with the code of the endpoint.
"""

import argparse
import json
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scones.decisions import top_class
from scones.evaluation.metrics import LabeledPrediction
from scones.evaluation.model_metrics import ModelMetrics, compute_model_metrics
from scones.photos import UnusablePhoto
from scones_operator.datasets.ham10000 import CLASSES

TARGET_PRECISION = 0.99
"""Precision that the reported threshold reaches, 0 to 1."""

Predict = Callable[[bytes], Sequence[float]]
"""Returns the probability of each class for a photo."""


class EvaluationError(Exception):
    """The model cannot be evaluated; the message states the reason."""


def load_model(archive: Path, folder: Path) -> Predict:
    """Unpack and load the model of a training job.

    Parameters
    ----------
    archive
        ``model.tar.gz``.
    folder
        Empty folder for its files.

    Raises
    ------
    EvaluationError
        If the archive is missing or damaged, or holds another kind of model.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise EvaluationError(f"cannot unpack {archive.name}: {error}") from error
    if not (folder / "model.onnx").is_file():
        raise EvaluationError(f"{archive.name} has no model.onnx: another trainer made it")
    # Lazy import: ONNX Runtime is in the processing image only.
    from scones_training.serve import Model  # noqa: PLC0415

    model = Model(folder)
    return lambda photo: model.predict(photo).probabilities


def predict_all(
    predict: Predict, folder: Path, class_names: Sequence[str]
) -> Iterator[tuple[str, LabeledPrediction | None]]:
    """Yield the path of each test photo and the prediction, or None if the photo is unusable.

    Parameters
    ----------
    predict
        The model.
    folder
        One folder per class.
    class_names
        Classes in the order of their indices.
    """
    for index, name in enumerate(class_names):
        for path in sorted((folder / name).glob("*")):
            try:
                probabilities = predict(path.read_bytes())
            except UnusablePhoto as error:
                print(f"unusable photo {name}/{path.name}: {error}")
                yield f"{name}/{path.name}", None
            else:
                yield f"{name}/{path.name}", LabeledPrediction(index, *top_class(probabilities))


def report(judgement: ModelMetrics, unusable: int) -> dict[str, Any]:
    """Return the content of evaluation.json.

    Parameters
    ----------
    judgement
        From `scones.evaluation.model_metrics.compute_model_metrics`.
    unusable
        Number of photos without a prediction.

    Returns
    -------
    dict
        Metrics in the form of Model Monitor. ``balanced_accuracy`` is the mean recall of the
        classes that have photos: two of three photos are nevi, so that a model that only names
        these has an accuracy of 0.67 and a balanced accuracy of 0.14.
    """
    recalls = [value for value in judgement.recall.values() if value is not None]
    return {
        "multiclass_classification_metrics": {
            "accuracy": {"value": judgement.accuracy},
            "balanced_accuracy": {"value": sum(recalls) / len(recalls)},
            "confusion_matrix": judgement.confusion_matrix,
        },
        "recall": dict(judgement.recall),
        "precision": dict(judgement.precision),
        "calibration_error": judgement.calibration_error,
        "threshold": judgement.threshold,
        "photos": judgement.photos,
        "unusable": unusable,
        # What a model version's metadata holds: strings.
        "metadata": {
            "accuracy": f"{judgement.accuracy:.4f}",
            "balanced_accuracy": f"{sum(recalls) / len(recalls):.4f}",
            "photos": str(judgement.photos),
        },
    }


def main() -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input-model", type=Path, required=True)
    parser.add_argument("--input-test", type=Path, required=True)
    parser.add_argument("--output-evaluation", type=Path, required=True)
    parser.add_argument("--exit-message", type=Path, required=True)
    options = parser.parse_args()
    try:
        document = evaluate(options.input_model / "model.tar.gz", options.input_test)
    except EvaluationError as error:
        print(error, file=sys.stderr)
        options.exit_message.write_text(str(error)[:1000], encoding="utf-8")
        return 1
    text = json.dumps(document, indent=2)
    (options.output_evaluation / "evaluation.json").write_text(text, encoding="utf-8")
    print(text)
    return 0


def evaluate(archive: Path, folder: Path) -> dict[str, Any]:
    """Return the evaluation of a model on the photos of a folder.

    Parameters
    ----------
    archive
        ``model.tar.gz``.
    folder
        One folder per class.

    Raises
    ------
    EvaluationError
        If the model cannot be loaded, or there is no usable photo.
    """
    with tempfile.TemporaryDirectory() as unpacked:
        predict = load_model(archive, Path(unpacked))
        predictions = [answer for _, answer in predict_all(predict, folder, CLASSES)]
    usable = [answer for answer in predictions if answer is not None]
    if not usable:
        raise EvaluationError(f"none of the {len(predictions)} test photos is usable")
    judgement = compute_model_metrics(usable, CLASSES, TARGET_PRECISION)
    return report(judgement, len(predictions) - len(usable))


if __name__ == "__main__":
    sys.exit(main())
