"""Random changes of the training pictures, by the algorithm's ``augmentation_type``.

``crop`` mirrors half of the pictures and moves each by up to an eighth of its sides,
``crop_color`` shifts hue, saturation and lightness too, and ``crop_color_transform`` rotates by
up to 10 degrees, shears by up to 0.1 and changes the aspect ratio by up to 0.25: the published
ranges of https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html. ``none``
leaves the pictures as they are: left stays left.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Change = Callable[[Tensor], Tensor]
"""A change of uint8 images (n, height, width, 3)."""

SHIFT = 1 / 8
HUE = math.radians(36)
SATURATION = LIGHTNESS = 50 / 255
ROTATION = math.radians(10)
SHEAR = 0.1
ASPECT = 0.25
ERASED = 1 / 2
"""Side of the square erased from each picture, relative to the picture's sides."""


def mirrors(augmentation_type: str) -> bool:
    """Say whether pictures are mirrored, so that left and right must mean the same."""
    return augmentation_type != "none"


def augment(pictures: Tensor, augmentation_type: str, generator: torch.Generator) -> Tensor:
    """Change a batch of pictures at random.

    Parameters
    ----------
    pictures
        uint8, (n, height, width, 3).
    augmentation_type
        ``none``, ``crop``, ``crop_color`` or ``crop_color_transform``.
    generator
        Where the randomness comes from; on the pictures' device.

    Returns
    -------
    Tensor
        uint8, (n, height, width, 3).
    """
    if augmentation_type == "none":
        return pictures
    pictures = _moved_and_mirrored(pictures, generator)
    if augmentation_type == "crop":
        return pictures
    changed = _recoloured(pictures.float() / 255, generator)
    if augmentation_type == "crop_color_transform":
        changed = _transformed(changed, generator)
    return (changed * 255).round().clamp(0, 255).to(torch.uint8)


def erase(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Set a square in each normalized picture to 0, their mean (DeVries and Taylor 2017).

    A regularization as dropout is, https://arxiv.org/abs/1708.04552, so it does not depend on
    the augmentation. The square's centre is anywhere, so part of it may lie outside.

    Parameters
    ----------
    pictures
        float, (n, 3, height, width).
    generator
        Where the randomness comes from; on the pictures' device.
    """
    count, _, height, width = pictures.shape
    rows = _erased(count, height, generator)[:, None, :, None]
    columns = _erased(count, width, generator)[:, None, None, :]
    return pictures.masked_fill(rows & columns, 0.0)


def _erased(count: int, side: int, generator: torch.Generator) -> Tensor:
    device = generator.device
    centre = torch.randint(side, (count, 1), generator=generator, device=device)
    distance = (torch.arange(side, device=device) - centre).abs()
    return distance * 2 <= side * ERASED


def _moved_and_mirrored(pictures: Tensor, generator: torch.Generator) -> Tensor:
    count, height, width, _ = pictures.shape
    rows = _moved(count, height, generator)
    columns = _moved(count, width, generator)
    mirrored = _uniform(count, 0, 1, generator) < 0.5
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    which = torch.arange(count, device=generator.device)
    return pictures[which[:, None, None], rows[:, :, None], columns[:, None, :]]


def _moved(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return indices (count, side) along a side, moved; the outside is reflected back."""
    most = int(side * SHIFT)
    device = generator.device
    moves = torch.randint(-most, most + 1, (count, 1), generator=generator, device=device)
    indices = (torch.arange(side, device=device) + moves).abs()
    return (side - 1) - ((side - 1) - indices).abs()


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    values = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * values


def _recoloured(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Turn the hue about the grey axis, then scale the colourfulness and add lightness.

    The published changes are of HSL values; turning about the grey axis is the same idea
    without the jumps of that space.
    """
    count = len(pictures)
    turned = pictures @ _hue_turns(_uniform(count, -HUE, HUE, generator))
    grey = turned.mean(3, keepdim=True)
    colourfulness = 1 + _uniform(count, -SATURATION, SATURATION, generator)[:, None, None, None]
    lightness = _uniform(count, -LIGHTNESS, LIGHTNESS, generator)[:, None, None, None]
    return (grey + (turned - grey) * colourfulness + lightness).clamp(0, 1)


def _hue_turns(angles: Tensor) -> Tensor:
    """Matrices (n, 1, 3, 3) that turn RGB rows about the grey axis (Rodrigues' formula)."""
    cross = torch.tensor(
        [[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=angles.device
    ) / math.sqrt(3)
    identity = torch.eye(3, device=angles.device)
    sine, cosine = angles.sin()[:, None, None], angles.cos()[:, None, None]
    turns = identity + sine * cross + (1 - cosine) * (cross @ cross)
    return turns[:, None]


def _transformed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    count, height, width, _ = pictures.shape
    angle = _uniform(count, -ROTATION, ROTATION, generator)
    shear = _uniform(count, -SHEAR, SHEAR, generator)
    aspect = torch.exp(_uniform(count, -1, 1, generator) * math.log1p(ASPECT) / 2)
    sine, cosine, zero = angle.sin(), angle.cos(), torch.zeros_like(angle)
    # In the sampling grid both sides span -1 to 1, so turns need the sides' ratio.
    ratio = height / width
    across = torch.stack([cosine * aspect, (shear - sine) * ratio, zero], 1)
    down = torch.stack([sine / ratio, cosine / aspect, zero], 1)
    channels_first = pictures.permute(0, 3, 1, 2)
    grid = functional.affine_grid(
        torch.stack([across, down], 1), list(channels_first.shape), align_corners=False
    )
    sampled = functional.grid_sample(
        channels_first, grid, padding_mode="reflection", align_corners=False
    )
    return sampled.permute(0, 2, 3, 1)
