import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError, InvalidConfigError

from scones_operator.aws import configuration
from scones_operator.aws.configuration import ConfiguredSession
from scones_operator.aws.session import aws_session


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path / "config"


def use_program(config: Path, text: str) -> Path:
    """Make a program the `credential_process`."""
    program = config.parent / "program.py"
    program.write_text(text)
    config.write_text(f"[default]\ncredential_process={sys.executable} {program}\n")
    return program


def credentials(expires_at: datetime) -> str:
    """Return a program that prints credentials."""
    keys = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}
    return f"print({json.dumps({'Version': 1, 'Expiration': expires_at.isoformat(), **keys})!r})"


def test_credentials_of_a_program(config: Path) -> None:
    use_program(config, credentials(datetime.now(UTC) + timedelta(hours=1)))
    session = ConfiguredSession()
    found = session.get_credentials()
    assert found is not None
    assert found.get_frozen_credentials()[:3] == ("a", "b", "c")
    assert session.get_credentials() is found


def test_a_program_that_does_not_end(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "PROCESS_TIMEOUT_SECONDS", 0.5)
    use_program(config, "import time; time.sleep(100)")
    with pytest.raises(CredentialRetrievalError, match=r"did not finish within 0\.5 s"):
        ConfiguredSession().get_credentials()


@pytest.mark.parametrize("later", ["print('hello')", credentials(datetime(2020, 1, 1, tzinfo=UTC))])
def test_a_program_that_fails_when_credentials_are_renewed(
    config: Path, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    program = use_program(config, credentials(datetime.now(UTC) + timedelta(hours=1)))
    found = ConfiguredSession().get_credentials()
    assert isinstance(found, RefreshableCredentials)
    program.write_text(later)
    monkeypatch.setattr(found, "_mandatory_refresh_timeout", 7200)
    monkeypatch.setattr(found, "_advisory_refresh_timeout", 7200)
    with pytest.raises(CredentialRetrievalError, match=r"not a JSON object|still expired"):
        found.get_frozen_credentials()


@pytest.mark.parametrize("command", ["", "/nowhere/program", "/", 'program "a'])
def test_a_program_that_can_not_be_run(config: Path, command: str) -> None:
    config.write_text(f"[default]\ncredential_process={command}\n")
    with pytest.raises(CredentialRetrievalError):
        ConfiguredSession().get_credentials()


def test_no_credentials_at_all(config: Path) -> None:
    session = ConfiguredSession()
    assert session.get_credentials() is session.get_credentials() is None


def test_a_port_that_is_none(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://localhost:99999")
    with pytest.raises(
        InvalidConfigError, match="endpoint in AWS_ENDPOINT_URL_S3 cannot be used for s3"
    ):
        aws_session(None, "eu-west-1").client("s3")


@pytest.mark.parametrize(
    ("given", "variables", "region"),
    [
        ("us-west-1", {"AWS_REGION": "eu-west-1"}, "us-west-1"),
        (None, {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        (None, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        (None, {}, "eu-west-3"),
    ],
)
def test_region(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    variables: dict[str, str],
    region: str,
) -> None:
    config.write_text("[default]\nregion=eu-west-3\n")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert aws_session(None, given).region_name == region
