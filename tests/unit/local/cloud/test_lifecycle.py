import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scones_local.cloud import lifecycle
from scones_local.cloud.lifecycle import Cloud, CloudError
from scones_local.cloud.state import StateFolder

DESCRIPTION = {
    "endpoint": "http://127.0.0.1:1",
    "region": "us-east-1",
    "account": "123456789012",
    "access_key": "AKIAEXAMPLE",
    "secret_key": "secret",
    "pid": 0,
}


def test_none_is_found_where_none_ever_ran(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match="no local cloud is running"):
        lifecycle.attach(tmp_path)


def test_one_that_was_killed_is_not_found(tmp_path: Path) -> None:
    # What SIGKILL leaves: a description, and a lock that nobody holds.
    (tmp_path / "cloud.json").write_text(json.dumps(DESCRIPTION))
    (tmp_path / "cloud.lock").touch()
    with pytest.raises(CloudError, match="no local cloud is running"):
        lifecycle.attach(tmp_path)


def test_others_can_t_look_into_a_folder_that_was_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    os.close(StateFolder(tmp_path).lock())

    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_stopping_one_that_is_gone_harms_nobody(
    tmp_path: Path, bystander: "subprocess.Popen[bytes]"
) -> None:
    # Its process id may be another's by now.
    (tmp_path / "cloud.lock").touch()
    others = DESCRIPTION | {"pid": bystander.pid}
    Cloud(state=tmp_path, **others).stop()  # type: ignore[arg-type]
    assert bystander.poll() is None


def test_looking_for_one_does_not_keep_another_from_starting(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    (tmp_path / "cloud.lock").touch()
    with (tmp_path / "cloud.lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not folder.is_locked()


def test_proxy_exceptions_of_the_user_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.setenv("no_proxy", "example.org")
    environment = Cloud(state=tmp_path, **DESCRIPTION).environ()  # type: ignore[arg-type]
    for name in ("NO_PROXY", "no_proxy"):
        assert set(environment[name].split(",")) == {"example.com", "example.org", "127.0.0.1"}


def test_a_programs_environment_has_nothing_of_the_users_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://example.com")
    monkeypatch.setenv("KEPT", "1")
    environment = Cloud(state=tmp_path, **DESCRIPTION).environ()  # type: ignore[arg-type]
    assert "AWS_PROFILE" not in environment
    assert "AWS_ENDPOINT_URL_S3" not in environment
    assert environment["KEPT"] == "1"
    assert environment["AWS_ENDPOINT_URL"] == DESCRIPTION["endpoint"]
    assert environment["SAM_CLI_TELEMETRY"] == "0"
