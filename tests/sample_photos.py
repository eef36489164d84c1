"""Drawn photos to train on and to classify, which all workers of a test run share."""

from pathlib import Path

import pytest

from scones_local import samples
from tests.make_once import made_once


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> samples.Samples:
    return made_once(tmp_path_factory, "samples", draw)


def draw(folder: Path) -> samples.Samples:
    return samples.generate(
        folder, per_class=40, validation_per_class=30, negatives=20, photos=28, seed=7
    )
