"""A newcomer's first day: docs/getting-started.md, followed from the clone to the deployment."""

import sys
from pathlib import Path

import pytest

from local import samples
from tests.following import SETUP, Block, Follower, checkout, environment, read_sections

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "getting-started.md"
PIPELINE = "Add a pipeline"
"""Section that tests/pipelines follows: it needs the SageMaker SDK."""

INSTEAD = {
    "make setup": SETUP,
    # Fewer drawings than a newcomer's.
    "make run": 'mkdir -p .local && cp -r "$DRAWN" .local/samples && make run',
    # `make redeploy` has built the same template, for the Python of this computer.
    ".venv/bin/sam build --config-env dev": "test -f .local/build/template.yaml",
    ".venv/bin/sam deploy --config-env dev": (
        '.venv/bin/sam deploy --config-env dev --config-file "$PWD/samconfig.toml" '
        "--template-file .local/build/template.yaml"
    ),
}


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not (ROOT / ".git").exists() or (ROOT / "project.mk").exists(),
    reason="the page begins with a clone of the application, not of a project made from it",
)
def test_the_page_leads_to_a_deployed_change(tmp_path: Path, drawn: samples.Samples) -> None:
    for name in ("work", "notes", "home"):
        (tmp_path / name).mkdir()
    checkout(ROOT, tmp_path / "origin")
    environ = environment(tmp_path / "home") | {
        "REPOSITORY": str(tmp_path / "origin"),
        "SOURCE": str(ROOT),
        "PYTHON": sys.executable,
        "DRAWN": str(drawn.manifest.parent),
    }
    follower = Follower(tmp_path / "work", tmp_path / "notes", environ, INSTEAD)
    sections = read_sections(PAGE)
    lines = {
        line for blocks in sections.values() for one in blocks for line in one.text.split("\n")
    }
    assert PIPELINE in sections
    assert lines >= INSTEAD.keys()
    try:
        for title, blocks in sections.items():
            for block in blocks if title != PIPELINE else ():
                follower.follow(block)
    finally:
        stop(tmp_path / "work" / "gate-cam", environ)


def stop(project: Path, environ: dict[str, str]) -> None:
    """Stop what a failed test left running."""
    if (project / ".local" / "up" / "cloud.json").exists():
        Follower(project, project, environ).follow(Block("sh", "make down\n", None))
