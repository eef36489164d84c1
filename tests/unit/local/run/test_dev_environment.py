import io
import json
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scones_local.cloud.lifecycle import Cloud
from scones_local.lambda_runtime import DebugRequest
from scones_local.run import dev_environment
from scones_local.run.application import Settings
from scones_local.run.debugging import DebuggedFunction
from scones_local.run.logs import Line
from scones_local.run.output import Output
from scones_local.run.photo_folder import Dataset, LabeledPhoto
from tests.unit.operator.deployed import STACK


class Bucket:
    """Takes one photo."""

    def client(self, _: str) -> "Bucket":
        return self

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> Any:  # noqa: N803
        assert (Bucket, Key, Body) == ("photos", "incoming/my van.png", b"photo")
        return {"VersionId": "v1", "ETag": '"e1"'}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    photo = tmp_path / "my van.png"
    photo.write_bytes(b"photo")
    photos = (LabeledPhoto(photo, "a"),) * 40
    return Dataset(("a", "b"), photos, photos[:1])


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    stopped: list[Path] = []

    def launch(state: Path) -> Cloud:
        state.mkdir(parents=True)
        return Cloud(state, "http://127.0.0.1:7", "us-east-1", "123456789012", "key", "se cret", 1)

    monkeypatch.setattr(dev_environment.lifecycle, "start_detached", launch)
    monkeypatch.setattr(Cloud, "session", lambda _: Bucket())
    monkeypatch.setattr(Cloud, "stop", lambda cloud: stopped.append(cloud.state))
    return stopped


def up(dataset: Dataset, work: Path) -> str:
    file = io.StringIO()
    dev_environment.up(dataset, Settings(), Output(Console(file=file, width=80)), work)
    return file.getvalue()


def test_what_up_leaves_for_its_user(
    dataset: Dataset, stopped: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_environment, "deploy_and_train", lambda *_: (STACK, None))

    said = up(dataset, tmp_path / "my work")

    state = tmp_path / "my work" / "up"
    assert f"  . '{state / 'environment'}'\n" in said
    assert f"invoke SerializeFunction '{state / 'serialize.json'}'\n" in said
    assert json.loads((state / "serialize.json").read_text("utf-8")) == {
        **{"bucket": "photos", "key": "incoming/my van.png"},
        **{"version_id": "v1", "etag": "e1", "size": 5},
    }
    assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {0o600}
    assert stopped == []


def test_environment_leads_away_from_the_users_own_account(
    dataset: Dataset, stopped: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_environment, "deploy_and_train", lambda *_: (STACK, None))
    up(dataset, tmp_path)

    script = f'. "{tmp_path}/up/environment"; env'
    env = {"AWS_PROFILE": "mine", "AWS_SESSION_TOKEN": "mine", "PATH": "/usr/bin:/bin"}
    told = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=True)

    variables = dict(line.split("=", 1) for line in told.stdout.splitlines())
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:7"
    assert variables["AWS_SECRET_ACCESS_KEY"] == "se cret"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(variables)


def test_failed_start_leaves_nothing_running(
    dataset: Dataset, stopped: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(dev_environment, "deploy_and_train", interrupt)

    with pytest.raises(KeyboardInterrupt):
        up(dataset, tmp_path)

    assert stopped == [tmp_path / "up"]


def test_logs_say_each_time_that_a_function_begins_to_wait(
    stopped: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = dev_environment.lifecycle.start_detached(tmp_path / "up")
    request = DebugRequest(5679, (), tmp_path / "serialize.json")
    waiting = tmp_path / "serialize.waiting"
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def follow(session: Any, since: float, goes_on: Any) -> Iterator[Line]:
        for waits in (True, True, False, True):
            waiting.touch() if waits else waiting.unlink()
            assert not goes_on()  # nobody holds the folder
        yield Line(at, "serialize", "INFO", "serialized")
        raise KeyboardInterrupt

    monkeypatch.setattr(dev_environment.lifecycle, "attach", lambda _: running)
    debugged = nullcontext(DebuggedFunction("serialize", request))
    monkeypatch.setattr(dev_environment, "debugging", lambda *_: debugged)
    monkeypatch.setattr(dev_environment.logs, "follow", follow)
    file = io.StringIO()

    dev_environment.follow_logs(Console(file=file, width=300), tmp_path, "serialize", 5679)

    first, *others = file.getvalue().splitlines()
    assert "serialize waits for a debugger at 127.0.0.1:5679" in first
    assert others[:2] == ["serialize waits: attach your debugger now"] * 2
    assert others[2].endswith("INFO serialized")
