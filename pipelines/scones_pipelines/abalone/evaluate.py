"""Measure the error of a model of the built-in XGBoost on the test rows.

Runs in AWS's XGBoost container, so it imports nothing of this project. The report has the form of
Model Monitor's regression metrics:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
"""

import argparse
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xgboost

MODEL = "xgboost-model"
"""File in model.tar.gz; since version 1.3-1 of the container written by Booster.save_model."""

Numbers = npt.NDArray[np.float64]


class ModelError(Exception):
    """The model or the test rows cannot be used; the message states the reason."""


def load_model(archive: Path) -> xgboost.Booster:
    """Load the model in the output of a training job.

    Parameters
    ----------
    archive
        ``model.tar.gz``.

    Raises
    ------
    ModelError
        If it does not exist, is damaged or has no model.
    """
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile(MODEL)
            content = file.read() if file else b""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise ModelError(f"cannot read {MODEL} in {archive.name}: {error}") from error
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise ModelError(f"{MODEL} is not a model of XGBoost {xgboost.__version__}") from error
    return booster


def read_rows(folder: Path) -> tuple[Numbers, Numbers]:
    """Read labels and features from ``test.csv``, which has no header and the label first.

    Returns
    -------
    tuple of numpy.ndarray
        Labels, shape (rows,); features, shape (rows, columns).

    Raises
    ------
    ModelError
        If the file is missing, empty or not numbers.
    """
    file = folder / "test.csv"
    try:
        rows = np.loadtxt(file, delimiter=",", ndmin=2, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {file.name}: {error}") from error
    if not rows.size:
        raise ModelError(f"{file.name} has no rows")
    return rows[:, 0], rows[:, 1:]


def report(labels: Numbers, predictions: Numbers) -> dict[str, dict[str, dict[str, float]]]:
    """Return the errors of predictions.

    Parameters
    ----------
    labels, predictions
        Numbers of rings, shape (rows,).

    Returns
    -------
    dict
        ``regression_metrics`` with ``mse``, ``rmse``, ``mae`` and ``r2``. The standard deviation of
        ``mse`` is that of the squared errors.
    """
    errors = labels - predictions
    squares = errors**2
    mse = float(squares.mean())
    spread = float(((labels - labels.mean()) ** 2).mean())
    return {
        "regression_metrics": {
            "mse": {"value": mse, "standard_deviation": float(squares.std())},
            "rmse": {"value": mse**0.5},
            "mae": {"value": float(np.abs(errors).mean())},
            "r2": {"value": 1 - mse / spread if spread else 0.0},
        }
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
        booster = load_model(options.input_model / "model.tar.gz")
        labels, values = read_rows(options.input_test)
    except ModelError as error:
        print(error, file=sys.stderr)
        options.exit_message.write_text(str(error), encoding="utf-8")
        return 1
    predictions = booster.predict(xgboost.DMatrix(values)).astype(np.float64)
    document = report(labels, predictions)
    text = json.dumps(document, indent=2)
    (options.output_evaluation / "evaluation.json").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
