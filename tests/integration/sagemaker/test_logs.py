import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from scones_local.sagemaker import logs
from scones_local.sagemaker.logs import LogStream
from scones_local.sagemaker.platform import Platform
from tests.integration.sagemaker.local_sagemaker import until

DOWN = EndpointConnectionError(endpoint_url="http://127.0.0.1")


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "PutLogEvents")


class FakeLogs:
    """Takes batches, after the failures it was given."""

    exceptions = SimpleNamespace(ResourceAlreadyExistsException=FileExistsError)

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.batches: list[list[str]] = []
        self.attempts = 0

    def create_log_group(self, **_: Any) -> None:
        raise FileExistsError

    def create_log_stream(self, **_: Any) -> None:
        pass

    def put_log_events(self, **members: Any) -> None:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append([event["message"] for event in members["logEvents"]])

    @property
    def lines(self) -> list[str]:
        return [line for batch in self.batches for line in batch]


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeLogs], LogStream]:
    monkeypatch.setattr(logs, "_FLUSH_SECONDS", 0.01)

    def make(fake: FakeLogs) -> LogStream:
        platform = Platform(tmp_path, "1", "us-east-1", lambda *_: fake, lambda *_: None, images={})
        return LogStream(platform, None, "group", "stream")

    return make


def test_a_failure_loses_no_line(stream: Callable[[FakeLogs], LogStream]) -> None:
    fake = FakeLogs(DOWN, refused("ThrottlingException"))
    written = stream(fake)
    written.write("one")
    until(lambda: fake.lines)
    written.write("two")
    until(lambda: len(fake.lines) == 2)
    written.close()
    assert fake.lines == ["one", "two"]


def test_what_is_left_is_sent_again_after_the_close(
    stream: Callable[[FakeLogs], LogStream],
) -> None:
    fake = FakeLogs(DOWN, DOWN)
    written = stream(fake)
    written.write("last")
    written.close()
    assert until(lambda: fake.lines) == ["last"]


def test_nothing_is_kept_for_a_role_that_may_not_write(
    stream: Callable[[FakeLogs], LogStream],
) -> None:
    fake = FakeLogs(refused("AccessDeniedException"))
    written = stream(fake)
    written.write("one")
    until(lambda: fake.attempts)
    until(written._denied.is_set)
    written.write("two")
    time.sleep(0.1)
    assert (fake.attempts, fake.lines, written._lines) == (1, [], [])
    written.close()


def test_a_call_has_at_most_a_mebibyte(stream: Callable[[FakeLogs], LogStream]) -> None:
    fake = FakeLogs()
    written = stream(fake)
    for line in ("x" * 5000, "é" * 600_000, "y" * 600_000, "z" * 600_000):
        written.write(line)
    written.close()
    until(lambda: len(fake.lines) == 4)
    assert fake.lines[0] == "x" * 5000
    for batch in fake.batches:
        assert sum(len(line.encode()) + 26 for line in batch) <= 1_048_576
    assert len(fake.lines[1]) == (1_048_576 - 26) // 2
