import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.datasets.hyperparameters import add_defaults
from scones.hyperparameter_names import NAMES
from scones.photos import ImageShape
from scones_training.errors import InputError
from scones_training.hyperparameters import (
    INCREMENTAL_LEARNING_RATE,
    LAYERS,
    PRETRAINED_EPOCHS,
    PRETRAINED_STEPS,
    Hyperparameters,
    parse_hyperparameters,
)

REQUIRED = {"num_classes": "2", "num_training_samples": "100"}
RANDOM = REQUIRED | {"use_pretrained_model": "0"}

PUBLISHED = {
    "num_classes": "2",
    "num_training_samples": "100",
    "augmentation_type": "crop_color_transform",
    "beta_1": "0.9",
    "beta_2": "0.999",
    "checkpoint_frequency": "5",
    "early_stopping": "True",
    "early_stopping_min_epochs": "10",
    "early_stopping_patience": "5",
    "early_stopping_tolerance": "0.0",
    "epochs": "30",
    "eps": "1e-8",
    "gamma": "0.9",
    "image_shape": "3, 224, 224",
    "kv_store": "dist_sync",
    "learning_rate": "0.1",
    "lr_scheduler_factor": "0.1",
    "lr_scheduler_step": "10, 20",
    "mini_batch_size": "32",
    "momentum": "0.9",
    "multi_label": "0",
    "num_layers": "18",
    "optimizer": "sgd",
    "precision_dtype": "float32",
    "resize": "256",
    "top_k": "2",
    "use_pretrained_model": "1",
    "use_weighted_loss": "0",
    "weight_decay": "0.0001",
}
"""Every name of the built-in algorithm's documentation, with a value of its examples."""


def test_every_published_name_is_taken() -> None:
    parsed = parse_hyperparameters(PUBLISHED)

    assert parsed.image_shape == ImageShape.parse("3,224,224")
    assert parsed.lr_scheduler_step == (10, 20)
    assert parsed.early_stopping


def test_what_has_no_effect_is_known() -> None:
    assert parse_hyperparameters(PUBLISHED).ignored() == [
        "beta_1",
        "beta_2",
        "eps",
        "gamma",
        "kv_store",
        "multi_label",
        "num_layers",
        "precision_dtype",
        "resize",
        "top_k",
    ]
    from_random = PUBLISHED | {"use_pretrained_model": "0"}
    assert "num_layers" not in parse_hyperparameters(from_random).ignored()


@pytest.mark.parametrize(
    ("optimizer", "idle"),
    [
        ("adam", ["gamma", "momentum", "weight_decay"]),
        ("rmsprop", ["beta_1", "beta_2", "momentum", "weight_decay"]),
        ("sgd", ["beta_1", "beta_2", "eps", "gamma"]),
    ],
)
def test_the_optimizer_has_values_that_have_no_effect(optimizer: str, idle: list[str]) -> None:
    names = ("beta_1", "beta_2", "eps", "gamma", "momentum", "weight_decay")
    chosen = {name: PUBLISHED[name] for name in names}

    assert parse_hyperparameters(REQUIRED | chosen | {"optimizer": optimizer}).ignored() == idle


def test_what_was_not_given_is_not_said_to_have_no_effect() -> None:
    assert parse_hyperparameters(REQUIRED).ignored() == []


def test_what_a_tuning_job_adds_is_taken_and_not_reported() -> None:
    parsed = parse_hyperparameters(REQUIRED | {"_tuning_objective_metric": "validation:accuracy"})

    assert parsed.ignored() == []
    assert list(parsed.given()) == ["num_classes", "num_training_samples"]


@pytest.mark.parametrize("chosen", [{}, {"epochs": "3", "augmentation_type": "crop"}])
def test_what_a_retraining_adds_is_not_said_to_have_no_effect(chosen: dict[str, str]) -> None:
    parsed = parse_hyperparameters(add_defaults("own", chosen, ImageShape.parse("3,32,32"), 2, 100))

    assert parsed.ignored() == []


def test_given_and_default_values_are_told_apart() -> None:
    parsed = parse_hyperparameters(REQUIRED | {"epochs": "3", "num_layers": "18"})

    assert parsed.given() == {
        "epochs": 3,
        "num_classes": 2,
        "num_layers": 18,
        "num_training_samples": 100,
    }
    defaults = parsed.defaults()
    assert (defaults["optimizer"], defaults["learning_rate"]) == ("adam", 0.0003)
    assert not {"resize", "momentum", "early_stopping_patience"} & defaults.keys()


@given(
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_min=True),
    st.sampled_from(LAYERS),
    st.booleans(),
)
def test_values_come_back_as_numbers(count: int, rate: float, layers: int, stop: bool) -> None:
    parsed = parse_hyperparameters(
        REQUIRED
        | {
            "mini_batch_size": str(count),
            "learning_rate": repr(rate),
            "num_layers": str(layers),
            "early_stopping": str(stop),
        }
    )

    assert parsed.mini_batch_size == count
    assert parsed.learning_rate == rate
    assert parsed.num_layers == layers
    assert parsed.early_stopping is stop


def test_dumped_values_parse_to_the_same() -> None:
    parsed = parse_hyperparameters(PUBLISHED)

    assert Hyperparameters.model_validate_json(parsed.model_dump_json(by_alias=True)) == parsed


WRONG = {
    "num_classes": ["1", "0", "-2", "two", "2.5", ""],
    "num_training_samples": ["0", "1e3x", ""],
    "image_shape": ["1,28,28", "3,28", "3,a,b", "28", ""],
    "num_layers": ["17", "0", "deep"],
    "epochs": ["0", "-1", "1.5"],
    "mini_batch_size": ["0", "many"],
    "augmentation_type": ["flip", ""],
    "optimizer": ["adagrad"],
    "learning_rate": ["0", "1.1", "nan", "inf", "-0.1", "fast"],
    "lr_scheduler_step": ["10,5", "a", "0", "5,5", ""],
    "lr_scheduler_factor": ["2"],
    "momentum": ["-0.1", "nan"],
    "weight_decay": ["1.5"],
    "early_stopping": ["maybe"],
    "multi_label": ["1"],
    "use_pretrained_model": ["2", "", "True"],
    "use_weighted_loss": ["2"],
    "top_k": ["1"],
    "resize": ["0"],
    "precision_dtype": ["float64"],
    "kv_store": ["local"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_value_outside_its_range_is_named(name: str, value: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_hyperparameters(REQUIRED | {name: value})

    assert f"Hyperparameter {name} must be " in str(raised.value)
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_one_is_named(name: str) -> None:
    given_ones = {key: value for key, value in REQUIRED.items() if key != name}

    with pytest.raises(InputError, match=f"Hyperparameter {name} is missing: give a whole number"):
        parse_hyperparameters(given_ones)


def test_unknown_names_are_refused_with_the_nearest_and_all_that_exist() -> None:
    with pytest.raises(InputError) as raised:
        parse_hyperparameters(REQUIRED | {"epoch": "3", "x": "1", "momentum": "2"})

    assert str(raised.value) == (
        "Hyperparameter momentum must be a number from 0 to 1, not '2'. There is no hyperparameter "
        f"epoch (did you mean epochs?), x: use one of {', '.join(sorted(NAMES))}."
    )


def test_the_trainer_takes_the_names_that_profiles_may_have() -> None:
    decided = {"num_classes", "num_training_samples", "image_shape", "tuning_objective_metric"}

    assert Hyperparameters.model_fields.keys() - decided == NAMES


@given(st.text(max_size=12).filter(lambda name: name not in PUBLISHED))
def test_any_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="There is no hyperparameter"):
        parse_hyperparameters(REQUIRED | {name: "1"})


@pytest.mark.parametrize(
    ("photos", "epochs"), [(10, 200), (300, 67), (666, 31), (1000, 30), (50_000, 30)]
)
def test_fewer_photos_are_shown_more_often(photos: int, epochs: int) -> None:
    assert parse_hyperparameters(RANDOM | {"num_training_samples": str(photos)}).epochs == epochs


@pytest.mark.parametrize("photos", [1, 10, 32, 63, 95, 100, 1000, 1067, 50_000])
def test_a_pretrained_network_is_trained_for_few_batches(photos: int) -> None:
    epochs = parse_hyperparameters(REQUIRED | {"num_training_samples": str(photos)}).epochs

    assert PRETRAINED_EPOCHS <= epochs <= 200
    batches = max(1, photos // 32)  # an incomplete batch is dropped
    assert epochs * batches >= PRETRAINED_STEPS or epochs == 200
    assert (epochs - 1) * batches < PRETRAINED_STEPS or epochs == PRETRAINED_EPOCHS


def test_a_chosen_batch_size_decides_the_epochs() -> None:
    given_ones = {"num_training_samples": "63", "mini_batch_size": "16"}

    assert parse_hyperparameters(REQUIRED | given_ones).epochs == PRETRAINED_STEPS / 3


@pytest.mark.parametrize(
    ("given_ones", "optimizer", "rate"),
    [
        ({}, "adam", 0.0003),
        ({"optimizer": "rmsprop"}, "rmsprop", 0.0003),
        ({"optimizer": "sgd"}, "sgd", 0.01),
        ({"optimizer": "nag"}, "nag", 0.01),
        ({"optimizer": "sgd", "learning_rate": "0.2"}, "sgd", 0.2),
        ({"use_pretrained_model": "0"}, "sgd", 0.1),
        ({"use_pretrained_model": "0", "optimizer": "adam"}, "adam", 0.1),
    ],
)
def test_defaults_follow_from_the_weights_to_start_from(
    given_ones: dict[str, str], optimizer: str, rate: float
) -> None:
    parsed = parse_hyperparameters(REQUIRED | given_ones)

    assert (parsed.optimizer, parsed.learning_rate) == (optimizer, rate)
    assert parsed.pretrained is ("use_pretrained_model" not in given_ones)


def test_the_loss_is_weighted_only_on_request() -> None:
    assert not parse_hyperparameters(REQUIRED).weighted_loss
    assert parse_hyperparameters(REQUIRED | {"use_weighted_loss": "1"}).weighted_loss


def test_a_wrong_number_of_photos_is_the_only_problem_told() -> None:
    with pytest.raises(InputError, match=r"^Hyperparameter num_training_samples must be [^.]*\.$"):
        parse_hyperparameters(REQUIRED | {"num_training_samples": "0"})


def test_checkpoints_rarer_than_the_epochs_are_refused() -> None:
    with pytest.raises(InputError, match="checkpoint_frequency is 9, more than the 3 epochs"):
        parse_hyperparameters(REQUIRED | {"checkpoint_frequency": "9", "epochs": "3"})


@pytest.mark.parametrize("shape", ["3,8,8", "3,5,8"])
def test_batches_of_one_value_are_refused(shape: str) -> None:
    with pytest.raises(InputError, match=f"mini_batch_size is 1, .* but image_shape is {shape}"):
        parse_hyperparameters(RANDOM | {"mini_batch_size": "1", "image_shape": shape})


@pytest.mark.parametrize(("batch", "shape"), [("2", "3,8,8"), ("1", "3,9,8")])
def test_batches_of_two_values_are_taken(batch: str, shape: str) -> None:
    parse_hyperparameters(RANDOM | {"mini_batch_size": batch, "image_shape": shape})


def test_a_pretrained_network_takes_batches_of_one() -> None:
    parse_hyperparameters(REQUIRED | {"mini_batch_size": "1", "image_shape": "3,8,8"})


def test_training_on_is_slower_unless_a_rate_is_given() -> None:
    fast = parse_hyperparameters(RANDOM | {"learning_rate": "0.1"})

    assert parse_hyperparameters(RANDOM).learning_rate > INCREMENTAL_LEARNING_RATE
    assert parse_hyperparameters(RANDOM).incremental().learning_rate == INCREMENTAL_LEARNING_RATE
    assert fast.incremental() == fast
    assert parse_hyperparameters(REQUIRED).incremental() == parse_hyperparameters(REQUIRED)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InputError) as raised:
        parse_hyperparameters({"num_classes": "2", "epochs": "0", "speed": "1"})

    for name in ("num_training_samples", "epochs", "speed"):
        assert name in str(raised.value)
