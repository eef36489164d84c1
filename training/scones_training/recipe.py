"""How each kind of network is trained, and what a training starts from."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from scones_training import efficientnet
from scones_training.augment import uses_flips
from scones_training.classifier import Classifier, first_layers, last_layers
from scones_training.dataset import ImageSet, Splits
from scones_training.hyperparameters import Hyperparameters
from scones_training.residual import ResidualNetwork
from scones_training.sources import FeatureSource, PixelSource, Source

CPU_EPOCHS = torch.device("cpu")

TRAINED_LAYERS = 9
"""Layers of the pretrained network that a CPU trains: the last 8 of 16 blocks, and the last
convolution. What is before them is three quarters of the work for an image."""

MAX_FEW_PHOTOS = 150
"""Training photos up to which only the head of the pretrained network is trained."""


@dataclass(frozen=True)
class Recipe:
    """What differs between training from random and from pretrained weights.

    Attributes
    ----------
    label_smoothing
        Share of each label that is spread over all classes, 0 to 1.
    erases
        Whether a square of each image is erased.
    head_rate
        Learning rate of the head relative to that of the other layers.
    """

    label_smoothing: float
    erases: bool
    head_rate: float


FROM_RANDOM = Recipe(label_smoothing=0.1, erases=True, head_rate=1.0)
FROM_PRETRAINED = Recipe(label_smoothing=0.0, erases=False, head_rate=10.0)


def choose_recipe(hyperparameters: Hyperparameters) -> Recipe:
    """Return the recipe for a job."""
    return FROM_PRETRAINED if hyperparameters.pretrained else FROM_RANDOM


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes
    ----------
    classifier
        On the device to train on, in evaluation mode.
    frozen
        Number of its first feature layers that are not trained.
    train, validation, negatives
        Inputs of its trained layers; None if there are no negatives.
    splits
        The images.
    """

    classifier: Classifier
    frozen: int
    train: Source
    validation: Source
    negatives: Source | None
    splits: Splits


def prepare_start(
    splits: Splits,
    hyperparameters: Hyperparameters,
    *,
    model: Classifier | None = None,
    device: torch.device = CPU_EPOCHS,
    seed: int = 0,
) -> Start:
    """Prepare a training: its classifier, and the inputs of the layers that are trained.

    A GPU trains all layers. A CPU trains the last of a pretrained network, or only its head if
    there are too few photos to gain by more; what the others compute is computed here, once.
    Layers that an earlier training changed are trained again.

    Parameters
    ----------
    splits
        The images to train with.
    hyperparameters
        How to train.
    model
        The model to start from; by default pretrained or random weights. Its normalization is
        kept, as its weights are made for that: images darker than before stay darker.
    device
        Device to train on.
    seed
        Fixes random weights and augmentation.
    """
    torch.manual_seed(seed)
    classifier = copy.deepcopy(model) if model else _initial(splits.train, hyperparameters)
    classifier.average_flips = uses_flips(hyperparameters.augmentation_type)
    classifier.temperature.fill_(1.0)
    classifier.to(device).eval()
    # The layout in which convolutions are fastest.
    classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = _frozen_layers(classifier, hyperparameters, device)
    if hyperparameters.pretrained:
        classifier.reference = _reference(classifier, frozen)

    def source(images: ImageSet, seed: int | None) -> Source:
        kind = hyperparameters.augmentation_type
        if frozen:
            layers = first_layers(classifier.features, frozen)
            return FeatureSource.compute(images, classifier, layers, kind, seed)
        return PixelSource(images, classifier, kind, erases=choose_recipe(hyperparameters).erases)

    return Start(
        classifier,
        frozen,
        source(splits.train, seed),
        source(splits.validation, None),
        source(splits.negatives, seed + 1) if splits.negatives else None,
        splits,
    )


def _initial(train: ImageSet, hyperparameters: Hyperparameters) -> Classifier:
    shape, classes = hyperparameters.image_shape, hyperparameters.num_classes
    average_flips = uses_flips(hyperparameters.augmentation_type)
    if not hyperparameters.pretrained:
        network = ResidualNetwork(shape, classes, hyperparameters.num_layers)
        return Classifier(network, *_channel_statistics(train), average_flips=average_flips)
    pretrained = efficientnet.pretrained(shape, classes)
    mean, std = torch.full((3,), efficientnet.MEAN), torch.full((3,), efficientnet.STD)
    return Classifier(pretrained, mean, std, average_flips=average_flips)


def _frozen_layers(
    classifier: Classifier, hyperparameters: Hyperparameters, device: torch.device
) -> int:
    if not hyperparameters.pretrained or device.type != "cpu":
        return 0
    layers = len(classifier.features)
    few = hyperparameters.num_training_samples <= MAX_FEW_PHOTOS
    # The reference embedding needs the output of layers that no training has changed.
    return min(layers if few else layers - TRAINED_LAYERS, _unchanged_layers(classifier))


def _unchanged_layers(classifier: Classifier) -> int:
    """Return the number of first feature layers that have the weights of ImageNet."""
    changed = 0 if classifier.reference is None else len(classifier.reference)
    return len(classifier.features) - changed


def _reference(classifier: Classifier, frozen: int) -> nn.Sequential:
    """Return the layers after the frozen ones with the weights of ImageNet."""
    unchanged = first_layers(classifier.features, _unchanged_layers(classifier))
    earlier = classifier.reference or nn.Sequential()
    return nn.Sequential(*copy.deepcopy(last_layers(unchanged, frozen)), *earlier)


def photo_weights(splits: Splits, hyperparameters: Hyperparameters) -> Tensor:
    """Return the weight of each photo, negatives last, in the loss: 1 on average.

    With ``use_weighted_loss`` that of a photo of a class is photos / (classes * photos of the
    class), as scikit-learn's ``balanced``. That of a negative is 1.
    """
    labels = splits.train.labels
    weights = np.ones(len(labels) + (len(splits.negatives) if splits.negatives else 0))
    if hyperparameters.weighted_loss:
        counts = np.bincount(labels, minlength=hyperparameters.num_classes)
        weights[: len(labels)] = len(labels) / (hyperparameters.num_classes * counts[labels])
    return torch.tensor(weights, dtype=torch.float32)


def _channel_statistics(train: ImageSet) -> tuple[Tensor, Tensor]:
    sums = np.zeros((2, 3))
    for image in train.pixels:
        scaled = image.reshape(-1, 3) / 255
        sums += [scaled.mean(0), (scaled**2).mean(0)]
    mean, square = sums / len(train)
    # A spread of 0, of images all of one color, would divide by 0.
    std = np.sqrt(np.maximum(square - mean**2, 1e-4))
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)
