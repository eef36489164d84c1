"""The residual network, and the classifier that is made of it for serving.

Residual blocks with shortcut downsampling by averaging, after He et al. 2016
(https://arxiv.org/abs/1512.03385) and He et al. 2019, "ResNet-D"
(https://arxiv.org/abs/1812.01187).
"""

import itertools
import math

import torch
from torch import Tensor, nn

from scones.photos import ImageShape

STAGE_WIDTHS = (64, 128, 256)
STEM_WIDTH = 32
PATCH = 2 ** len(STAGE_WIDTHS)
"""Side, in cells, of the squares of the first grid that end as one cell of the last."""
LARGEST_GRID = 48
"""Mean side, in cells, of the largest grid that reaches the first stage."""


class ResidualNetwork(nn.Module):
    """Logits of normalized pictures.

    The first convolutions halve large pictures until at most `LARGEST_GRID` squared cells are
    left, so that the work for a picture hardly depends on its size.

    Parameters
    ----------
    shape
        Of the pictures.
    num_classes
        Number of logits.
    num_layers
        Convolutions on the longest path but for the stem's extra ones, plus the classifier:
        ``2 * blocks + 2``, with the blocks spread evenly over the stages, the earlier first.
    """

    def __init__(self, shape: ImageShape, num_classes: int, num_layers: int) -> None:
        super().__init__()
        stem = _stem(shape)
        blocks: list[nn.Module] = []
        before = STEM_WIDTH
        for width, depth in zip(STAGE_WIDTHS, _depths(num_layers), strict=True):
            blocks.append(ResidualBlock(before, width, stride=2))
            blocks += [ResidualBlock(width, width, stride=1) for _ in range(depth - 1)]
            before = width
        self.features = nn.Sequential(*stem, *blocks)
        self.head = nn.Linear(before, num_classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map float pictures (n, 3, height, width) to logits (n, classes)."""
        logits: Tensor = self.head(self.features(pictures).mean((2, 3)))
        return logits


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(before, width, stride), nn.ReLU(), *_convolution(width, width, 1)
        )
        self.shortcut = _shortcut(before, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, before, h, w) to (n, width, ceil(h / stride), ceil(w / stride))."""
        return torch.relu(self.residual(x) + self.shortcut(x))


def _depths(num_layers: int) -> tuple[int, ...]:
    blocks = (num_layers - 2) // 2
    stages = len(STAGE_WIDTHS)
    return tuple(blocks // stages + (stage < blocks % stages) for stage in range(stages))


def _stem(shape: ImageShape) -> list[nn.Module]:
    side = math.sqrt(shape.height * shape.width)
    halvings = max(0, math.ceil(math.log2(side / LARGEST_GRID)))
    if halvings == 0:
        return [*_convolution(3, STEM_WIDTH, 1), nn.ReLU()]
    widths = [3, *[STEM_WIDTH // 2] * (halvings - 1), STEM_WIDTH]
    return [
        layer
        for before, width in itertools.pairwise(widths)
        for layer in (*_convolution(before, width, 2), nn.ReLU())
    ]


def _convolution(before: int, width: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
    ]


def _shortcut(before: int, width: int, stride: int) -> nn.Module:
    if before == width and stride == 1:
        return nn.Identity()
    return nn.Sequential(
        nn.AvgPool2d(stride, ceil_mode=True),
        nn.Conv2d(before, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )


class Classifier(nn.Module):
    """Calibrated probabilities of pictures as they come from `scones.photos.prepare`.

    Parameters
    ----------
    network
        Gives the logits.
    mean, std
        float, (3,): of the training pictures' channels, on the scale from 0 to 1.
    mirrored
        Whether to average the log-probabilities of each picture and its mirror image: only
        where training mirrors too, so that left and right mean the same.
    """

    mean: Tensor
    std: Tensor
    temperature: Tensor

    def __init__(
        self, network: ResidualNetwork, mean: Tensor, std: Tensor, *, mirrored: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.mirrored = mirrored
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("temperature", torch.ones(()))

    def normalized(self, pictures: Tensor) -> Tensor:
        """Map uint8 (n, height, width, 3) to float (n, 3, height, width) of mean 0, spread 1."""
        scaled = (pictures.to(torch.float32) / 255 - self.mean) / self.std
        return scaled.permute(0, 3, 1, 2)

    def logits(self, pictures: Tensor) -> Tensor:
        """Map uint8 (n, height, width, 3) to log-probabilities (n, classes), not calibrated."""
        x = self.normalized(pictures)
        scores: Tensor = self.network(x).log_softmax(1)
        if self.mirrored:
            scores = (scores + self.network(x.flip(3)).log_softmax(1)) / 2
        return scores

    def forward(self, pictures: Tensor) -> Tensor:
        """Map uint8 (n, height, width, 3) to calibrated probabilities (n, classes)."""
        return (self.logits(pictures) / self.temperature).softmax(1)
