import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scones_training import calibrate, fit, hyperparameters, job
from scones_training.__main__ import main
from scones_training.errors import InputError
from scones_training.paths import Paths
from tests.unit.training.jobs import Job, Trained


def test_a_job_ends_well_with_a_model(trained: Trained) -> None:
    assert trained.status == 0
    assert not trained.job.paths.failure.exists()
    names = {path.name for path in trained.job.paths.model.iterdir()}
    assert names == {"model.onnx", "weights.pt", "model.json", "familiarity.npz"}


def test_the_log_names_the_device_and_the_photos(trained: Trained) -> None:
    first, *rest = trained.log.splitlines()

    assert re.fullmatch(r"Training on the CPU, \d+ threads; no GPU.*\.", first)
    assert "Prepared 36 training and 12 validation photos as 3,16,24." in rest


def test_negatives_that_are_all_unusable_are_named(
    small_job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    small_job.add_negatives(0, unusable=2)
    small_job.hyperparameters["epochs"] = "1"

    assert small_job.run() == 0

    assert (
        "Prepared 36 training and 12 validation photos as 3,16,24; "
        "skipped 2 unusable photos of none of the classes." in capsys.readouterr().out
    )
    assert json.loads((small_job.paths.model / "model.json").read_text())["negatives"] == 0


def test_a_gpu_that_pytorch_cannot_use_fails_the_job(
    small_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*, in_container: bool) -> None:
        assert not in_container
        raise InputError("This machine has an NVIDIA GPU that PyTorch cannot use.")

    monkeypatch.setattr(job, "find_device", refuse)

    assert small_job.run() == 1

    assert small_job.failure == "This machine has an NVIDIA GPU that PyTorch cannot use."


def test_the_log_has_the_metrics_of_the_built_in_algorithm(trained: Trained) -> None:
    for part in ("Train", "Validation"):
        lines = re.findall(rf"^Epoch\[(\d+)\] {part}-accuracy=([01]\.\d{{6}})$", trained.log, re.M)
        assert [int(epoch) for epoch, _ in lines] == list(range(10))
    assert len(re.findall(r"^Epoch\[\d+\] Time cost=\d+\.\d{3}$", trained.log, re.M)) == 10


def test_the_log_names_what_was_given_what_is_default_and_what_has_no_effect(
    trained: Trained,
) -> None:
    (line,) = [line for line in trained.log.splitlines() if "Hyperparameters" in line]

    given, _, rest = line.partition(" Defaults: ")
    assert given == (
        "Hyperparameters given to this job: augmentation_type=crop, epochs=10, "
        "image_shape=3,16,24, kv_store=dist_sync, mini_batch_size=12, num_classes=3, "
        "num_training_samples=36, use_pretrained_model=0."
    )
    defaults, _, idle = rest.partition(". ")
    assert "learning_rate=0.1, " in defaults
    assert "optimizer=sgd" in defaults
    assert not {"beta_1", "top_k", "resize"} & {pair.split("=")[0] for pair in defaults.split(", ")}
    assert idle == "Given, but without effect in this job: kv_store."


def test_photos_left_out_are_named_and_counted(
    small_job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        for label in range(3):
            photo = small_job.paths.data / "train" / f"class {label} [ü]" / f"photo ({number}).png"
            photo.write_bytes(b"not a photo")
    small_job.hyperparameters["epochs"] = "1"

    assert small_job.run() == 0

    log = capsys.readouterr().out
    assert "Prepared 24 training and 12 validation photos as 3,16,24." in log
    assert "Left out 12 of 36 training photos that cannot be decoded:\n  class 0 [ü]/photo" in log
    assert "photo (0).png: the file is not a photo\n" in log
    assert log.count("the file is not a photo") == job.MAX_SHOWN
    assert "  and 2 more\n" in log
    written = json.loads((small_job.paths.model / "model.json").read_text())
    assert (written["training_photos"], written["unusable_training_photos"]) == (24, 12)
    assert (written["validation_photos"], written["unusable_validation_photos"]) == (12, 0)


def test_a_batch_is_at_most_the_photos_left(
    small_job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = small_job.paths.data / "train" / "class 0 [ü]" / "photo (0).png"
    photo.write_bytes(b"not a photo")
    small_job.hyperparameters |= {"epochs": "1", "mini_batch_size": "36"}

    assert small_job.run() == 0

    assert "mini_batch_size is lowered to 35, the photos left." in capsys.readouterr().out
    written = json.loads((small_job.paths.model / "model.json").read_text())
    assert (written["training_photos"], written["hyperparameters"]["mini_batch_size"]) == (35, 35)


@pytest.mark.parametrize(
    ("accuracies", "kept", "expected"),
    [
        ([0.5, 0.886, 0.829], 0.829, "The highest was 0.886, after 2 epochs; an epoch is not"),
        ([0.9, 0.8], 0.8, "The highest was 0.900, after 1 epoch; an epoch is not chosen"),
        ([0.5, 0.8], 0.8, "the last of 2 epochs, validation accuracy 0.800."),
    ],
)
def test_which_epoch_is_kept_is_explained(
    accuracies: list[float], kept: float, expected: str
) -> None:
    text = job.format_kept_epoch(accuracies, kept)

    assert expected in text
    assert ("is not chosen" in text) == (max(accuracies) > kept)


def test_the_log_ends_with_the_epoch_that_is_kept(trained: Trained) -> None:
    accuracies = facts(trained)["validation_accuracies"]
    logged = re.findall(r"Validation-accuracy=(\S+)", trained.log)
    assert [f"{accuracy:.6f}" for accuracy in accuracies] == logged
    assert job.format_kept_epoch(accuracies, facts(trained)["validation_accuracy"]) in trained.log


def test_the_model_learns(trained: Trained) -> None:
    assert facts(trained)["validation_accuracy"] >= 0.75


def facts(trained: Trained) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((trained.job.paths.model / "model.json").read_text())
    return read


def test_the_facts_are_those_of_the_job(trained: Trained) -> None:
    read = facts(trained)

    assert read["image_shape"] == "3,16,24"
    assert read["num_classes"] == 3
    assert (read["training_photos"], read["validation_photos"]) == (36, 12)
    assert (read["negatives"], read["reference_layers"]) == (0, 0)
    assert read["hyperparameters"]["use_pretrained_model"] == "0"
    assert calibrate.SHARPEST <= read["temperature"] <= calibrate.FLATTEST
    before, after = read["before_calibration"], read["after_calibration"]
    assert after["log_loss"] <= before["log_loss"]
    assert 0 <= after["expected_calibration_error"] <= 1
    last = re.findall(r"Validation-accuracy=(\S+)", trained.log)[-1]
    assert read["validation_accuracy"] == pytest.approx(float(last), abs=1e-6)


def test_a_job_trains_on_from_its_model_channel(small_job: Job, trained: Trained) -> None:
    shutil.copytree(trained.job.paths.model, small_job.paths.data / "model")
    darken(small_job.paths.data / "train")
    small_job.hyperparameters |= {"augmentation_type": "crop", "epochs": "1"}

    assert small_job.run() == 0

    read = json.loads((small_job.paths.model / "model.json").read_text())
    before = facts(trained)
    assert (read["mean"], read["std"]) == (before["mean"], before["std"])
    assert read["hyperparameters"]["learning_rate"] == hyperparameters.INCREMENTAL_LEARNING_RATE


def darken(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        Image.open(path).point(lambda value: value // 3).save(path)


def test_a_broken_model_channel_fails_with_one_sentence(small_job: Job) -> None:
    (small_job.paths.data / "model").mkdir()
    (small_job.paths.data / "model" / "model.tar.gz").write_bytes(b"broken")

    assert small_job.run() == 1

    assert small_job.failure.startswith("The channel model's model.tar.gz is broken (")


def test_bad_input_fails_with_one_sentence(small_job: Job) -> None:
    small_job.hyperparameters["mini_batch_size"] = "100"

    assert small_job.run() == 1

    assert small_job.failure == (
        "train_lst lists 36 photos, fewer than mini_batch_size 100: "
        "add photos or lower mini_batch_size."
    )
    assert not small_job.paths.model.exists()


def test_hyperparameters_that_are_no_json_fail_with_a_sentence(small_job: Job) -> None:
    small_job.write_hyperparameters()
    small_job.paths.hyperparameters.write_text("{")

    assert job.run(small_job.paths) == 1
    assert small_job.failure.startswith("hyperparameters.json is not JSON")


def test_a_fault_fails_with_its_traceback(small_job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of the test")

    monkeypatch.setattr(fit, "fit", broken)

    assert small_job.run() == 1

    assert small_job.failure.rstrip().endswith("ZeroDivisionError: of the test")
    assert "in broken" in small_job.failure
    assert len(small_job.failure) <= 1024


def test_idle_threads_wait_as_measured_unless_told_otherwise(
    small_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that it is as before in the end
    monkeypatch.delenv("GOMP_SPINCOUNT")
    waiting: list[tuple[str, str]] = []

    def run(_: Paths) -> int:
        waiting.append((os.environ["OMP_WAIT_POLICY"], os.environ["GOMP_SPINCOUNT"]))
        return 0

    monkeypatch.setattr(job, "run", run)

    assert main(["train", "--root", str(small_job.paths.root)]) == 0

    assert waiting == [("ACTIVE", "10000")]


def test_sigterm_ends_a_job_without_a_failure(small_job: Job) -> None:
    small_job.hyperparameters["epochs"] = "100000"
    small_job.write_hyperparameters()
    small_job.paths.checkpoints.mkdir()
    command = [
        sys.executable,
        "-m",
        "scones_training",
        "train",
        "--root",
        str(small_job.paths.root),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        # The log is live: the first epoch's line comes while the job runs.
        assert any("Epoch[0] Validation-accuracy=" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()

    assert process.returncode == 128 + signal.SIGTERM
    assert "Terminated." in rest
    assert not small_job.paths.failure.exists()
