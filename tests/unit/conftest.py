"""What unit tests share: no test reaches AWS or reads the developer's own configuration."""

import os
from collections.abc import Iterator

import pytest
from moto.core.config import default_user_config

# One boto3 session for all tests: a new one in each would read the services' models again.
default_user_config["core"]["reset_boto3_session"] = False


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
