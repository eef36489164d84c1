"""Images are built as SageMaker takes them, wherever the project builds one or says how."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BUILD = re.compile(r"docker (?:buildx )?build (?:[^`\n]|\n(?= ))*")
"""A command, with the indented lines that continue it."""


def builds() -> list[tuple[str, str]]:
    """Files and the commands in them that build an image."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [
        name
        for name in listed.stdout.splitlines()
        if name.endswith((".md", ".mk", ".yml", ".yaml", ".sh", "Makefile", "Dockerfile", ".j2"))
    ]
    return [
        (name, " ".join(command.replace("\\\n", " ").split()))
        for name in files
        for command in BUILD.findall((ROOT / name).read_text("utf-8"))
    ]


def test_commands_are_found() -> None:
    assert {name for name, _ in builds()} == {"ci.mk", "training/README.md", "pipelines/README.md"}


@pytest.mark.parametrize(("name", "command"), builds())
def test_images_have_docker_manifests(name: str, command: str) -> None:
    """SageMaker refuses OCI manifests, which the containerd store makes, and attestations are."""
    assert command.startswith("docker buildx build ")
    assert "--provenance=false" in command
    assert "--output type=docker" in command
    assert "--platform linux/amd64" in command
