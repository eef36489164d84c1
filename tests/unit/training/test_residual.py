import pytest
import torch
from torch import nn

from scones.photos import ImageShape
from scones_training.hyperparameters import LAYERS
from scones_training.residual import MAX_GRID, ResidualBlock, ResidualNetwork


def shape(text: str) -> ImageShape:
    return ImageShape.parse(text)


@pytest.mark.parametrize("text", ["3,1,1", "3,5,9", "3,32,32", "3,49,49", "3,300,200", "3,33,500"])
def test_any_shape_gives_a_logit_a_class(text: str) -> None:
    wanted = shape(text)
    network = ResidualNetwork(wanted, num_classes=5, num_layers=8).eval()

    logits = network(torch.zeros(2, 3, wanted.height, wanted.width))

    assert logits.shape == (2, 5)


@pytest.mark.parametrize("text", ["3,32,32", "3,224,224", "3,300,200", "3,1024,768"])
def test_the_work_for_a_picture_is_bounded(text: str) -> None:
    wanted = shape(text)
    network = ResidualNetwork(wanted, num_classes=2, num_layers=8).eval()
    cells: list[int] = []
    first = next(block for block in network.features if isinstance(block, ResidualBlock))
    first.register_forward_hook(lambda _, given, __: cells.append(given[0][0, 0].numel()))

    network(torch.zeros(1, 3, wanted.height, wanted.width))

    assert (MAX_GRID / 2) ** 2 * 0.9 < cells[0] <= (MAX_GRID + 1) ** 2


@pytest.mark.parametrize("layers", LAYERS)
def test_layers_are_counted_as_published(layers: int) -> None:
    network = ResidualNetwork(shape("3,32,32"), num_classes=2, num_layers=layers)

    kernels = [m.kernel_size for m in network.modules() if isinstance(m, nn.Conv2d)]

    assert kernels.count((3, 3)) + 1 == layers - layers % 2
