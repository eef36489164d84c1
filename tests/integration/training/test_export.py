import copy
import gzip
import json
import shutil
import tarfile
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from scones.photos import ImageShape
from scones_training import efficientnet, export, hyperparameters
from scones_training.augment import uses_flips
from scones_training.classifier import Classifier, Output, last_layers
from scones_training.errors import InputError
from scones_training.hyperparameters import Hyperparameters
from scones_training.residual import ResidualNetwork
from tests.unit.training.jobs import SHAPE, Trained

Layers = TypeVar("Layers", bound=nn.Module)


def given(trained: Trained, **changes: str) -> Hyperparameters:
    return hyperparameters.parse_hyperparameters(trained.job.hyperparameters | changes)


def classifier(trained: Trained) -> Classifier:
    """Rebuild the classifier from what the job wrote for PyTorch."""
    facts = json.loads((trained.job.paths.model / export.FACTS).read_text())
    shape, classes = ImageShape.parse(facts["image_shape"]), facts["num_classes"]
    network: ResidualNetwork | efficientnet.EfficientNetLite0
    reference = None
    if facts["reference_layers"]:
        network = efficientnet.pretrained(shape, classes)
        reference = rounded(copy.deepcopy(last_layers(network.features, 10)))
        assert len(reference) == facts["reference_layers"]
    else:
        network = ResidualNetwork(shape, classes, 8)
    network.load_state_dict(torch.load(trained.job.paths.model / export.WEIGHTS))
    mean, std = torch.tensor(facts["mean"]), torch.tensor(facts["std"])
    mirrored = uses_flips(facts["hyperparameters"]["augmentation_type"])
    rebuilt = Classifier(network, mean, std, average_flips=mirrored, reference=reference).eval()
    rebuilt.temperature.fill_(facts["temperature"])
    return rebuilt


def rounded(layers: Layers) -> Layers:
    """Round to half precision and back, as a trained model is."""
    return layers.half().float()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_onnx_gives_what_pytorch_gives(either: Trained, count: int) -> None:
    session = onnxruntime.InferenceSession(either.job.paths.model / export.ONNX)
    pictures = np.random.default_rng(count).integers(0, 256, (count, 16, 24, 3), dtype=np.uint8)

    outputs = session.run(None, {"pictures": pictures})
    with torch.no_grad():
        wanted = classifier(either)(torch.from_numpy(pictures))

    assert tuple(output.name for output in session.get_outputs()) == Output._fields
    np.testing.assert_allclose(outputs[0], wanted.probabilities, atol=1e-5)
    np.testing.assert_allclose(outputs[0].sum(axis=1), 1, atol=1e-5)
    for got, right in zip(outputs[1:], wanted[1:], strict=True):
        np.testing.assert_allclose(got, right, atol=1e-4 * float(right.abs().max()))


def test_the_reference_is_the_embedding_by_the_weights_of_imagenet(pretrained: Trained) -> None:
    session = onnxruntime.InferenceSession(pretrained.job.paths.model / export.ONNX)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 16, 24, 3), dtype=np.uint8)
    network = rounded(efficientnet.pretrained(ImageShape.parse(SHAPE), 3))
    mean, std = torch.full((3,), efficientnet.MEAN), torch.full((3,), efficientnet.STD)

    (reference, embedding) = session.run(["reference", "embedding"], {"pictures": pictures})
    with torch.no_grad():
        untrained = Classifier(network, mean, std, average_flips=True)(torch.from_numpy(pictures))

    np.testing.assert_allclose(reference, untrained.embedding, atol=1e-3)
    assert np.abs(embedding - reference).max() > 0.05


def test_a_model_is_half_as_large_when_compressed_and_within_its_limit(
    pretrained: Trained,
) -> None:
    sizes = {
        path.name: (path.stat().st_size, len(gzip.compress(path.read_bytes(), 1)))
        for path in pretrained.job.paths.model.iterdir()
    }

    for name in (export.ONNX, export.WEIGHTS):
        whole, compressed = sizes[name]
        assert compressed < 0.65 * whole
    assert sum(compressed for _, compressed in sizes.values()) < 30e6


def test_an_export_that_differs_is_a_fault(either: Trained) -> None:
    other = classifier(either)
    other.temperature.fill_(20.0)

    with pytest.raises(RuntimeError, match="the ONNX model's probabilities differ by"):
        export._check_export(either.job.paths.model / export.ONNX, other, ImageShape.parse(SHAPE))


def test_an_export_whose_class_map_differs_is_a_fault(trained: Trained) -> None:
    other = classifier(trained)
    with torch.no_grad():
        other.head.bias.add_(0.1)  # of all classes: the probabilities stay

    with pytest.raises(RuntimeError, match="the ONNX model's class_map differ by"):
        export._check_export(trained.job.paths.model / export.ONNX, other, ImageShape.parse(SHAPE))


def test_a_model_is_read_from_files_or_an_archive(either: Trained, tmp_path: Path) -> None:
    archive_of(either, tmp_path / "model.tar.gz")

    packed = export.load_model(tmp_path, given(either))
    plain = export.load_model(either.job.paths.model, given(either))

    expected = classifier(either).state_dict()
    for read in (packed.state_dict(), plain.state_dict()):
        assert read.keys() == expected.keys()
        assert all(torch.equal(read[name].half(), expected[name].half()) for name in expected)
    assert packed.average_flips
    assert [path.name for path in tmp_path.iterdir()] == ["model.tar.gz"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_shape", "3,24,16"),
        ("num_classes", "4"),
        ("num_layers", "14"),
        ("use_pretrained_model", "1"),
    ],
)
def test_a_model_of_another_form_is_refused(trained: Trained, name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"has {name} .*, this job {value}"):
        export.load_model(trained.job.paths.model, given(trained, **{name: value}))


def test_num_layers_makes_no_difference_to_a_pretrained_model(pretrained: Trained) -> None:
    model = export.load_model(pretrained.job.paths.model, given(pretrained, num_layers="34"))

    assert model.reference is not None

    with pytest.raises(InputError, match="has use_pretrained_model 1, this job 0"):
        export.load_model(pretrained.job.paths.model, given(pretrained, use_pretrained_model="0"))


def test_a_channel_without_a_model_of_ours_is_refused(trained: Trained, tmp_path: Path) -> None:
    shutil.copy(trained.job.paths.model / export.ONNX, tmp_path)

    with pytest.raises(InputError, match=r"must hold the model.tar.gz"):
        export.load_model(tmp_path, given(trained))


def archive_of(trained: Trained, path: Path) -> bytes:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(trained.job.paths.model, arcname=".")
    return path.read_bytes()


def test_an_archive_that_unpacks_to_too_much_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_of(trained, tmp_path / "model.tar.gz")
    monkeypatch.setattr(export, "MAX_MODEL_BYTES", 1000)

    with pytest.raises(InputError, match=r"unpacked it has more than 1,000 bytes"):
        export.load_model(tmp_path, given(trained))


def test_links_of_an_archive_are_not_read(trained: Trained, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        for path in trained.job.paths.model.iterdir():
            archive.add(path, arcname=f"hidden/{path.name}.bin")
            link = tarfile.TarInfo(path.name)
            link.type, link.linkname = tarfile.LNKTYPE, f"hidden/{path.name}.bin"
            archive.addfile(link)

    with pytest.raises(InputError, match=r"must hold the model.tar.gz"):
        export.load_model(tmp_path, given(trained))


@pytest.mark.parametrize("damage", ["no archive", "empty", "half", "a flipped byte"])
def test_a_broken_archive_is_refused(trained: Trained, tmp_path: Path, damage: str) -> None:
    whole = archive_of(trained, tmp_path / "model.tar.gz")
    middle = len(whole) // 2
    damaged = {
        "no archive": b"no archive at all",
        "empty": b"",
        "half": whole[:middle],
        "a flipped byte": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
    }
    (tmp_path / "model.tar.gz").write_bytes(damaged[damage])

    with pytest.raises(InputError, match=r"^The channel model's model.tar.gz is broken"):
        export.load_model(tmp_path, given(trained))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (export.FACTS, b"{"),
        (export.FACTS, b"[]"),
        (export.FACTS, b'{"hyperparameters": {}}'),
        (export.WEIGHTS, b"no weights"),
    ],
)
def test_a_broken_file_is_refused(
    trained: Trained, tmp_path: Path, name: str, content: bytes
) -> None:
    shutil.copytree(trained.job.paths.model, tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)

    with pytest.raises(InputError, match=f"^The channel model's .*{name} is broken"):
        export.load_model(tmp_path / "model", given(trained))
