import contextlib
import io
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.unit.training.jobs import Job, Trained, make_job


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # The pictures are so small that a second thread only waits.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def small_job(tmp_path: Path) -> Job:
    return make_job(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    made = make_job(tmp_path_factory.mktemp("trained"))
    made.hyperparameters |= {"augmentation_type": "crop", "epochs": "10", "kv_store": "dist_sync"}
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        status = made.run()
    return Trained(made, status, log.getvalue())
