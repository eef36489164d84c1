"""A small stand-in for the pretrained network, and drawn images to train it with."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scones.photos import ImageShape
from scones_training import efficientnet, hyperparameters, recipe
from scones_training.dataset import ImageSet, Splits
from scones_training.hyperparameters import Hyperparameters

LAYERS = 12
WIDTH = 6
SHAPE = ImageShape.parse("3,16,24")


class SmallNetwork(nn.Module):
    """As many layers as a CPU trains and three more, without normalization as the real one."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        torch.manual_seed(7)
        stem = nn.Sequential(nn.Conv2d(3, WIDTH, 3, 2, 1), nn.ReLU6())
        blocks = [Block(stride=2 if number == 4 else 1) for number in range(LAYERS - 1)]
        self.features = nn.Sequential(stem, *blocks)
        self.head = nn.Linear(WIDTH, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits


class Block(nn.Module):
    """A convolution, added to its input unless it halves the sides."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(WIDTH, WIDTH, 3, stride, 1)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        result = torch.relu(self.convolution(x))
        return x + result if self.stride == 1 else result


def use_small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start training from the small network, of which `recipe` trains the last layers."""
    monkeypatch.setattr(recipe, "MAX_FEW_PHOTOS", 0)
    monkeypatch.setattr(
        efficientnet, "pretrained", lambda _shape, num_classes: SmallNetwork(num_classes)
    )


def options(**changes: str) -> Hyperparameters:
    given = {
        "num_classes": "3",
        "num_training_samples": "24",
        "image_shape": str(SHAPE),
        "mini_batch_size": "8",
        "epochs": "2",
    }
    return hyperparameters.parse_hyperparameters(given | changes)


def images(count: int, seed: int = 0, label: int | None = None) -> ImageSet:
    """Draw noise whose brightest third is the class's; all of one label if one is given."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 100, (count, SHAPE.height, SHAPE.width, 3), np.uint8)
    labels = np.arange(count) % 3
    for index, image in enumerate(pixels):
        image[:, :, labels[index]] += 120
    return ImageSet(pixels, labels if label is None else np.full(count, label))


def splits(negatives: int = 0) -> Splits:
    """Return 24 training and 9 validation images of three classes."""
    others = images(negatives, 2, label=3) if negatives else None
    return Splits(images(24, 0), images(9, 1), others)
