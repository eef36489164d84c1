"""The device that a job trains on."""

import os
from pathlib import Path

import torch

from training.errors import BadInput

DRIVER = Path("/proc/driver/nvidia/version")
"""What the NVIDIA driver says of itself; there only if one is loaded."""


def find_device(driver: Path = DRIVER) -> torch.device:
    """Return the device to train on and print it.

    Parameters
    ----------
    driver
        File that exists only on a machine with an NVIDIA driver.

    Raises
    ------
    BadInput
        If the machine has a GPU that PyTorch cannot use: training on the CPU of a GPU instance
        would cost many times as much. ``CUDA_VISIBLE_DEVICES`` empty or -1 asks for the CPU.
    """
    if torch.cuda.is_available():
        print(f"Training on the GPU {torch.cuda.get_device_name()}.", flush=True)
        return torch.device("cuda")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if driver.exists() and torch.version.cuda is not None and not hidden:
        raise BadInput(
            f"This machine has an NVIDIA GPU that PyTorch cannot use. PyTorch {torch.__version__} "
            f"was built for CUDA {torch.version.cuda}; the driver is: {_first_line(driver)}. Build "
            "the training image on a base whose CUDA version the driver supports (see "
            "training/README.md), or set CUDA_VISIBLE_DEVICES to nothing to train on the CPU."
        )
    note = ", which this build of PyTorch does not support" if driver.exists() else ""
    print(f"Training on the CPU, {torch.get_num_threads()} threads; no GPU{note}.", flush=True)
    return torch.device("cpu")


def _first_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[0].strip() if lines else "unknown"
