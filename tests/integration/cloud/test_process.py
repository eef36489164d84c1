"""The server starts once, on the loopback interface, and leaves nothing behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from scones_local.cloud import lifecycle
from tests.integration.cloud.tiny_app import TinyApp, eventually

SLEEPS = """
import os, subprocess, time

def handler(event, context):
    child = subprocess.Popen(["sleep", "600"])
    open(event["note"], "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[lifecycle.Cloud]:
    running = lifecycle.start(tmp_path / "state")
    yield running
    running.stop()


def busy_processes(running: lifecycle.Cloud, note: Path) -> list[int]:
    """Let a function run a child, and give the ids of both."""
    app = TinyApp(running.session(), running.account, running.region)
    function = app.function(SLEEPS, Timeout=600)
    app.client("lambda").invoke(
        FunctionName=function,
        InvocationType="Event",
        Payload=json.dumps({"note": str(note)}).encode(),
    )
    assert eventually(lambda: note.exists() and len(note.read_text().split()) == 2)
    return [int(pid) for pid in note.read_text().split()]


def alive(pids: list[int]) -> list[int]:
    """Give those that run; a zombie, which only its parent can remove, doesn't."""
    shown = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-p", ",".join(map(str, pids))],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    lines = [line.split() for line in shown.splitlines()]
    return [int(pid) for pid, state in lines if not state.startswith("Z")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_server(
    started: lifecycle.Cloud, tmp_path: Path, number: signal.Signals
) -> None:
    pids = busy_processes(started, tmp_path / "note")
    assert alive([*pids, started.pid]) == sorted([*pids, started.pid])
    os.kill(started.pid, number)
    assert eventually(lambda: not alive([*pids, started.pid]))


def test_nothing_but_the_log_stays_after_a_stop(started: lifecycle.Cloud, tmp_path: Path) -> None:
    busy_processes(started, tmp_path / "note")
    started.session().client("s3").create_bucket(Bucket="bucket")
    started.stop()
    left = sorted(path.name for path in started.state.iterdir())
    assert left == ["cloud.lock", "cloud.log"]


def test_a_start_after_a_kill_works(started: lifecycle.Cloud) -> None:
    os.kill(started.pid, signal.SIGKILL)
    assert eventually(lambda: not alive([started.pid]))
    with lifecycle.start(started.state) as again:
        assert again.session().client("s3").list_buckets()["Buckets"] == []


def test_a_second_start_in_the_same_folder_is_refused(started: lifecycle.Cloud) -> None:
    with pytest.raises(lifecycle.CloudError, match="another one is running"):
        lifecycle.start(started.state)
    assert started.session().client("sts").get_caller_identity()["Account"] == started.account


def test_a_taken_port_is_refused(started: lifecycle.Cloud, tmp_path: Path) -> None:
    port = int(started.endpoint.rsplit(":", 1)[-1])
    with pytest.raises(lifecycle.CloudError, match=str(port)):
        lifecycle.start(tmp_path / "other", port)


def test_a_failing_start_tells_the_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "broken" / "ministack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('a broken installation')")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    with pytest.raises(lifecycle.CloudError, match="a broken installation"):
        lifecycle.start(tmp_path / "state")


def test_it_listens_on_loopback_only(started: lifecycle.Cloud) -> None:
    port = int(started.endpoint.rsplit(":", 1)[-1])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    # Connecting a datagram socket sends nothing; it tells the address others know us by.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port), timeout=5)


def test_it_is_found_by_its_folder(started: lifecycle.Cloud, tmp_path: Path) -> None:
    assert lifecycle.attach(started.state) == started
    with pytest.raises(lifecycle.CloudError, match="no local cloud"):
        lifecycle.attach(tmp_path)


def test_only_its_user_reads_the_credentials(started: lifecycle.Cloud) -> None:
    for name in ("cloud.json", "cloud.log"):
        assert stat.S_IMODE((started.state / name).stat().st_mode) == 0o600


def test_another_program_talks_to_it_by_its_environment(
    started: lifecycle.Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:9")
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env=started.environ(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.strip() == started.account


def test_a_session_does_not_see_the_users_settings(
    started: lifecycle.Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:9")
    identity = started.session().client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{started.account}:root"


# Starts one, tells where it is, and then does nothing.
PARENT = """
import sys, time
from pathlib import Path
from scones_local.cloud import lifecycle
running = lifecycle.{start}(Path(sys.argv[1]))
print(running.pid, flush=True)
time.sleep(600)
"""


@contextmanager
def parent(start: str, state: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(start=start), str(state)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_it_does_not_outlive_a_killed_parent(tmp_path: Path, number: signal.Signals) -> None:
    with parent("start", tmp_path / "state") as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert alive([pid])
        process.send_signal(number)
        assert eventually(lambda: not alive([pid]))
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [
        "cloud.lock",
        "cloud.log",
    ]


def test_one_that_is_launched_stays(tmp_path: Path) -> None:
    with parent("start_detached", tmp_path / "state") as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
    try:
        assert not eventually(lambda: not alive([pid]), 1)
        running = lifecycle.attach(tmp_path / "state")
        assert running.session().client("s3").list_buckets()["Buckets"] == []
    finally:
        lifecycle.attach(tmp_path / "state").stop()
    assert not alive([pid])


def test_an_interrupted_start_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned: list[int] = []

    def interrupt(_: Any, process: "subprocess.Popen[str]") -> None:
        spawned.append(process.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "_wait_until_ready", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.start(tmp_path / "state")
    assert len(spawned) == 1
    assert not alive(spawned)


def test_a_waiting_execution_does_not_delay_the_stop(started: lifecycle.Cloud) -> None:
    app = TinyApp(started.session(), started.account, started.region)
    machine = app.machine({"Wait": {"Type": "Wait", "Seconds": 250, "End": True}})
    asking = threading.Thread(target=lambda: _ignore(lambda: app.run(machine)), daemon=True)
    asking.start()
    executions = app.client("stepfunctions")
    time.sleep(1)
    assert executions.list_state_machines()["stateMachines"]
    os.kill(started.pid, signal.SIGTERM)
    # It ends by itself, and not because it took too long.
    assert eventually(lambda: not alive([started.pid]), lifecycle._STOP_SECONDS)
    assert "forced" not in (started.state / "cloud.log").read_text()
    assert sorted(path.name for path in started.state.iterdir()) == ["cloud.lock", "cloud.log"]


def test_what_others_put_into_its_folder_goes_too(started: lifecycle.Cloud) -> None:
    (started.state / "environment").touch()
    (started.state / "sam" / "deeper").mkdir(parents=True)
    os.kill(started.pid, signal.SIGKILL)
    assert eventually(lambda: not alive([started.pid]))
    started.stop()
    assert sorted(path.name for path in started.state.iterdir()) == ["cloud.lock", "cloud.log"]


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(lifecycle.CloudError, match="not empty"):
        lifecycle.start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def _ignore(work: Callable[[], Any]) -> None:
    with suppress(Exception):
        work()
