"""Train a model: channels and hyperparameters in, ``xgboost-model`` out."""

import json
from pathlib import Path
from typing import Any

import xgboost as xgb

from scones_local.images.xgboost.errors import UserError
from scones_local.images.xgboost.hyperparameters import Hyperparameters, parse_hyperparameters
from scones_local.images.xgboost.tables import read_channel

MODEL_FILE = "xgboost-model"
"""File name of the model in ``model.tar.gz``."""

_CSV_TYPES = ("csv", "text/csv")

# CloudWatch shows tabs so in the logs of AWS's container, and metric definitions rely on it.
_TAB = "#011"


class _MetricLog(xgb.callback.TrainingCallback):  # type: ignore[misc]
    """Writes the metrics of each round as AWS's container does."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Write one line; the training goes on."""
        del model
        values = [
            f"{channel}-{metric}:{history[-1]:.5f}"
            for channel, metrics in evals_log.items()
            for metric, history in metrics.items()
        ]
        print(_TAB.join([f"[{epoch}]", *values]), flush=True)
        return False


def run(root: Path) -> None:
    """Train with the files below a folder.

    Parameters
    ----------
    root
        Folder that replaces ``/opt/ml``.

    Raises
    ------
    UserError
        If the hyperparameters or the data are invalid.
    """
    config = root / "input" / "config"
    hyperparameters = parse_hyperparameters(
        json.loads((config / "hyperparameters.json").read_text())
    )
    channels = json.loads((config / "inputdataconfig.json").read_text())
    if "train" not in channels:
        raise UserError("The channel train is required")
    for name, channel in channels.items():
        _check_channel(name, channel)
    tables = {
        name: _matrix(root / "input" / "data" / name, hyperparameters)
        for name in ("train", "validation")
        if name in channels
    }
    booster = _train(hyperparameters, tables)
    booster.save_model(root / "model" / MODEL_FILE)


def _check_channel(name: str, channel: dict[str, Any]) -> None:
    if name not in ("train", "validation"):
        raise UserError(f"Unknown channel {name}: use train and validation")
    declared = channel.get("ContentType", "libsvm").partition(";")[0].strip().lower()
    if declared not in _CSV_TYPES:
        raise UserError(
            f"The channel {name} has the content type {declared}: the local XGBoost image reads "
            "text/csv only. Set ContentType"
        )


def _matrix(folder: Path, hyperparameters: Hyperparameters) -> Any:
    table = read_channel(folder, has_weights=hyperparameters.has_weights)
    return xgb.DMatrix(table.features, label=table.labels, weight=table.weights or None)


def _train(hyperparameters: Hyperparameters, tables: dict[str, Any]) -> Any:
    if hyperparameters.early_stopping_rounds and "validation" not in tables:
        raise UserError("early_stopping_rounds needs the channel validation")
    try:
        return xgb.train(
            dict(hyperparameters.parameters),
            tables["train"],
            num_boost_round=hyperparameters.rounds,
            evals=[(matrix, name) for name, matrix in tables.items()],
            early_stopping_rounds=hyperparameters.early_stopping_rounds,
            verbose_eval=False,
            callbacks=[_MetricLog()],
        )
    except (xgb.core.XGBoostError, ValueError) as error:
        raise UserError(str(error).strip().splitlines()[0]) from error
