"""What unit tests share: no test reaches AWS or reads the developer's own configuration."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.core.config import default_user_config

# One boto3 session for all tests: a new one in each would read the services' models again.
default_user_config["core"]["reset_boto3_session"] = False

STATE = os.fspath(Path(__file__).parents[2] / ".local")
"""Folder of what `make up` and `make run` keep in this checkout."""

_opened: list[str] = []


def _note_state(event: str, arguments: tuple[object, ...]) -> None:
    """Note the paths in `STATE` that this process opens or lists; an audit hook."""
    if event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], str):
        path = os.path.abspath(arguments[0])  # noqa: PTH100  (pathlib would be slow here)
        if path.startswith(STATE):
            _opened.append(path)


sys.addaudithook(_note_state)


@pytest.fixture(autouse=True)
def without_local_state() -> Iterator[None]:
    """Fail a test that depends on what `make up` left in this checkout."""
    _opened.clear()
    yield
    assert not _opened, f"the test opened {_opened}, which depends on `make up`: use tmp_path"


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Start with files that all may read; commands change that for their whole process."""
    before = os.umask(0o022)
    yield
    os.umask(before)
