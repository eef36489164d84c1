"""The state of an unfinished training, kept where SageMaker copies it to S3.

A spot job that is interrupted starts again with the folder as it was.
"""

import errno
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scones_training.classifier import Classifier
from scones_training.dataset import Splits
from scones_training.hyperparameters import Hyperparameters

NAME = "checkpoint.pt"

State = dict[str, Any]


def fingerprint(hyperparameters: Hyperparameters, splits: Splits, start: Classifier) -> str:
    """Digest what a training depends on: only the same training may be resumed.

    Parameters
    ----------
    hyperparameters, splits
        What is trained with, and on.
    start
        What the training starts from.
    """
    digest = hashlib.sha256(hyperparameters.model_dump_json().encode())
    digest.update(start.mean.device.type.encode())  # its scaler's state differs
    for images in filter(None, (splits.train, splits.negatives)):
        digest.update(images.labels.tobytes())
        digest.update(np.ascontiguousarray(images.pixels).data)
    for name, value in start.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()


def save(folder: Path, state: State) -> None:
    """Replace the folder's checkpoint in one step, so that an interruption leaves a whole one.

    It is written beside the folder, as SageMaker copies whatever it finds inside.
    """
    with tempfile.TemporaryDirectory(prefix="checkpoint-", dir=folder.parent) as temporary:
        written = Path(temporary) / NAME
        torch.save(state, written)
        _move_into_place(written, folder / NAME)


def _move_into_place(written: Path, target: Path) -> None:
    try:
        written.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The folder is a mount of its own, so only a file inside can be renamed.
        inside = target.with_name(f"{NAME}.part")
        shutil.copyfile(written, inside)
        inside.replace(target)


def load(folder: Path, fingerprint: str) -> State | None:
    """Return the state of the same training, or None where there is none to resume.

    Parameters
    ----------
    folder
        Where the checkpoint may be.
    fingerprint
        Of the training to resume, as the checkpoint's ``fingerprint`` must be.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling what is broken raises anything
        print(f"Ignored a checkpoint that can't be read: {error!r}", flush=True)
        return None
    if state.get("fingerprint") != fingerprint:
        print("Ignored a checkpoint of other data or hyperparameters.", flush=True)
        return None
    return state
