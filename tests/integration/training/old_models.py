"""Models as the trainer wrote them before there were pretrained weights and familiarity."""

import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from scones.photos import ImageShape
from scones_training.residual import ResidualNetwork


class OldClassifier(nn.Module):
    """The classifier of that time, which returned nothing but probabilities."""

    mean: Tensor
    std: Tensor
    temperature: Tensor

    def __init__(self, network: ResidualNetwork, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("temperature", torch.tensor(0.8))

    def forward(self, pictures: Tensor) -> Tensor:
        scaled = (pictures.to(torch.float32) / 255 - self.mean) / self.std
        x = scaled.permute(0, 3, 1, 2)
        scores = self.network(x).log_softmax(1)
        mirrored = self.network(x.flip(3)).log_softmax(1)
        probabilities: Tensor = ((scores + mirrored) / 2 / self.temperature).softmax(1)
        return probabilities


def write_old_model(folder: Path, shape: str, use_pretrained_model: str) -> OldClassifier:
    """Write a model of three classes with random weights.

    Parameters
    ----------
    folder
        Folder for the files; it is made.
    shape
        Image shape.
    use_pretrained_model
        Value in the facts; it had no effect at that time.
    """
    folder.mkdir(parents=True)
    torch.manual_seed(5)
    image_shape = ImageShape.parse(shape)
    network = ResidualNetwork(image_shape, 3, 8)
    classifier = OldClassifier(network, torch.full((3,), 0.4), torch.full((3,), 0.25)).eval()
    size = (2, image_shape.height, image_shape.width, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            classifier,
            (torch.zeros(size, dtype=torch.uint8),),
            folder / "model.onnx",
            input_names=["pictures"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("photos")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    torch.save(network.state_dict(), folder / "weights.pt")
    facts = {
        "image_shape": shape,
        "num_classes": 3,
        "training_photos": 36,
        "validation_photos": 12,
        "mean": classifier.mean.tolist(),
        "std": classifier.std.tolist(),
        "temperature": 0.8,
        "hyperparameters": {
            "num_classes": 3,
            "num_training_samples": 36,
            "image_shape": shape,
            "num_layers": 8,
            "augmentation_type": "crop",
            "use_pretrained_model": use_pretrained_model,
        },
    }
    (folder / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    return classifier
