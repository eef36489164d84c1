"""The files of a trained model: ONNX to serve, PyTorch weights to train on from, and facts."""

import copy
import gzip
import io
import json
import logging
import tarfile
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from scones.photos import ImageShape
from scones_training import efficientnet
from scones_training.augment import uses_flips
from scones_training.classifier import Classifier, Output, last_layers
from scones_training.errors import InputError, OtherNetworkError
from scones_training.hyperparameters import Hyperparameters
from scones_training.residual import ResidualNetwork

ONNX, WEIGHTS, FACTS = "model.onnx", "weights.pt", "model.json"

ARCHITECTURE_KEYS = ("use_pretrained_model", "image_shape", "num_classes", "num_layers")
"""The hyperparameters that give the weights their number and place."""

MAX_MODEL_BYTES = 1 << 30
"""Bytes of an earlier job's files together; those of our largest network have half as many."""

BLOCK_BYTES = 1 << 20

MAX_DIFFERENCE = 1e-4
"""The most by which a probability of the ONNX model may differ from PyTorch's."""

MAX_RELATIVE_DIFFERENCE = 1e-3
"""The same for its other outputs, relative to their largest value."""


def save_model(
    folder: Path, classifier: Classifier, metadata: dict[str, Any], shape: ImageShape
) -> None:
    """Write a model's files.

    Parameters
    ----------
    folder
        Where to; it exists.
    classifier
        On the CPU, in evaluation mode.
    metadata
        What ``model.json`` holds, as JSON values.
    shape
        Of the pictures.

    Raises
    ------
    RuntimeError
        If the ONNX model does not return what PyTorch does.
    """
    _export(folder / ONNX, classifier, shape)
    _check_export(folder / ONNX, classifier, shape)
    torch.save(_changed_weights(classifier), folder / WEIGHTS)
    (folder / FACTS).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def _export(path: Path, classifier: Classifier, shape: ImageShape) -> None:
    # The exporter tells its own steps and its plans for later versions: no news of this job.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            classifier,
            (_random_images(2, shape),),
            path,
            input_names=["pictures"],
            output_names=list(Output._fields),
            dynamic_shapes=({0: torch.export.Dim("photos")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _check_export(path: Path, classifier: Classifier, shape: ImageShape) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = _random_images(count, shape)
        with torch.no_grad():
            expected = classifier(images)
        actual = session.run(list(Output._fields), {"pictures": images.numpy()})
        for name, right, actual_values in zip(Output._fields, expected, actual, strict=True):
            scale = max(1.0, float(right.abs().max()) * MAX_RELATIVE_DIFFERENCE / MAX_DIFFERENCE)
            difference = float(np.abs(actual_values - right.numpy()).max())
            if not difference <= MAX_DIFFERENCE * scale:
                raise RuntimeError(f"the ONNX model's {name} differ by {difference:.2g}")


def _random_images(count: int, shape: ImageShape) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    size = (count, shape.height, shape.width, 3)
    return torch.randint(256, size, generator=generator, dtype=torch.uint8)


def load_model(channel: Path, hyperparameters: Hyperparameters) -> Classifier:
    """Read the model that an incremental training starts from.

    Parameters
    ----------
    channel
        The folder of the ``model`` channel: ``model.tar.gz`` of an earlier job, or its files.
    hyperparameters
        Of this job; shape, classes and layers must be the earlier job's.

    Returns
    -------
    Classifier
        On the CPU, in evaluation mode.

    Raises
    ------
    InputError
        If there is no model of ours, a broken one, or one of another form.
    OtherNetworkError
        If only one of the model and this job has a pretrained network.
    """
    files = _model_files(channel)
    if WEIGHTS not in files or FACTS not in files:
        raise InputError(
            f"The channel model must hold the model.tar.gz of an earlier job of this trainer, "
            f"with {WEIGHTS} and {FACTS}; it holds no such model."
        )
    try:
        metadata = json.loads(files[FACTS])
        if "reference_layers" not in metadata:
            # Made before there were pretrained weights, when the hyperparameter had no effect.
            metadata["hyperparameters"]["use_pretrained_model"] = "0"
        stored_values = {name: metadata["hyperparameters"][name] for name in ARCHITECTURE_KEYS}
    except (ValueError, KeyError, TypeError) as error:
        raise _archive_error(FACTS, error) from None
    _check_architecture(stored_values, hyperparameters)
    try:
        return _rebuild_classifier(metadata, files[WEIGHTS], hyperparameters)
    except Exception as error:  # unpickling what is broken raises anything
        raise _archive_error(f"{FACTS} or {WEIGHTS}", error) from None


def _model_files(channel: Path) -> dict[str, bytes]:
    packed = channel / "model.tar.gz"
    if not packed.exists():
        files = [channel / WEIGHTS, channel / FACTS]
        return {path.name: path.read_bytes() for path in files if path.exists()}
    try:
        return _unpack_archive(packed)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise _archive_error(packed.name, error) from None


def _unpack_archive(packed: Path) -> dict[str, bytes]:
    unpacked = {}
    # All of it first, as only its end has the checksum.
    content = _decompress(packed)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for member in archive:
            name = Path(member.name).name
            # A sparse file of a few bytes unpacks to any size; a link leads to another member.
            if name in (WEIGHTS, FACTS) and member.isreg() and not member.issparse():
                unpacked[name] = archive.extractfile(member).read()  # type: ignore[union-attr]
    return unpacked


def _decompress(packed: Path) -> bytes:
    content = bytearray()
    with gzip.open(packed) as stream:
        while block := stream.read(BLOCK_BYTES):
            content += block
            if len(content) > MAX_MODEL_BYTES:
                raise tarfile.TarError(f"unpacked it has more than {MAX_MODEL_BYTES:,} bytes")
    return bytes(content)


def _archive_error(title: str, error: Exception) -> InputError:
    return InputError(
        f"The channel model's {title} is broken ({type(error).__name__}: {error}): give the "
        f"model.tar.gz as the earlier job wrote it, or leave out the channel to start from scratch."
    )


def _check_architecture(stored_values: dict[str, Any], hyperparameters: Hyperparameters) -> None:
    values = hyperparameters.model_dump(mode="json")
    for name, before in stored_values.items():
        if name == "num_layers" and hyperparameters.pretrained:
            continue
        if before != values[name]:
            other = name == "use_pretrained_model"
            raise (OtherNetworkError if other else InputError)(
                f"The model of the channel model has {name} {before}, this job {values[name]}: "
                f"they must be the same, or leave out the channel to start from scratch."
            )


def _changed_weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    """Return what differs from the pretrained network; the package has the reference."""
    return {
        name: value
        for name, value in classifier.state_dict().items()
        if name.startswith(("features.", "head."))
    }


def _rebuild_classifier(
    metadata: dict[str, Any], weights: bytes, hyperparameters: Hyperparameters
) -> Classifier:
    shape, classes = hyperparameters.image_shape, hyperparameters.num_classes
    reference = None
    network: ResidualNetwork | efficientnet.EfficientNetLite0
    if hyperparameters.pretrained:
        network = efficientnet.pretrained(shape, classes)
        skipped = len(network.features) - metadata["reference_layers"]
        reference = copy.deepcopy(last_layers(network.features, skipped))
    else:
        network = ResidualNetwork(shape, classes, hyperparameters.num_layers)
    network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    classifier = Classifier(
        network,
        torch.tensor(metadata["mean"]),
        torch.tensor(metadata["std"]),
        average_flips=uses_flips(metadata["hyperparameters"]["augmentation_type"]),
        reference=reference,
    )
    classifier.temperature.fill_(metadata["temperature"])
    return classifier.eval()
