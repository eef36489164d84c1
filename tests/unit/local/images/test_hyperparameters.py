import pytest

from scones_local.images.xgboost.errors import UserError
from scones_local.images.xgboost.hyperparameters import Hyperparameters, parse_hyperparameters


def test_reads_the_hyperparameters_of_a_job() -> None:
    given = {
        "objective": "reg:squarederror",
        "num_round": "50",
        "learning_rate": "0.2",
        "reg_alpha": "1",
        "eval_metric": "rmse, mae",
        "early_stopping_rounds": "5",
        "csv_weights": "1",
        "_tuning_objective_metric": "validation:rmse",
    }
    assert parse_hyperparameters(given) == Hyperparameters(
        rounds=50,
        early_stopping_rounds=5,
        has_weights=True,
        parameters={
            "objective": "reg:squarederror",
            "eta": "0.2",
            "alpha": "1",
            "eval_metric": ["rmse", "mae"],
        },
    )


def test_most_have_defaults() -> None:
    assert parse_hyperparameters({"num_round": "1"}) == Hyperparameters(
        1, None, has_weights=False, parameters={}
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Missing required hyperparameter: num_round"),
        ({"num_round": "many"}, "num_round: many is not a whole number of at least 1"),
        ({"num_round": "0"}, "num_round: 0 is not a whole number of at least 1"),
        ({"num_round": "1", "epochs": "2"}, "Extraneous hyperparameter found: epochs"),
        ({"num_round": "1", "sagemaker_program": "t.py"}, "does not support scripts"),
        ({"num_round": "1", "_kfold": "3"}, "does not support cross-validation"),
    ],
)
def test_refuses_what_it_does_not_know(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_hyperparameters(given)
