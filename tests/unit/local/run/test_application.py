from pathlib import Path

import pytest

from scones_local.run.application import Settings, augmentations
from scones_local.run.photo_folder import Dataset, LabeledPhoto
from scones_training.errors import InputError


def dataset(count: int) -> Dataset:
    photos = tuple(LabeledPhoto(Path(f"{number}.png"), "a") for number in range(count))
    return Dataset(("a", "b"), photos, photos[:1])


@pytest.mark.parametrize(("photos", "batch"), [(2, "2"), (31, "31"), (32, "32"), (1000, "32")])
def test_batch_is_never_larger_than_the_training_set(photos: int, batch: str) -> None:
    assert Settings().hyperparameters(dataset(photos))["mini_batch_size"] == batch


def test_epochs_are_told_even_where_the_trainer_chooses_them() -> None:
    assert Settings(others={"epochs": "7"}).hyperparameters(dataset(50))["epochs"] == "7"
    assert int(Settings().hyperparameters(dataset(50))["epochs"]) > 7


def test_what_the_trainer_would_not_take() -> None:
    with pytest.raises(InputError, match="augmentation_type must be none, crop"):
        Settings(augmentation="flip").hyperparameters(dataset(50))
    assert set(augmentations()) == {"none", "crop", "crop_color", "crop_color_transform"}


@pytest.mark.parametrize("augmentation", augmentations())
def test_augmentations_are_the_trainers(augmentation: str) -> None:
    chosen = Settings(augmentation=augmentation).hyperparameters(dataset(50))

    assert chosen["augmentation_type"] == augmentation


def test_it_is_said_what_set_each_value_and_what_has_no_effect() -> None:
    settings = Settings(
        "3,64,64",
        "none",
        minimum_accuracy=0.75,
        others={"num_layers": "18", "epochs": "7"},
        sources={
            **{"image_shape": "IMAGE_SHAPE", "minimum_accuracy": "profile vans"},
            **dict.fromkeys(("num_layers", "epochs"), "profile vans"),
        },
    )

    assert settings.describe(dataset(50)) == [
        "Training with image_shape=3,64,64 (IMAGE_SHAPE), augmentation_type=none (default), "
        "epochs=7 (profile vans), mini_batch_size=32 (computed for 50 photos), "
        "num_layers=18 (profile vans), minimum_accuracy=0.75 (profile vans)",
        "Without effect in this training: num_layers (profile vans)",
    ]


def test_nothing_that_nobody_set_is_said_to_have_no_effect() -> None:
    (line,) = Settings().describe(dataset(50))

    assert line.startswith("Training with image_shape=3,96,96 (default), ")
    assert "epochs=45 (computed for 50 photos)" in line
