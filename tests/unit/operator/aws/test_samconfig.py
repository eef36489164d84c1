"""Which environment of samconfig.toml deploys a stack; tools/deploy.py tests its parameters."""

from pathlib import Path

import pytest

from scones_operator.aws.samconfig import find_environment, read_overrides

CONFIG = """
version = 0.1
[default.global.parameters]
stack_name = "photos"
parameter_overrides = "Threshold=0.9 LoadingBays=\\"van=A\\""

[empty.build.parameters]
cached = true

[try.deploy.parameters]
stack_name = "photos-try"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "samconfig.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("stack", "environment"), [("photos", "default"), ("photos-try", "try"), ("other", None)]
)
def test_the_environment_of_a_stack(folder: Path, stack: str, environment: str | None) -> None:
    assert find_environment(stack, folder) == environment


def test_overrides_that_are_one_text(folder: Path) -> None:
    assert read_overrides("default", folder) == {"Threshold": "0.9", "LoadingBays": "van=A"}


def test_a_folder_without_samconfig(tmp_path: Path) -> None:
    assert find_environment("photos", tmp_path) is None
