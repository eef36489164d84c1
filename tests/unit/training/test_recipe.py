import copy

import numpy as np
import pytest
import torch

from scones_training import efficientnet, recipe
from scones_training.dataset import ImageSet, Splits
from scones_training.sources import FeatureSource, PixelSource
from tests.unit.training.small import LAYERS, images, options, splits, use_small_network

CUDA = torch.device("cuda")


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_network(monkeypatch)


def test_a_cpu_trains_the_last_layers_of_a_pretrained_network() -> None:
    start = recipe.prepare_start(splits(negatives=4), options())

    assert start.frozen == LAYERS - recipe.TRAINED_LAYERS
    assert start.classifier.reference is not None
    assert len(start.classifier.reference) == recipe.TRAINED_LAYERS
    for source in (start.train, start.validation, start.negatives):
        assert isinstance(source, FeatureSource)


@pytest.mark.parametrize(("few", "frozen"), [(23, LAYERS - 9), (24, LAYERS)])
def test_of_few_photos_a_cpu_trains_the_head(
    monkeypatch: pytest.MonkeyPatch, few: int, frozen: int
) -> None:
    monkeypatch.setattr(recipe, "MAX_FEW_PHOTOS", few)

    assert recipe.prepare_start(splits(), options()).frozen == frozen


def test_a_gpu_trains_all_layers() -> None:
    start = recipe.prepare_start(splits(), options())

    assert recipe._frozen_layers(start.classifier, options(), CUDA) == 0


def test_all_layers_are_trained_from_random_weights() -> None:
    start = recipe.prepare_start(splits(negatives=4), options(use_pretrained_model="0"))

    assert start.frozen == 0
    assert start.classifier.reference is None
    assert isinstance(start.negatives, PixelSource)
    assert recipe.prepare_start(splits(), options()).negatives is None


def test_pretrained_weights_keep_their_normalization() -> None:
    classifier = recipe.prepare_start(splits(), options()).classifier

    assert classifier.mean.tolist() == pytest.approx([efficientnet.MEAN] * 3)
    assert classifier.std.tolist() == pytest.approx([efficientnet.STD] * 3)


def test_random_weights_get_the_normalization_of_the_training_images() -> None:
    train = images(24)

    classifier = recipe.prepare_start(splits(), options(use_pretrained_model="0")).classifier

    scaled = train.pixels.reshape(-1, 3) / 255
    np.testing.assert_allclose(classifier.mean, scaled.mean(0), rtol=1e-5)
    np.testing.assert_allclose(classifier.std, scaled.std(0), rtol=1e-5)


def test_images_of_one_color_have_a_spread_above_0() -> None:
    flat = ImageSet(np.full((3, 16, 24, 3), 50, np.uint8), np.arange(3))

    start = recipe.prepare_start(Splits(flat, flat), options(use_pretrained_model="0"))

    assert (start.classifier.std > 0).all()


@pytest.mark.parametrize(("kind", "mirrored"), [("none", False), ("crop", True)])
def test_an_earlier_models_mirroring_and_temperature_are_not_taken_over(
    kind: str, mirrored: bool
) -> None:
    model = recipe.prepare_start(splits(), options(augmentation_type="crop")).classifier
    model.temperature.fill_(2.0)

    start = recipe.prepare_start(splits(), options(augmentation_type=kind), model=model)

    assert start.classifier.average_flips is mirrored
    assert float(start.classifier.temperature) == 1.0


@pytest.mark.parametrize("trained", [0, 9, LAYERS])
@pytest.mark.parametrize("before", [0, 9, LAYERS])
def test_layers_that_were_trained_before_are_never_frozen(
    monkeypatch: pytest.MonkeyPatch, before: int, trained: int
) -> None:
    monkeypatch.setattr(recipe, "TRAINED_LAYERS", before)
    model = recipe.prepare_start(splits(), options()).classifier
    imagenet = [value.clone() for value in model.features.state_dict().values()]
    with torch.no_grad():
        for parameter in model.features[LAYERS - before :].parameters():
            parameter.add_(0.1)
    unchanged = copy.deepcopy(model)
    monkeypatch.setattr(recipe, "TRAINED_LAYERS", trained)

    start = recipe.prepare_start(splits(), options(), model=model)

    reference = start.classifier.reference
    assert start.frozen == LAYERS - max(before, trained)
    assert reference is not None
    assert len(reference) == max(before, trained)
    weights = list(reference.state_dict().values())
    assert all(
        torch.equal(value, right)
        for value, right in zip(weights, imagenet[len(imagenet) - len(weights) :], strict=True)
    )
    for value, right in zip(
        model.state_dict().values(), unchanged.state_dict().values(), strict=True
    ):
        assert torch.equal(value, right)


def test_classes_weigh_inversely_to_their_photos_and_1_on_average() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    train = ImageSet(np.zeros((10, 1, 1, 3), np.uint8), labels)

    negatives = ImageSet(np.zeros((4, 1, 1, 3), np.uint8), np.full(4, 3))
    parts = Splits(train, train, negatives)

    weights = recipe.photo_weights(parts, options(use_weighted_loss="1")).numpy()

    np.testing.assert_allclose(weights[:10], np.array([10 / 18, 10 / 9, 10 / 3])[labels], rtol=1e-6)
    assert float(weights.mean()) == pytest.approx(1)
    assert weights[10:].tolist() == [1] * 4
    assert recipe.photo_weights(parts, options(use_weighted_loss="0")).tolist() == [1] * 14


def test_the_recipes_differ() -> None:
    assert recipe.choose_recipe(options()) == recipe.FROM_PRETRAINED
    assert recipe.choose_recipe(options(use_pretrained_model="0")) == recipe.FROM_RANDOM
