"""What all workers of a test run need, made by the first that asks for it."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """Return what `make` made in a folder that all workers read and nobody changes.

    Parameters
    ----------
    factory
        Knows the folder of this run.
    name
        Name of the folder.
    make
        Fills a folder, which does not exist yet; what it returns can be pickled.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The run's folder has one of each worker.
        base = base.parent
    folder, result = base / name, base / f"{name}.pickle"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            # What is left of a worker that failed at it.
            shutil.rmtree(folder, ignore_errors=True)
            result.write_bytes(pickle.dumps(make(folder)))
    made: Made = pickle.loads(result.read_bytes())
    return made
