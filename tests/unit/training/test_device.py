from pathlib import Path

import pytest
import torch

from scones_training.device import find_device
from scones_training.errors import InputError

DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr  8 12:41:17 UTC 2025"


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    path = tmp_path / "version"
    path.write_text(f"{DRIVER}\nGCC version: 9.4.0\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def built_for(cuda: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)


def test_a_gpu_that_pytorch_cannot_use_is_bad_input(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_for("13.0", monkeypatch)

    with pytest.raises(InputError) as raised:
        find_device(driver)

    message = str(raised.value)
    assert torch.__version__ in message
    assert "CUDA 13.0" in message
    assert DRIVER in message
    assert "GCC" not in message


def test_an_empty_driver_file_is_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built_for("13.0", monkeypatch)
    (tmp_path / "version").touch()

    with pytest.raises(InputError, match="the driver is: unknown"):
        find_device(tmp_path / "version")


@pytest.mark.parametrize("visible", ["", "-1"])
def test_hiding_the_gpu_asks_for_the_cpu(
    driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    built_for("13.0", monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert find_device(driver) == torch.device("cpu")


def test_choosing_a_gpu_does_not(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built_for("13.0", monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    with pytest.raises(InputError, match="PyTorch cannot use"):
        find_device(driver)


@pytest.mark.parametrize("cuda", ["13.0", None])
def test_a_machine_without_a_gpu_trains_on_its_cpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cuda: str | None,
) -> None:
    built_for(cuda, monkeypatch)

    assert find_device(tmp_path / "version") == torch.device("cpu")

    threads = torch.get_num_threads()
    assert capsys.readouterr().out == f"Training on the CPU, {threads} threads; no GPU.\n"


def test_a_build_for_cpus_says_that_it_leaves_the_gpu_idle(
    driver: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built_for(None, monkeypatch)

    assert find_device(driver) == torch.device("cpu")

    assert "no GPU, which this build of PyTorch does not support." in capsys.readouterr().out


def test_a_gpu_that_works_is_used_and_named(
    driver: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built_for("12.6", monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")

    assert find_device(driver) == torch.device("cuda")

    assert capsys.readouterr().out == "Training on the GPU Tesla T4.\n"


def test_a_build_without_cuda_is_bad_input_in_a_container(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_for(None, monkeypatch)

    with pytest.raises(InputError, match="was built without CUDA"):
        find_device(driver, in_container=True)
