"""The section of docs/getting-started.md that adds a pipeline, followed in a copy."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from scones_local.cloud import lifecycle
from tests.doc_pages import SETUP, Block, Follower, checkout, environment, read_sections
from tests.pipelines.conftest import ROOT, outputs_of

BUCKET = "gate-cam-data"
PAGE = ROOT / "docs" / "getting-started.md"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[lifecycle.Cloud]:
    """A local cloud with a small dataset, as `make up` leaves one running."""
    with lifecycle.start(tmp_path / "cloud") as started:
        s3 = started.session().client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for number in range(40):
            key = f"dataset/train/{'moped' if number % 2 else 'bicycle'}/{number}.jpg"
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"photo")
        yield started


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this copy is not a Git checkout")
def test_the_page_leads_to_a_pipeline_that_runs(tmp_path: Path, running: lifecycle.Cloud) -> None:
    folder = tmp_path / "gate-cam"
    for name in ("notes", "home"):
        (tmp_path / name).mkdir()
    checkout(ROOT, folder)
    follower = Follower(folder, tmp_path / "notes", environment(tmp_path / "home"), {})
    follower.environ |= {"SOURCE": str(ROOT), "PYTHON": "python3", "DATA_BUCKET": BUCKET}
    follower.follow(Block("sh", SETUP, None))
    write_environment(folder / ".local" / "up" / "environment", running)

    for block in read_sections(PAGE)["Add a pipeline"]:
        if "$ROLE_ARN" in block.text:
            follower.environ["ROLE_ARN"] = outputs_of(running)["PipelineRoleArn"]
        follower.follow(block)


def write_environment(path: Path, running: lifecycle.Cloud) -> None:
    """Write what `make up` writes for the tools of AWS."""
    path.parent.mkdir(parents=True)
    lines = (f"export {name}={shlex.quote(value)}" for name, value in running.environ().items())
    path.write_text("\n".join(line for line in lines if line.startswith("export AWS_")) + "\n")
