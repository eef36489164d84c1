"""The residual network that is trained from random weights.

Residual blocks with shortcut downsampling by averaging, after He et al. 2016
(https://arxiv.org/abs/1512.03385) and He et al. 2019, "ResNet-D"
(https://arxiv.org/abs/1812.01187).
"""

import itertools
import math

import torch
from torch import Tensor, nn

from scones.photos import ImageShape
from scones_training.hyperparameters import STAGE_WIDTHS

STEM_WIDTH = 32
MAX_GRID = 48
"""Mean side, in cells, of the largest grid that reaches the first stage."""


class ResidualNetwork(nn.Module):
    """Logits of normalized pictures.

    The first convolutions halve large pictures until at most `MAX_GRID` squared cells are
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
        in_channels = STEM_WIDTH
        for width, depth in zip(STAGE_WIDTHS, _depths(num_layers), strict=True):
            blocks.append(ResidualBlock(in_channels, width, stride=2))
            blocks += [ResidualBlock(width, width, stride=1) for _ in range(depth - 1)]
            in_channels = width
        self.features = nn.Sequential(*stem, *blocks)
        self.head = nn.Linear(in_channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map float pictures (n, 3, height, width) to logits (n, classes)."""
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(in_channels, out_channels, stride),
            nn.ReLU(),
            *_convolution(out_channels, out_channels, 1),
        )
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, before, h, w) to (n, width, ceil(h / stride), ceil(w / stride))."""
        return torch.relu(self.residual(x) + self.shortcut(x))


def _depths(num_layers: int) -> tuple[int, ...]:
    blocks = (num_layers - 2) // 2
    stages = len(STAGE_WIDTHS)
    return tuple(blocks // stages + (stage < blocks % stages) for stage in range(stages))


def _stem(shape: ImageShape) -> list[nn.Module]:
    side = math.sqrt(shape.height * shape.width)
    halvings = max(0, math.ceil(math.log2(side / MAX_GRID)))
    if halvings == 0:
        return [*_convolution(3, STEM_WIDTH, 1), nn.ReLU()]
    widths = [3, *[STEM_WIDTH // 2] * (halvings - 1), STEM_WIDTH]
    return [
        layer
        for in_channels, width in itertools.pairwise(widths)
        for layer in (*_convolution(in_channels, width, 2), nn.ReLU())
    ]


def _convolution(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
    ]


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(
        nn.AvgPool2d(stride, ceil_mode=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )
