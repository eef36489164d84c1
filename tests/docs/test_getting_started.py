"""A newcomer's first day: docs/getting-started.md, followed from the clone to the deployment."""

import pytest

from scones_local import samples
from tests.doc_pages import Follower, read_sections
from tests.docs.conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

PAGE = ROOT / "docs" / "getting-started.md"
PIPELINE = "Add a pipeline"
"""Section that tests/pipelines follows: it needs the SageMaker SDK."""

INSTEAD = {
    # Fewer drawings than a newcomer's.
    "make run": 'mkdir -p .local && cp -r "$DRAWN" .local/samples && make run',
    # `make redeploy` has built the same template, for the Python of this computer.
    ".venv/bin/sam build --config-env dev": "test -f .local/build/template.yaml",
    ".venv/bin/sam deploy --config-env dev": (
        '.venv/bin/sam deploy --config-env dev --config-file "$PWD/samconfig.toml" '
        "--template-file .local/build/template.yaml"
    ),
}


def test_the_page_leads_to_a_deployed_change(newcomer: Follower, drawn: samples.Samples) -> None:
    newcomer.environ["DRAWN"] = str(drawn.manifest.parent)
    newcomer.replace(INSTEAD)
    sections = read_sections(PAGE)
    lines = {
        line for blocks in sections.values() for one in blocks for line in one.text.split("\n")
    }
    assert PIPELINE in sections
    assert lines >= INSTEAD.keys()
    for title, blocks in sections.items():
        for block in blocks if title != PIPELINE else ():
            newcomer.follow(block)
