"""Jobs that were really trained, one for each kind of network, and a small one to train."""

import contextlib
import io
from pathlib import Path

import pytest

from scones_training import recipe
from tests.make_once import made_once
from tests.unit.training.conftest import one_thread, own_signals, small_job
from tests.unit.training.jobs import Job, Trained, make_job

__all__ = ["one_thread", "own_signals", "small_job"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train the residual network from random weights."""
    return made_once(tmp_path_factory, "trained", train_residual)


def train_residual(folder: Path) -> Trained:
    made = make_job(folder)
    made.hyperparameters |= {"augmentation_type": "crop", "epochs": "10", "kv_store": "dist_sync"}
    return ran(made)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train on from ImageNet weights, with photos of none of the classes.

    The last layers are trained, as if there were more photos.
    """
    return made_once(tmp_path_factory, "pretrained", train_pretrained)


def train_pretrained(folder: Path) -> Trained:
    made = make_job(folder)
    made.add_negatives(12, unusable=1)
    made.hyperparameters |= {
        "use_pretrained_model": "1",
        "augmentation_type": "crop",
        "epochs": "4",
        "num_layers": "18",
    }
    with pytest.MonkeyPatch.context() as context:
        context.setattr(recipe, "MAX_FEW_PHOTOS", 0)
        return ran(made)


def ran(job: Job) -> Trained:
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        status = job.run()
    return Trained(job, status, log.getvalue())


@pytest.fixture(params=["trained", "pretrained"])
def either(request: pytest.FixtureRequest) -> Trained:
    found: Trained = request.getfixturevalue(request.param)
    return found
