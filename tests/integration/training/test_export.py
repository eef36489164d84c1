import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from scones.photos import ImageShape
from tests.unit.training.jobs import Trained
from training import export, hyperparameters
from training.augment import mirrors
from training.errors import BadInput
from training.hyperparameters import Hyperparameters
from training.network import Classifier, ResidualNetwork


def given(trained: Trained, **changes: str) -> Hyperparameters:
    return hyperparameters.parse(trained.job.hyperparameters | changes)


def classifier(trained: Trained) -> Classifier:
    """Rebuild the classifier from what the job wrote for PyTorch."""
    facts = json.loads((trained.job.paths.model / export.FACTS).read_text())
    network = ResidualNetwork(ImageShape.parse(facts["image_shape"]), facts["num_classes"], 8)
    network.load_state_dict(torch.load(trained.job.paths.model / export.WEIGHTS))
    mean, std = torch.tensor(facts["mean"]), torch.tensor(facts["std"])
    mirrored = mirrors(facts["hyperparameters"]["augmentation_type"])
    rebuilt = Classifier(network, mean, std, mirrored=mirrored).eval()
    rebuilt.temperature.fill_(facts["temperature"])
    return rebuilt


@pytest.mark.parametrize("count", [1, 2, 7])
def test_onnx_gives_what_pytorch_gives(trained: Trained, count: int) -> None:
    session = onnxruntime.InferenceSession(trained.job.paths.model / export.ONNX)
    pictures = np.random.default_rng(count).integers(0, 256, (count, 16, 24, 3), dtype=np.uint8)

    (probabilities,) = session.run(None, {"pictures": pictures})
    with torch.no_grad():
        wanted = classifier(trained)(torch.from_numpy(pictures)).numpy()

    np.testing.assert_allclose(probabilities, wanted, atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_an_export_that_differs_is_a_fault(trained: Trained) -> None:
    other = classifier(trained)
    other.temperature.fill_(0.2)

    with pytest.raises(RuntimeError, match="probabilities are off by"):
        export._check(trained.job.paths.model / export.ONNX, other, ImageShape.parse("3,16,24"))


def test_a_model_is_read_from_files_or_an_archive(trained: Trained, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(trained.job.paths.model, arcname=".")

    packed = export.read(tmp_path, given(trained))
    plain = export.read(trained.job.paths.model, given(trained))

    wanted = classifier(trained).state_dict()
    for read in (packed.state_dict(), plain.state_dict()):
        assert read.keys() == wanted.keys()
        assert all(torch.equal(read[name], wanted[name]) for name in wanted)
    assert [path.name for path in tmp_path.iterdir()] == ["model.tar.gz"]


@pytest.mark.parametrize(
    ("name", "value"), [("image_shape", "3,24,16"), ("num_classes", "4"), ("num_layers", "14")]
)
def test_a_model_of_another_form_is_refused(trained: Trained, name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"has {name} .*, this job {value}"):
        export.read(trained.job.paths.model, given(trained, **{name: value}))


def test_a_channel_without_a_model_of_ours_is_refused(trained: Trained, tmp_path: Path) -> None:
    shutil.copy(trained.job.paths.model / export.ONNX, tmp_path)

    with pytest.raises(BadInput, match=r"must hold the model.tar.gz"):
        export.read(tmp_path, given(trained))


def archive_of(trained: Trained, path: Path) -> bytes:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(trained.job.paths.model, arcname=".")
    return path.read_bytes()


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

    with pytest.raises(BadInput, match=r"^The channel model's model.tar.gz is broken"):
        export.read(tmp_path, given(trained))


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

    with pytest.raises(BadInput, match=f"^The channel model's .*{name} is broken"):
        export.read(tmp_path / "model", given(trained))
