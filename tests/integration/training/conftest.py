"""A job that was really trained, and a small one to train."""

import contextlib
import io

import pytest

from tests.unit.training.conftest import one_thread, own_signals, small_job
from tests.unit.training.jobs import Trained, make_job

__all__ = ["one_thread", "own_signals", "small_job"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    made = make_job(tmp_path_factory.mktemp("trained"))
    made.hyperparameters |= {"augmentation_type": "crop", "epochs": "10", "kv_store": "dist_sync"}
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        status = made.run()
    return Trained(made, status, log.getvalue())
