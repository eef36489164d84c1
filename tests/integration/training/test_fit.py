import errno
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.training.jobs import Job
from training import checkpoint, dataset, fit, hyperparameters
from training.hyperparameters import Hyperparameters
from training.network import Classifier


@pytest.fixture
def parts(small_job: Job) -> tuple[dataset.Pictures, dataset.Pictures]:
    return dataset.load(small_job.paths.data, hyperparameters.parse(small_job.hyperparameters))


def wanted(**changes: str) -> Hyperparameters:
    given = {
        "num_classes": "3",
        "num_training_samples": "36",
        "image_shape": "3,16,24",
        "mini_batch_size": "12",
        "epochs": "3",
        "augmentation_type": "crop_color_transform",
    }
    return hyperparameters.parse(given | changes)


def same(one: Classifier, other: Classifier) -> bool:
    weights = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


Parts = tuple[dataset.Pictures, dataset.Pictures]


def test_the_seed_fixes_the_weights(parts: Parts) -> None:
    first = fit.fit(*parts, wanted(), seed=1)

    assert same(first, fit.fit(*parts, wanted(), seed=1))
    assert not same(first, fit.fit(*parts, wanted(), seed=2))


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
    parts: Parts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    optimizer: str,
) -> None:
    given = wanted(optimizer=optimizer, learning_rate="0.01", epochs="4")
    whole = fit.fit(*parts, given)
    with monkeypatch.context() as context:
        interrupt_after(1, context)
        with pytest.raises(Interrupted):
            fit.fit(*parts, given, checkpoints=tmp_path)
    capsys.readouterr()

    resumed = fit.fit(*parts, given, checkpoints=tmp_path)

    assert same(whole, resumed)
    log = capsys.readouterr().out
    assert "Resumed after epoch 1." in log
    assert "Epoch[1]" not in log
    assert "Epoch[2] Train-accuracy=" in log


@pytest.mark.parametrize("change", ["hyperparameters", "pictures", "start"])
def test_a_checkpoint_of_another_training_is_not_resumed(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    before = fit.fit(*parts, wanted(epochs="1"), checkpoints=tmp_path)
    train, validation = parts
    epochs, start = "1", None
    if change == "hyperparameters":
        epochs = "2"
    if change == "pictures":
        train = dataset.Pictures(np.asarray(train.pixels) ^ 1, train.labels)
    if change == "start":
        start = before
    capsys.readouterr()

    fit.fit(train, validation, wanted(epochs=epochs), start=start, checkpoints=tmp_path)

    log = capsys.readouterr().out
    assert "Ignored a checkpoint of other data or hyperparameters." in log
    assert "Epoch[0] Train-accuracy=" in log


def test_a_broken_checkpoint_is_not_resumed(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(b"half of a file")

    fit.fit(*parts, wanted(epochs="1"), checkpoints=tmp_path)

    assert "Ignored a checkpoint that can't be read" in capsys.readouterr().out


def test_checkpoints_are_as_rare_as_asked_for(parts: Parts, tmp_path: Path) -> None:
    fit.fit(*parts, wanted(checkpoint_frequency="2", learning_rate="0.01"), checkpoints=tmp_path)

    state = torch.load(tmp_path / checkpoint.NAME, weights_only=True)
    assert state["epoch"] == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [checkpoint.NAME]


def test_no_half_checkpoint_is_in_the_folder(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    while_writing: list[list[str]] = []
    save = torch.save

    def noting(state: object, path: Path) -> None:
        save(state, path)
        while_writing.append([found.name for found in folder.iterdir()])

    monkeypatch.setattr(torch, "save", noting)

    fit.fit(*parts, wanted(epochs="2"), checkpoints=folder)

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


def test_early_stopping_ends_a_training_that_stalls(
    parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = {
        "early_stopping": "True",
        "early_stopping_min_epochs": "2",
        "early_stopping_patience": "1",
        "early_stopping_tolerance": "1",
    }

    fit.fit(*parts, wanted(epochs="9", **stopping))

    log = capsys.readouterr().out
    assert "Stopped early" in log
    assert "Epoch[8]" not in log
    assert "Epoch[1]" in log


def test_training_can_start_from_weights(parts: Parts) -> None:
    before = fit.fit(*parts, wanted(epochs="1"))

    after = fit.fit(*parts, wanted(epochs="1", learning_rate="1e-9"), start=before)

    for name, value in before.network.named_parameters():
        torch.testing.assert_close(after.network.get_parameter(name), value, atol=1e-6, rtol=0)


def test_training_on_keeps_the_normalization(parts: Parts) -> None:
    train, validation = parts
    darker = dataset.Pictures(np.asarray(train.pixels) // 3, train.labels)
    before = fit.fit(*parts, wanted(epochs="1"))

    after = fit.fit(darker, validation, wanted(epochs="1"), start=before)

    assert torch.equal(after.mean, before.mean)
    assert torch.equal(after.std, before.std)


def test_training_on_leaves_the_earlier_model_alone(parts: Parts) -> None:
    before = fit.fit(*parts, wanted(epochs="1"))
    weights = {name: value.clone() for name, value in before.state_dict().items()}

    fit.fit(*parts, wanted(epochs="1"), start=before)

    assert all(torch.equal(value, weights[name]) for name, value in before.state_dict().items())


@pytest.mark.parametrize("optimizer", ["sgd", "nag", "adam", "rmsprop"])
def test_every_optimizer_trains(parts: Parts, optimizer: str) -> None:
    before = fit.fit(*parts, wanted(epochs="1", optimizer=optimizer, learning_rate="1e-9"))

    after = fit.fit(*parts, wanted(epochs="1", optimizer=optimizer, learning_rate="0.001"))

    assert not same(before, after)


def test_steps_lower_the_learning_rate_at_their_epochs(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.SGD.step

    def noting(self: torch.optim.SGD) -> None:
        rates.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)

    fit.fit(
        *parts,
        wanted(lr_scheduler_step="1,2", lr_scheduler_factor="0.5", learning_rate="0.08"),
    )

    assert rates == pytest.approx([0.08] * 3 + [0.04] * 3 + [0.02] * 3)


@pytest.mark.parametrize(("batch", "side"), [("1", "9"), ("2", "8")])
def test_the_smallest_batches_of_the_smallest_pictures_train(batch: str, side: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, int(side), int(side), 3), np.uint8)
    pictures = dataset.Pictures(pixels, np.array([0, 1, 2, 0]))
    given = wanted(
        mini_batch_size=batch, image_shape=f"3,{side},{side}", num_training_samples="4", epochs="1"
    )

    trained = fit.fit(pictures, pictures, given)

    assert torch.isfinite(fit.logits(trained, pixels)).all()
