from pathlib import Path

import pytest

from local.run.application import Settings, augmentations
from local.run.folders import Dataset, LabelledPhoto
from training.errors import BadInput


def dataset(count: int) -> Dataset:
    photos = tuple(LabelledPhoto(Path(f"{number}.png"), "a") for number in range(count))
    return Dataset(("a", "b"), photos, photos[:1])


@pytest.mark.parametrize(("photos", "batch"), [(2, "2"), (31, "31"), (32, "32"), (1000, "32")])
def test_batch_is_never_larger_than_the_training_set(photos: int, batch: str) -> None:
    assert Settings().hyperparameters(dataset(photos))["mini_batch_size"] == batch


def test_epochs_are_told_even_where_the_trainer_chooses_them() -> None:
    assert Settings(others={"epochs": "7"}).hyperparameters(dataset(50))["epochs"] == "7"
    assert int(Settings().hyperparameters(dataset(50))["epochs"]) > 7


def test_what_the_trainer_would_not_take() -> None:
    with pytest.raises(BadInput, match="augmentation_type must be none, crop"):
        Settings(augmentation="flip").hyperparameters(dataset(50))
    assert set(augmentations()) == {"none", "crop", "crop_color", "crop_color_transform"}


@pytest.mark.parametrize("augmentation", augmentations())
def test_augmentations_are_the_trainers(augmentation: str) -> None:
    chosen = Settings(augmentation=augmentation).hyperparameters(dataset(50))

    assert chosen["augmentation_type"] == augmentation
