"""The classifier that a network is wrapped in: calibrated probabilities, and what explains them."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Network(Protocol):
    """A convolutional network that ends with global average pooling and a linear layer."""

    features: nn.Sequential
    head: nn.Linear


class Output(NamedTuple):
    """What the classifier returns for images.

    Attributes
    ----------
    probabilities
        float, (n, classes): calibrated.
    embedding
        float, (n, width): mean of the last feature map; the head's logits are linear in it.
    class_map
        float, (n, h, w): class activation map (Zhou et al. 2016,
        https://arxiv.org/abs/1512.04150) of the most likely class. Its mean is the logit.
    reference
        float, (n, width): the embedding before training, by ImageNet's weights; equal to
        ``embedding`` if the network has no reference layers.
    """

    probabilities: Tensor
    embedding: Tensor
    class_map: Tensor
    reference: Tensor


class Classifier(nn.Module):
    """Calibrated probabilities of images as they come from `scones.photos.prepare`.

    Parameters
    ----------
    network
        Computes the logits.
    mean, std
        float, (3,): normalization of the channels, on the scale from 0 to 1.
    average_flips
        Whether to average each image's embedding and that of its mirror image: only if
        training mirrors too, so that left and right mean the same.
    reference
        Copy of the network's last layers as they were before training, which `Output.reference`
        comes from; None if the network was trained from random weights.
    """

    mean: Tensor
    std: Tensor
    temperature: Tensor

    def __init__(
        self,
        network: Network,
        mean: Tensor,
        std: Tensor,
        *,
        average_flips: bool,
        reference: nn.Sequential | None = None,
    ) -> None:
        super().__init__()
        self.features = network.features
        self.head = network.head
        self.reference = reference
        self.average_flips = average_flips
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("temperature", torch.ones(()))

    def normalized(self, images: Tensor) -> Tensor:
        """Map uint8 (n, height, width, 3) to float (n, 3, height, width) of mean 0, spread 1."""
        scaled = (images.to(torch.float32) / 255 - self.mean) / self.std
        return scaled.permute(0, 3, 1, 2)

    def forward(self, images: Tensor) -> Output:
        """Map uint8 (n, height, width, 3) to the output."""
        x = self.normalized(images)
        maps, reference = self._maps(x)
        if self.average_flips:
            other_maps, other_reference = self._maps(x.flip(3))
            maps = (maps + other_maps.flip(3)) / 2
            reference = (reference + other_reference) / 2
        embedding = maps.mean((2, 3))
        logits = self.head(embedding)
        weights = self.head.weight[logits.argmax(1)]
        bias = self.head.bias[logits.argmax(1)]
        class_map = torch.einsum("nchw,nc->nhw", maps, weights) + bias[:, None, None]
        probabilities = (logits / self.temperature).softmax(1)
        return Output(probabilities, embedding, class_map, reference)

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last feature map, and the reference embedding."""
        if self.reference is None:
            maps = self.features(x)
            return maps, maps.mean((2, 3))
        split = len(self.features) - len(self.reference)
        shared = first_layers(self.features, split)(x)
        maps = last_layers(self.features, split)(shared)
        return maps, self.reference(shared).mean((2, 3))


def first_layers(layers: nn.Sequential, count: int) -> nn.Sequential:
    """Return the first layers, which share their weights with the given ones."""
    return nn.Sequential(*list(layers)[:count])


def last_layers(layers: nn.Sequential, skipped: int) -> nn.Sequential:
    """Return the layers after the first ones, which share their weights with the given ones."""
    return nn.Sequential(*list(layers)[skipped:])
