import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.unit.training.jobs import Job, make_job


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    # The pictures are so small that a second thread only waits.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def small_job(tmp_path: Path) -> Job:
    return make_job(tmp_path)
