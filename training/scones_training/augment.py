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

MAX_SHIFT = 1 / 8
MAX_HUE_DEGREES = math.radians(36)
SATURATION = LIGHTNESS = 50 / 255
ROTATION = math.radians(10)
SHEAR = 0.1
ASPECT = 0.25
CUTOUT_SIZE = 1 / 2
"""Side of the square erased from each picture, relative to the picture's sides."""


def uses_flips(augmentation_type: str) -> bool:
    """Say whether pictures are mirrored, so that left and right must mean the same."""
    return augmentation_type != "none"


def augment(images: Tensor, augmentation_type: str, generator: torch.Generator) -> Tensor:
    """Change a batch of pictures at random.

    Parameters
    ----------
    images
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
        return images
    images = _shift_and_flip(images, generator)
    if augmentation_type == "crop":
        return images
    changed = _color_jitter(images.float() / 255, generator)
    if augmentation_type == "crop_color_transform":
        changed = _random_affine(changed, generator)
    return (changed * 255).round().clamp(0, 255).to(torch.uint8)


def cutout(images: Tensor, generator: torch.Generator) -> Tensor:
    """Set a square in each normalized picture to 0, their mean (DeVries and Taylor 2017).

    A regularization as dropout is, https://arxiv.org/abs/1708.04552, so it does not depend on
    the augmentation. The square's center is anywhere, so part of it may lie outside.

    Parameters
    ----------
    images
        float, (n, 3, height, width).
    generator
        Where the randomness comes from; on the pictures' device.
    """
    count, _, height, width = images.shape
    rows = _cutout_mask(count, height, generator)[:, None, :, None]
    columns = _cutout_mask(count, width, generator)[:, None, None, :]
    return images.masked_fill(rows & columns, 0.0)


def _cutout_mask(count: int, size: int, generator: torch.Generator) -> Tensor:
    device = generator.device
    center = torch.randint(size, (count, 1), generator=generator, device=device)
    distance = (torch.arange(size, device=device) - center).abs()
    return distance * 2 <= size * CUTOUT_SIZE


def _shift_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    count, height, width, _ = images.shape
    rows = _shifted_indices(count, height, generator)
    columns = _shifted_indices(count, width, generator)
    flipped = _uniform(count, 0, 1, generator) < 0.5
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    is_selected = torch.arange(count, device=generator.device)
    return images[is_selected[:, None, None], rows[:, :, None], columns[:, None, :]]


def _shifted_indices(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Return indices (count, side) along a side, moved; the outside is reflected back."""
    max_shift = int(size * MAX_SHIFT)
    device = generator.device
    shifts = torch.randint(
        -max_shift, max_shift + 1, (count, 1), generator=generator, device=device
    )
    indices = (torch.arange(size, device=device) + shifts).abs()
    return (size - 1) - ((size - 1) - indices).abs()


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    values = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * values


def _color_jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn the hue about the gray axis, then scale the colorfulness and add lightness.

    The published changes are of HSL values; turning about the gray axis is the same idea
    without the jumps of that space.
    """
    count = len(images)
    rotated = images @ _hue_rotations(_uniform(count, -MAX_HUE_DEGREES, MAX_HUE_DEGREES, generator))
    gray = rotated.mean(3, keepdim=True)
    saturation = 1 + _uniform(count, -SATURATION, SATURATION, generator)[:, None, None, None]
    lightness = _uniform(count, -LIGHTNESS, LIGHTNESS, generator)[:, None, None, None]
    return (gray + (rotated - gray) * saturation + lightness).clamp(0, 1)


def _hue_rotations(angles: Tensor) -> Tensor:
    """Matrices (n, 1, 3, 3) that turn RGB rows about the gray axis (Rodrigues' formula)."""
    cross = torch.tensor(
        [[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=angles.device
    ) / math.sqrt(3)
    identity = torch.eye(3, device=angles.device)
    sine, cosine = angles.sin()[:, None, None], angles.cos()[:, None, None]
    turns = identity + sine * cross + (1 - cosine) * (cross @ cross)
    return turns[:, None]


def _random_affine(images: Tensor, generator: torch.Generator) -> Tensor:
    count, height, width, _ = images.shape
    angle = _uniform(count, -ROTATION, ROTATION, generator)
    shear = _uniform(count, -SHEAR, SHEAR, generator)
    aspect = torch.exp(_uniform(count, -1, 1, generator) * math.log1p(ASPECT) / 2)
    sine, cosine, zero = angle.sin(), angle.cos(), torch.zeros_like(angle)
    # In the sampling grid both sides span -1 to 1, so turns need the sides' ratio.
    ratio = height / width
    across = torch.stack([cosine * aspect, (shear - sine) * ratio, zero], 1)
    down = torch.stack([sine / ratio, cosine / aspect, zero], 1)
    channels_first = images.permute(0, 3, 1, 2)
    grid = functional.affine_grid(
        torch.stack([across, down], 1), list(channels_first.shape), align_corners=False
    )
    sampled = functional.grid_sample(
        channels_first, grid, padding_mode="reflection", align_corners=False
    )
    return sampled.permute(0, 2, 3, 1)
