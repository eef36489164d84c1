import numpy as np
import pytest
import torch
from torch import Tensor

from scones_training import sources
from scones_training.classifier import Classifier, first_layers
from scones_training.sources import EXTRA_VIEWS, FeatureSource, PixelSource
from tests.unit.training.small import LAYERS, SmallNetwork, images

TYPES = ["none", "crop", "crop_color", "crop_color_transform"]
FROZEN = LAYERS - 9


@pytest.fixture
def classifier() -> Classifier:
    mean, std = torch.full((3,), 0.4), torch.full((3,), 0.2)
    return Classifier(SmallNetwork(3), mean, std, average_flips=False).eval()


def features(classifier: Classifier, kind: str, seed: int | None = 0) -> FeatureSource:
    layers = first_layers(classifier.features, FROZEN)
    return FeatureSource.compute(images(10), classifier, layers, kind, seed)


def directly(classifier: Classifier, *, average_flips: bool) -> Tensor:
    pixels = torch.from_numpy(images(10).pixels)
    x = classifier.normalized(pixels.flip(2) if average_flips else pixels)
    with torch.no_grad():
        result: Tensor = first_layers(classifier.features, FROZEN)(x)
    return result


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(one: Tensor, other: Tensor) -> None:
    """Compare up to half precision."""
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("batch", [128, 4, 1])
@pytest.mark.parametrize("kind", TYPES)
def test_the_views_are_what_the_frozen_layers_compute(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, kind: str, batch: int
) -> None:
    monkeypatch.setattr(sources, "BATCH_SIZE", batch)

    views = list(features(classifier, kind).views())

    parts = [torch.cat(part) for part in zip(*views, strict=True)]
    assert len(parts) == (1 if kind == "none" else 2)
    same(parts[0], directly(classifier, average_flips=False))
    if kind != "none":
        same(parts[1], directly(classifier, average_flips=True))


@pytest.mark.parametrize(
    ("kind", "training", "evaluation"),
    [
        ("none", 1, 1),
        ("crop", 2, 2),
        ("crop_color", 2 + EXTRA_VIEWS, 2),
        ("crop_color_transform", 2 + EXTRA_VIEWS, 2),
    ],
)
def test_changed_views_are_computed_for_training_only(
    classifier: Classifier, kind: str, training: int, evaluation: int
) -> None:
    assert features(classifier, kind)._maps.shape[:2] == (10, training)
    assert features(classifier, kind, seed=None)._maps.shape[:2] == (10, evaluation)


def test_extra_views_differ_from_the_plain_ones_and_are_fixed_by_the_seed(
    classifier: Classifier,
) -> None:
    one, same_seed = features(classifier, "crop_color"), features(classifier, "crop_color")
    other = features(classifier, "crop_color", seed=1)

    np.testing.assert_array_equal(one._maps, same_seed._maps)
    assert not np.array_equal(one._maps[:, 2:], other._maps[:, 2:])
    for extra in (2, 3):
        for plain in (0, 1):
            assert not np.allclose(one._maps[:, extra], one._maps[:, plain], atol=1e-2)


def test_without_augmentation_a_batch_is_the_images_themselves(classifier: Classifier) -> None:
    indices = torch.tensor([7, 0, 7, 3])

    batches = [features(classifier, "none").batch(indices, seeded(seed)) for seed in range(3)]

    for batch in batches:
        same(batch, directly(classifier, average_flips=False)[indices])


def moved_views(classifier: Classifier, index: int) -> Tensor:
    """Return the maps of an image and its mirror image, moved by up to a cell: 18 choices."""
    choices = []
    for average_flips in (False, True):
        maps = directly(classifier, average_flips=average_flips)[[index]]
        padded = torch.nn.functional.pad(maps, (1, 1, 1, 1), mode="replicate")[0]
        height, width = maps.shape[2:]
        choices += [
            padded[:, down : down + height, across : across + width]
            for down in range(3)
            for across in range(3)
        ]
    return torch.stack(choices)


def test_a_batch_has_an_image_or_its_mirror_image_moved_by_a_cell(classifier: Classifier) -> None:
    choices = moved_views(classifier, 4)

    batch = features(classifier, "crop").batch(torch.tensor([4] * 200), seeded())

    distances = (batch[:, None] - choices).abs().amax((2, 3, 4))
    assert float(distances.amin(1).max()) < 0.01
    assert len(set(distances.argmin(1).tolist())) == len(choices)


def test_a_batch_has_the_images_in_the_order_of_the_indices(classifier: Classifier) -> None:
    indices = torch.tensor([3, 9, 0, 3])

    batch = features(classifier, "crop").batch(indices, seeded())

    for maps, index in zip(batch, indices.tolist(), strict=True):
        distances = (maps - moved_views(classifier, index)).abs().amax((1, 2, 3))
        assert float(distances.min()) < 0.01


def test_a_subset_has_the_views_of_its_images(classifier: Classifier) -> None:
    source = features(classifier, "crop").subset(np.array([8, 2]))

    (views,) = source.views()

    assert len(source) == 2
    same(views[0], directly(classifier, average_flips=False)[[8, 2]])
    same(views[1], directly(classifier, average_flips=True)[[8, 2]])
    assert not torch.equal(
        source.batch(torch.tensor([0] * 30), seeded())[0],
        source.batch(torch.tensor([0] * 30), seeded())[1],
    )


@pytest.mark.parametrize("batch", [128, 4])
@pytest.mark.parametrize("kind", TYPES)
def test_the_views_of_pixels_are_the_normalized_images(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, kind: str, batch: int
) -> None:
    monkeypatch.setattr(sources, "BATCH_SIZE", batch)
    expected = classifier.normalized(torch.from_numpy(images(10).pixels))

    views = list(PixelSource(images(10), classifier, kind, erases=True).views())

    parts = [torch.cat(part) for part in zip(*views, strict=True)]
    assert len(parts) == (1 if kind == "none" else 2)
    assert torch.equal(parts[0], expected)
    if kind != "none":
        assert torch.equal(parts[1], expected.flip(3))


@pytest.mark.parametrize(("kind", "erases"), [("none", False), ("none", True), ("crop", False)])
def test_a_batch_of_pixels_is_augmented_and_erased_as_asked(
    classifier: Classifier, kind: str, erases: bool
) -> None:
    source = PixelSource(images(10), classifier, kind, erases=erases)
    indices = torch.tensor([3, 9, 3])
    plain = classifier.normalized(torch.from_numpy(images(10).pixels))[indices]

    batch = source.batch(indices, seeded())

    erased = (batch == 0).all(1).float().mean((1, 2))
    assert torch.equal(erased > 0.04, torch.full((3,), erases))
    if kind == "none":
        assert torch.equal(batch[batch != 0], plain[batch != 0])
    else:
        assert not torch.equal(batch, plain)
    assert torch.equal(batch, source.batch(indices, seeded()))
