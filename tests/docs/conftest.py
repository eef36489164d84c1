"""Pages of the documentation are followed from a clone, with an empty home folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doc_pages import SETUP, Block, Follower, checkout, environment
from tests.sample_photos import drawn

__all__ = ["drawn"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Follower]:
    """A follower in an empty folder; stops what a page that fails leaves running."""
    if not (ROOT / ".git").exists() or (ROOT / "project.mk").exists():
        pytest.skip("pages begin with a clone of the application, not of a project made from it")
    for name in ("work", "notes", "home"):
        (tmp_path / name).mkdir()
    checkout(ROOT, tmp_path / "origin")
    environ = environment(tmp_path / "home") | {
        "REPOSITORY": str(tmp_path / "origin"),
        "SOURCE": str(ROOT),
        "PYTHON": sys.executable,
    }
    yield Follower(tmp_path / "work", tmp_path / "notes", environ, {"make setup": SETUP})
    for running in (tmp_path / "work").glob("*/.local/up/cloud.json"):
        project = running.parents[2]
        Follower(project, project, environ).follow(Block("sh", "make down\n", None))
