"""Hyperparameters of the algorithm: which there are, and how XGBoost takes them.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scones_local.images.xgboost.errors import UserError

_ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}

_SUPPORTED = {
    "alpha", "base_score", "booster", "colsample_bylevel", "colsample_bynode", "colsample_bytree",
    "deterministic_histogram", "eta", "gamma", "grow_policy", "huber_slope",
    "interaction_constraints", "lambda", "lambda_bias", "max_bin", "max_delta_step", "max_depth",
    "max_leaves", "min_child_weight", "monotone_constraints", "normalize_type", "nthread",
    "num_class", "num_parallel_tree", "objective", "one_drop", "process_type", "rate_drop",
    "refresh_leaf", "sample_type", "sampling_method", "scale_pos_weight", "seed", "skip_drop",
    "subsample", "tree_method", "tweedie_variance_power", "updater", "verbosity",
}  # fmt: skip

_UNSUPPORTED = {
    "sagemaker_program": "scripts in the XGBoost image (sagemaker_program)",
    "sagemaker_submit_directory": "scripts in the XGBoost image (sagemaker_submit_directory)",
    "_kfold": "cross-validation (_kfold)",
    "_num_cv_round": "cross-validation (_num_cv_round)",
    "use_dask_gpu_training": "training on GPUs (use_dask_gpu_training)",
}


@dataclass(frozen=True)
class Hyperparameters:
    """Checked hyperparameters.

    Attributes
    ----------
    rounds
        Number of boosting rounds.
    early_stopping_rounds
        Number of rounds without improvement after which the training ends; None for never.
    has_weights
        Whether the second column of the training data has the weights.
    parameters
        Parameters for XGBoost, by its names.
    """

    rounds: int
    early_stopping_rounds: int | None
    has_weights: bool
    parameters: Mapping[str, Any]


def parse_hyperparameters(request: Mapping[str, str]) -> Hyperparameters:
    """Return the hyperparameters of a job.

    Parameters
    ----------
    request
        Texts by name, as in ``hyperparameters.json``.

    Raises
    ------
    UserError
        If one is unknown, unsupported, missing or not a number where it has to be one.
    """
    named = {_ALIASES.get(name, name): value for name, value in request.items()}
    for name, title in _UNSUPPORTED.items():
        if name in named:
            raise UserError(f"The local XGBoost image does not support {title}.")
    metrics = named.pop("eval_metric", "")
    named.pop("_tuning_objective_metric", None)
    named.pop("save_model_on_termination", None)
    rounds = _parse_integer(named.pop("num_round", None), "num_round", 1)
    early = named.pop("early_stopping_rounds", None)
    weights = _parse_integer(named.pop("csv_weights", "0"), "csv_weights", 0)
    unknown = sorted(set(named) - _SUPPORTED)
    if unknown:
        raise UserError(f"Extraneous hyperparameter found: {', '.join(unknown)}")
    parameters: dict[str, Any] = dict(named)
    if metrics:
        parameters["eval_metric"] = [name.strip() for name in metrics.split(",")]
    return Hyperparameters(
        rounds=rounds,
        early_stopping_rounds=None
        if early is None
        else _parse_integer(early, "early_stopping_rounds", 1),
        has_weights=weights == 1,
        parameters=parameters,
    )


def _parse_integer(text: str | None, name: str, minimum: int) -> int:
    if text is None:
        raise UserError(f"Missing required hyperparameter: {name}")
    try:
        value = int(text)
    except ValueError:
        value = minimum - 1
    if value < minimum:
        raise UserError(
            f"Hyperparameter {name}: {text} is not a whole number of at least {minimum}"
        )
    return value
