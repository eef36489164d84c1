"""The training on from ImageNet weights; tests/unit/training/test_fit.py has its rules."""

import dataclasses
import json
import re
import shutil
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from scones.photos import ImageShape
from scones_training import dataset, efficientnet, export, fit, hyperparameters, recipe
from scones_training.classifier import Classifier
from scones_training.dataset import ImageSet
from scones_training.familiarity import Familiarity
from scones_training.hyperparameters import Hyperparameters
from tests.unit.training.jobs import SHAPE, Job, Trained, other, picture


@pytest.fixture(scope="module")
def model(pretrained: Trained) -> Classifier:
    options = hyperparameters.parse_hyperparameters(pretrained.job.hyperparameters)
    return export.load_model(pretrained.job.paths.model, options)


def facts(job: Job) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((job.paths.model / export.FACTS).read_text())
    return read


def probabilities(
    model: Classifier, pictures: list[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        result: npt.NDArray[np.float32] = model(
            torch.from_numpy(np.stack(pictures))
        ).probabilities.numpy()
    return result


def test_few_photos_and_epochs_are_enough(pretrained: Trained, model: Classifier) -> None:
    assert facts(pretrained.job)["validation_accuracy"] >= 0.9
    new = [np.asarray(picture(number % 3, 5000 + number)) for number in range(30)]

    chosen = probabilities(model, new).argmax(1)

    assert (chosen == np.arange(30) % 3).mean() >= 0.9


def test_the_frozen_layers_and_the_reference_have_the_weights_of_imagenet(
    model: Classifier,
) -> None:
    imagenet = efficientnet.pretrained(ImageShape.parse(SHAPE), 3).features
    frozen = len(imagenet) - recipe.TRAINED_LAYERS

    for number, layer in enumerate(imagenet):
        trained = dict(model.features[number].named_parameters())
        assert all(
            torch.equal(trained[name].half(), value.half()) is (number < frozen)
            for name, value in layer.named_parameters()
        )
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


def test_others_are_less_familiar_than_new_photos_of_the_classes(pretrained: Trained) -> None:
    familiarity = Familiarity.load(pretrained.job.paths.model)
    model = export.load_model(
        pretrained.job.paths.model,
        hyperparameters.parse_hyperparameters(pretrained.job.hyperparameters),
    )
    assert familiarity is not None
    assert len(familiarity.photos) == 36
    assert len(familiarity.negatives) == 12
    new = [np.asarray(picture(number % 3, 7000 + number)) for number in range(15)]
    others = [np.asarray(other(700 + number)) for number in range(15)]

    values = []
    for pictures in (new, others):
        with torch.no_grad():
            output = model(torch.from_numpy(np.stack(pictures)))
        embeddings = torch.cat([output.embedding, output.reference], 1).numpy()
        values.append(familiarity.p_values(embeddings))

    assert np.median(values[0]) > 0.2
    assert np.median(values[1]) < 0.1


def test_the_log_names_the_device_the_photos_and_the_negatives(pretrained: Trained) -> None:
    first, *rest = pretrained.log.splitlines()

    assert re.fullmatch(r"Training on the CPU, \d+ threads; no GPU.*\.", first)
    assert (
        "Prepared 36 training and 12 validation photos as 3,16,24, and 12 photos of none of the "
        "classes; skipped 1 unusable photos of none of the classes." in rest
    )
    assert any(
        line.endswith(" Given, but without effect in this job: num_layers.") for line in rest
    )


def test_the_facts_name_negatives_and_layers(pretrained: Trained) -> None:
    read = facts(pretrained.job)

    assert read["negatives"] == 12
    assert read["reference_layers"] == recipe.TRAINED_LAYERS
    assert read["hyperparameters"]["optimizer"] == "adam"
    assert read["hyperparameters"]["use_pretrained_model"] == "1"


def test_of_few_photos_only_the_head_is_trained(small_job: Job) -> None:
    small_job.hyperparameters |= {"use_pretrained_model": "1", "epochs": "20"}

    assert small_job.run() == 0

    read = facts(small_job)
    assert read["reference_layers"] == 0
    assert read["validation_accuracy"] >= 0.9
    familiarity = Familiarity.load(small_job.paths.model)
    assert familiarity is not None
    assert familiarity.photos.shape == (36, 2 * efficientnet.EMBEDDING_WIDTH)


def test_of_more_photos_the_last_layers_are_trained_on(
    small_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_job.hyperparameters |= {"use_pretrained_model": "1", "epochs": "1"}
    assert small_job.run() == 0
    monkeypatch.setattr(recipe, "MAX_FEW_PHOTOS", 0)
    small_job.paths.model.rename(small_job.paths.data / "model")

    assert small_job.run() == 0

    assert facts(small_job)["reference_layers"] == recipe.TRAINED_LAYERS


def test_the_whole_network_trains_from_pixels(
    small_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU does, but for the mixed precision."""
    monkeypatch.setattr(recipe, "MAX_FEW_PHOTOS", 0)
    monkeypatch.setattr(recipe, "TRAINED_LAYERS", 19)
    options = hyperparameters.parse_hyperparameters(
        small_job.hyperparameters
        | {"use_pretrained_model": "1", "epochs": "1", "augmentation_type": "crop"}
    )
    start = recipe.prepare_start(dataset.load_dataset(small_job.paths.data, options), options)

    fitted = fit.fit(start, options)

    assert start.frozen == 0
    before, after = start.classifier.features[1], fitted.classifier.features[1]
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        assert not torch.allclose(old, new)


def test_a_job_trains_on_from_it(pretrained: Trained, small_job: Job) -> None:
    shutil.copytree(pretrained.job.paths.model, small_job.paths.data / "model")
    small_job.hyperparameters |= {"use_pretrained_model": "1", "epochs": "1"}

    assert small_job.run() == 0

    read = facts(small_job)
    assert read["validation_accuracy"] >= 0.9
    assert read["mean"] == pytest.approx([efficientnet.MEAN] * 3)
    assert read["reference_layers"] == recipe.TRAINED_LAYERS


def sided(count: int, seed: int) -> ImageSet:
    """Draw gray images of a shape near one edge, and of its mirror image, on a dark ground.

    Classes 0 and 1 show a round shape from the left and from the right, 2 and 3 one with a band
    across its upper corner, 4 none: as the views of mammographies.
    """
    generator = np.random.default_rng(seed)
    height, width = 40, 20
    rows, columns = np.mgrid[:height, :width]
    pixels = np.empty((count, height, width), np.float64)
    labels = np.arange(count) % 5
    for index, label in enumerate(labels):
        image = generator.normal(20, 8, (height, width))
        center = generator.uniform(16, 24)
        reach, half = generator.uniform(9, 15), generator.uniform(10, 15)
        shape = ((rows - center) / half) ** 2 + (columns / reach) ** 2 < 1
        brightness = generator.uniform(90, 160)
        if label < 4:
            image[shape] += brightness
        if label in (2, 3):
            image[rows + 1.6 * columns < generator.uniform(15, 20)] += 60
        if label == 4:
            image += generator.uniform(0, 120) * (generator.random() > columns / width)
        pixels[index] = image[:, ::-1] if label in (1, 3) else image
    gray = np.clip(pixels, 0, 255).astype(np.uint8)
    return ImageSet(np.repeat(gray[..., None], 3, axis=3), labels)


def sided_options() -> Hyperparameters:
    return hyperparameters.parse_hyperparameters(
        {
            "num_classes": "5",
            "num_training_samples": "120",
            "mini_batch_size": "20",
            "image_shape": "3,40,20",
            "augmentation_type": "none",
            "use_pretrained_model": "0",
            "num_layers": "18",
            "epochs": "10",
            "learning_rate": "0.01",
        }
    )


def test_gray_classes_that_are_mirror_images_are_told_apart() -> None:
    """With the settings of presets/mammography-views.toml; fewer epochs, of small images."""
    options = sided_options()
    validation = sided(60, 1)
    start = recipe.prepare_start(dataset.Splits(sided(120, 0), validation), options)

    fitted = fit.fit(start, options)

    assert not fitted.classifier.average_flips
    chosen = probabilities(fitted.classifier, list(validation.pixels)).argmax(1)
    assert (chosen == validation.labels).mean() >= 0.95
    mirrored = dataclasses.replace(validation, pixels=validation.pixels[:, :, ::-1].copy())
    turned = probabilities(fitted.classifier, list(mirrored.pixels)).argmax(1)
    swapped = np.array([1, 0, 3, 2, 4])[validation.labels]
    assert (turned == swapped)[validation.labels < 4].mean() >= 0.95
