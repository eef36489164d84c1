"""What the trained layers of a network are fed: augmented images, or cached features of them.

Layers that are not trained compute the same again in every epoch. On a CPU they are most of the
work, so their output is computed once for some views of each image and kept in a file. Mirroring
is a choice between two views; moving an image is moving its feature map by a cell, if that is an
eighth of its side or less.
"""

import functools
from collections.abc import Iterator
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scones_training import augment
from scones_training.classifier import Classifier
from scones_training.dataset import ImageSet, temporary_array

BATCH_SIZE = 128
"""Images per batch where nothing is trained."""

EXTRA_VIEWS = 2
"""Views of each image with changed colors or shape, if the augmentation has them."""

MAX_MEMORY_SHARE = 0.5
"""Share of the free GPU memory that images may take; else each batch is copied there."""


class Source(Protocol):
    """Inputs of the trained layers for a set of images."""

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return augmented inputs for training, float (n, channels, h, w).

        Parameters
        ----------
        indices
            Which images, on the CPU.
        generator
            Random number generator, on the device to train on.
        """
        ...

    def views(self) -> Iterator[list[Tensor]]:
        """Yield batches of inputs in order: the images', and their mirror images' if mirrored."""
        ...


class PixelSource:
    """Images that are augmented as they are used, for networks that are trained as a whole.

    Parameters
    ----------
    images
        The images.
    classifier
        Normalizes them, on the device to train on.
    augmentation_type
        As for `scones_training.augment.augment`.
    erases
        Whether a square of each image is erased.
    """

    def __init__(
        self, images: ImageSet, classifier: Classifier, augmentation_type: str, *, erases: bool
    ) -> None:
        self._classifier = classifier
        self._augmentation_type = augmentation_type
        self._erases = erases
        self._device = classifier.mean.device
        self._count = len(images)
        self._pixels: Tensor | npt.NDArray[np.uint8] = images.pixels
        if self._device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self._device)
            if images.pixels.nbytes <= free * MAX_MEMORY_SHARE:
                self._pixels = torch.from_numpy(np.asarray(images.pixels)).to(self._device)

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return augmented images, float (n, 3, height, width)."""
        images = augment.augment(self._read(indices), self._augmentation_type, generator)
        x = self._classifier.normalized(images)
        if self._erases:
            x = augment.cutout(x, generator)
        return x.contiguous(memory_format=torch.channels_last)

    def views(self) -> Iterator[list[Tensor]]:
        """Yield the images and, if training mirrors, their mirror images."""
        for start in range(0, len(self), BATCH_SIZE):
            indices = torch.arange(start, min(start + BATCH_SIZE, len(self)))
            x = self._classifier.normalized(self._read(indices))
            views = [x, x.flip(3)] if augment.uses_flips(self._augmentation_type) else [x]
            yield [view.contiguous(memory_format=torch.channels_last) for view in views]

    def _read(self, indices: Tensor) -> Tensor:
        if isinstance(self._pixels, Tensor):
            return self._pixels[indices.to(self._device)]
        return torch.from_numpy(self._pixels[indices.numpy()]).to(self._device)


class FeatureSource:
    """Feature maps of some views of each image, computed once by layers that are not trained.

    Parameters
    ----------
    maps
        float16, (images, views, channels, h, w). The first views are the image itself and, if
        training mirrors, its mirror image.
    plain
        Number of these first views.
    shifts
        Whether training moves the maps.
    """

    def __init__(self, maps: npt.NDArray[np.float16], plain: int, *, shifts: bool) -> None:
        self._maps, self._plain, self._moves = maps, plain, shifts

    @classmethod
    def compute(
        cls,
        images: ImageSet,
        classifier: Classifier,
        layers: nn.Sequential,
        augmentation_type: str,
        seed: int | None,
    ) -> Self:
        """Compute the maps.

        Parameters
        ----------
        images
            The images.
        classifier
            Normalizes them; on the CPU.
        layers
            Layers that are not trained.
        augmentation_type
            As for `scones_training.augment.augment`.
        seed
            Fixes the extra views; None for images that are only evaluated, which need none.
        """
        changes: list[augment.Change] = [_unchanged]
        if augment.uses_flips(augmentation_type):
            changes.append(_flip)
        plain = len(changes)
        if seed is not None and augmentation_type not in ("none", "crop"):
            generator = torch.Generator().manual_seed(seed)
            change = functools.partial(
                augment.augment, augmentation_type=augmentation_type, generator=generator
            )
            changes += [change] * EXTRA_VIEWS
        maps = _compute_maps(images, classifier, layers, changes)
        return cls(maps, plain, shifts=augmentation_type != "none")

    def subset(self, indices: npt.NDArray[np.int64]) -> Self:
        """Return a source of some of the images."""
        return type(self)(self._maps[indices], self._plain, shifts=self._moves)

    def __len__(self) -> int:
        return len(self._maps)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return the maps of one view of each image, moved by up to a cell."""
        view = torch.randint(self._maps.shape[1], (len(indices),), generator=generator)
        maps = _tensor(self._maps[indices.numpy(), view.numpy()])
        return _shift(maps, generator) if self._moves else maps

    def views(self) -> Iterator[list[Tensor]]:
        """Yield the maps of the images and, if training mirrors, of their mirror images."""
        for start in range(0, len(self), BATCH_SIZE):
            part = self._maps[start : start + BATCH_SIZE]
            yield [_tensor(part[:, view]) for view in range(self._plain)]


@torch.inference_mode()
def _compute_maps(
    images: ImageSet, classifier: Classifier, layers: nn.Sequential, changes: list[augment.Change]
) -> npt.NDArray[np.float16]:
    maps: npt.NDArray[np.float16] | None = None
    for start in range(0, len(images), BATCH_SIZE):
        part = torch.from_numpy(images.pixels[start : start + BATCH_SIZE])
        for view, change in enumerate(changes):
            x = classifier.normalized(change(part))
            result = layers(x.contiguous(memory_format=torch.channels_last)).half().numpy()
            if maps is None:
                shape = (len(images), len(changes), *result.shape[1:])
                maps = temporary_array(shape, np.float16, "features of the photos")
            maps[start : start + len(part), view] = result
    assert maps is not None  # noqa: S101  there is always an image
    return maps


def _unchanged(images: Tensor) -> Tensor:
    return images


def _flip(images: Tensor) -> Tensor:
    return images.flip(2)


def _tensor(maps: npt.NDArray[np.float16]) -> Tensor:
    return torch.from_numpy(maps).float().contiguous(memory_format=torch.channels_last)


def _shift(maps: Tensor, generator: torch.Generator) -> Tensor:
    """Move each map by up to a cell in both directions; the edge is repeated."""
    count, _, height, width = maps.shape
    rows = _shifted_indices(count, height, generator)
    columns = _shifted_indices(count, width, generator)
    is_flipped = torch.arange(count)
    shifted = maps.permute(0, 2, 3, 1)[
        is_flipped[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return shifted.permute(0, 3, 1, 2)


def _shifted_indices(count: int, size: int, generator: torch.Generator) -> Tensor:
    max_shift = int(size * augment.MAX_SHIFT >= 1)
    shifts = torch.randint(-max_shift, max_shift + 1, (count, 1), generator=generator)
    return (torch.arange(size) + shifts).clamp(0, size - 1)
