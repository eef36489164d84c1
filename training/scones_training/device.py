"""The device that a job trains on."""

import os
from pathlib import Path

import torch

from scones_training.errors import InputError

DRIVER_FILE = Path("/proc/driver/nvidia/version")
"""File with the version of the NVIDIA driver; exists only if one is loaded."""


def find_device(driver: Path = DRIVER_FILE, *, in_container: bool = False) -> torch.device:
    """Return the device to train on and print it.

    Parameters
    ----------
    driver
        File that exists only on a machine with an NVIDIA driver.
    in_container
        Whether this is a training container, whose instance was chosen for its GPU. Elsewhere a
        build of PyTorch without CUDA is a choice.

    Raises
    ------
    InputError
        If the machine has a GPU that PyTorch cannot use: training on the CPU of a GPU instance
        would cost many times as much. ``CUDA_VISIBLE_DEVICES`` empty or -1 asks for the CPU.
    """
    if torch.cuda.is_available():
        print(f"Training on the GPU {torch.cuda.get_device_name()}.", flush=True)
        return torch.device("cuda")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    expected = in_container or torch.version.cuda is not None
    if driver.exists() and expected and not hidden:
        built_for = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        raise InputError(
            f"This machine has an NVIDIA GPU that PyTorch cannot use. PyTorch {torch.__version__} "
            f"was built {built_for}; the driver is: {_first_line(driver)}. Build "
            "the training image on a base whose CUDA version the driver supports (see "
            "training/README.md), or set CUDA_VISIBLE_DEVICES to nothing to train on the CPU."
        )
    note = ", which this build of PyTorch does not support" if driver.exists() else ""
    print(f"Training on the CPU, {torch.get_num_threads()} threads; no GPU{note}.", flush=True)
    return torch.device("cpu")


def _first_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[0].strip() if lines else "unknown"
