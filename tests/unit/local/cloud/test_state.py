"""What of a local cloud's folder outlives it."""

import os
from pathlib import Path

import pytest

from scones_local.cloud.state import StateFolder


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path)
    os.close(folder.lock())
    for name in ("cloud.json", "cloud.log", "sagemaker.kept", "parameters.json"):
        (tmp_path / name).write_text("{}")
    for name in ("s3", "lambda", "ministack", "debugging"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"1234567890")
    return folder


def names(folder: StateFolder) -> set[str]:
    return {path.name for path in folder.path.iterdir()}


def test_nothing_but_the_log_is_left(folder: StateFolder) -> None:
    folder.clear_if_free()

    assert names(folder) == {"cloud.lock", "cloud.log"}
    assert (folder.kept_port(), folder.saved_at(), folder.size()) == (None, None, 0)


def test_what_is_kept_is_left_until_it_is_discarded(folder: StateFolder) -> None:
    folder.keep(4711)
    folder.mark_saved()

    folder.clear_if_free()

    assert names(folder) == {
        *("cloud.lock", "cloud.log", "kept.json"),
        *("s3", "ministack", "sagemaker.kept", "parameters.json"),
    }
    assert folder.kept_port() == 4711
    assert folder.saved_at() is not None
    assert folder.size() > 20
    folder.discard()
    assert names(folder) == {"cloud.lock", "cloud.log"}


def test_a_server_that_lives_loses_nothing_when_it_is_discarded(folder: StateFolder) -> None:
    folder.keep(4711)
    held = folder.lock()
    try:
        folder.discard()
        assert {"s3", "ministack", "cloud.json"} <= names(folder)
        assert folder.kept_port() is None
    finally:
        os.close(held)


def test_keeping_twice_forgets_neither_the_port_nor_the_time(folder: StateFolder) -> None:
    folder.keep(4711)
    folder.mark_saved()
    saved = folder.saved_at()

    folder.keep(4712)

    assert (folder.kept_port(), folder.saved_at()) == (4711, saved)


def test_what_is_kept_is_for_its_user_only(folder: StateFolder) -> None:
    folder.keep(4711)

    assert (folder.path / "kept.json").stat().st_mode & 0o777 == 0o600
