"""The training of the residual network from random weights, and what all trainings share."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch

from scones_training import checkpoint, dataset, fit, hyperparameters, recipe
from scones_training.classifier import Classifier
from scones_training.dataset import ImageSet, Splits
from scones_training.hyperparameters import Hyperparameters
from tests.unit.training.jobs import Job


@pytest.fixture
def parts(small_job: Job) -> Splits:
    return dataset.load_dataset(
        small_job.paths.data, hyperparameters.parse_hyperparameters(small_job.hyperparameters)
    )


def wanted(**changes: str) -> Hyperparameters:
    given = {
        "num_classes": "3",
        "num_training_samples": "36",
        "image_shape": "3,16,24",
        "use_pretrained_model": "0",
        "mini_batch_size": "12",
        "epochs": "3",
        "augmentation_type": "crop_color_transform",
    }
    return hyperparameters.parse_hyperparameters(given | changes)


def train(
    parts: Splits,
    given: Hyperparameters,
    *,
    model: Classifier | None = None,
    checkpoints: Path | None = None,
    seed: int = 0,
) -> Classifier:
    start = recipe.prepare_start(parts, given, model=model, seed=seed)
    return fit.fit(start, given, checkpoints=checkpoints, seed=seed).classifier


def same(one: Classifier, other: Classifier) -> bool:
    weights = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


def test_the_seed_fixes_the_weights(parts: Splits) -> None:
    first = train(parts, wanted(), seed=1)

    assert same(first, train(parts, wanted(), seed=1))
    assert not same(first, train(parts, wanted(), seed=2))


class Interrupted(Exception):
    pass


def interrupt_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(folder: Path, state: checkpoint.State) -> None:
        saved(folder, state)
        if state["epoch"] == epoch:
            raise Interrupted

    saved = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", save)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_training_ends_as_an_uninterrupted_one(
    parts: Splits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    optimizer: str,
) -> None:
    given = wanted(optimizer=optimizer, learning_rate="0.01", epochs="4")
    whole = train(parts, given)
    with monkeypatch.context() as context:
        interrupt_after(1, context)
        with pytest.raises(Interrupted):
            train(parts, given, checkpoints=tmp_path)
    capsys.readouterr()

    resumed = train(parts, given, checkpoints=tmp_path)

    assert same(whole, resumed)
    log = capsys.readouterr().out
    assert "Resumed after epoch 1." in log
    assert "Epoch[1]" not in log
    assert "Epoch[2] Train-accuracy=" in log


@pytest.mark.parametrize("change", ["hyperparameters", "pictures", "start"])
def test_a_checkpoint_of_another_training_is_not_resumed(
    parts: Splits, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    before = train(parts, wanted(epochs="1"), checkpoints=tmp_path)
    epochs, model = "1", None
    if change == "hyperparameters":
        epochs = "2"
    if change == "pictures":
        others = ImageSet(np.asarray(parts.train.pixels) ^ 1, parts.train.labels)
        parts = Splits(others, parts.validation)
    if change == "start":
        model = before
    capsys.readouterr()

    train(parts, wanted(epochs=epochs), model=model, checkpoints=tmp_path)

    log = capsys.readouterr().out
    assert "Ignored a checkpoint of other data or hyperparameters." in log
    assert "Epoch[0] Train-accuracy=" in log


def test_a_broken_checkpoint_is_not_resumed(
    parts: Splits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(b"half of a file")

    train(parts, wanted(epochs="1"), checkpoints=tmp_path)

    assert "Ignored a checkpoint that can't be read" in capsys.readouterr().out


def test_checkpoints_are_as_rare_as_asked_for(parts: Splits, tmp_path: Path) -> None:
    train(parts, wanted(checkpoint_frequency="2", learning_rate="0.01"), checkpoints=tmp_path)

    state = torch.load(tmp_path / checkpoint.NAME, weights_only=True)
    assert state["epoch"] == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [checkpoint.NAME]


def test_no_half_checkpoint_is_in_the_folder(
    parts: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    while_writing: list[list[str]] = []
    save = torch.save

    def noting(state: object, path: Path) -> None:
        save(state, path)
        while_writing.append([found.name for found in folder.iterdir()])

    monkeypatch.setattr(torch, "save", noting)

    train(parts, wanted(epochs="2"), checkpoints=folder)

    assert while_writing == [[], [checkpoint.NAME]]
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_checkpoint_folder_may_be_a_mount_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    replace = Path.replace

    def across_devices(self: Path, target: Path) -> Path:
        if self.parent != target.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across_devices)

    checkpoint.save(folder, {"fingerprint": "of the test"})

    assert checkpoint.load(folder, "of the test") == {"fingerprint": "of the test"}
    assert [path.name for path in folder.iterdir()] == [checkpoint.NAME]


STOPPING = {
    "early_stopping": "True",
    "early_stopping_min_epochs": "2",
    "early_stopping_patience": "1",
    "early_stopping_tolerance": "1",
}


def test_early_stopping_ends_a_training_that_stalls(
    parts: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    train(parts, wanted(epochs="9", **STOPPING))

    log = capsys.readouterr().out
    assert "Stopped early" in log
    assert "Epoch[8]" not in log
    assert "Epoch[1]" in log


def test_a_training_that_was_stopped_early_is_not_continued(
    parts: Splits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = wanted(epochs="9", **STOPPING)
    stopped = train(parts, given, checkpoints=tmp_path)
    before = capsys.readouterr().out

    resumed = train(parts, given, checkpoints=tmp_path)

    log = capsys.readouterr().out
    assert "Epoch[" not in log
    assert before.splitlines()[-1] == log.splitlines()[-1] != ""
    assert same(stopped, resumed)


def test_training_can_start_from_weights(parts: Splits) -> None:
    before = train(parts, wanted(epochs="1"))

    after = train(parts, wanted(epochs="1", learning_rate="1e-9"), model=before)

    for name, value in before.named_parameters():
        torch.testing.assert_close(after.get_parameter(name), value, atol=1e-6, rtol=1e-3)


def test_training_on_keeps_the_normalization(parts: Splits) -> None:
    darker = ImageSet(np.asarray(parts.train.pixels) // 3, parts.train.labels)
    before = train(parts, wanted(epochs="1"))

    after = train(Splits(darker, parts.validation), wanted(epochs="1"), model=before)

    assert torch.equal(after.mean, before.mean)
    assert torch.equal(after.std, before.std)


def test_training_on_leaves_the_earlier_model_alone(parts: Splits) -> None:
    before = train(parts, wanted(epochs="1"))
    weights = {name: value.clone() for name, value in before.state_dict().items()}

    train(parts, wanted(epochs="1"), model=before)

    assert all(torch.equal(value, weights[name]) for name, value in before.state_dict().items())


@pytest.mark.parametrize("optimizer", ["sgd", "nag", "adam", "rmsprop"])
def test_every_optimizer_trains(parts: Splits, optimizer: str) -> None:
    before = train(parts, wanted(epochs="1", optimizer=optimizer, learning_rate="1e-9"))

    after = train(parts, wanted(epochs="1", optimizer=optimizer, learning_rate="0.001"))

    assert not same(before, after)


def test_steps_lower_the_learning_rate_at_their_epochs(
    parts: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.SGD.step

    def noting(self: torch.optim.SGD) -> None:
        rates.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)

    train(
        parts,
        wanted(lr_scheduler_step="1,2", lr_scheduler_factor="0.5", learning_rate="0.08"),
    )

    assert rates == pytest.approx([0.08] * 3 + [0.04] * 3 + [0.02] * 3)


@pytest.mark.parametrize(("batch", "side"), [("1", "9"), ("2", "8")])
def test_the_smallest_batches_of_the_smallest_pictures_train(batch: str, side: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, int(side), int(side), 3), np.uint8)
    images = ImageSet(pixels, np.array([0, 1, 2, 0]))
    given = wanted(
        mini_batch_size=batch, image_shape=f"3,{side},{side}", num_training_samples="4", epochs="1"
    )

    trained = train(Splits(images, images), given)

    with torch.no_grad():
        assert torch.isfinite(trained(torch.from_numpy(pixels)).probabilities).all()
