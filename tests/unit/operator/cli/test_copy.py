"""The command `scones copy`: what it connects to and what it shows. tests/e2e copies for real."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from scones_operator.aws.stack import DEFAULT_STACK_NAME as DEFAULT_STACK
from scones_operator.models import copy, registry
from scones_operator.models.copy import CopyResult, StackLocation
from scones_operator.progress import ItemProgress
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK

METADATA = {
    "accuracy": "0.91",
    "artifacts": "s3://data/model.tar.gz",
    "artifacts_sha256": "f" * 64,
    "source_model_package": "arn:aws:sagemaker:us-east-1:123456789012:model-package/staging/3",
}


@pytest.fixture
def copied(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[StackLocation, StackLocation, int]]:
    """What is asked to be copied; the copy is version 1, and is new at the first call."""
    session.register(**METADATA)
    asked: list[tuple[StackLocation, StackLocation, int]] = []

    def copy_version(
        source: StackLocation,
        destination: StackLocation,
        number: int,
        on_progress: Callable[[ItemProgress], None],
    ) -> CopyResult:
        on_progress(ItemProgress("Copying files", 1, 1))
        asked.append((source, destination, number))
        version = registry.get_version(session, STACK, 1)
        return CopyResult(version, version, is_new=len(asked) == 1)

    monkeypatch.setattr(copy, "copy_version", copy_version)
    return asked


COPY = ("--profile", "production", "copy", "3", "--from-profile", "staging")


def test_each_stack_is_reached_with_its_own_profile(
    terminal: Terminal, copied: list[tuple[StackLocation, StackLocation, int]]
) -> None:
    result = terminal.type(*COPY, "--from-region", "eu-west-1")
    assert result.exit_code == 0
    assert set(terminal.connected) == {("staging", "eu-west-1"), ("production", None)}
    ((source, destination, number),) = copied
    assert (source.stack, destination.stack, number) == (STACK, STACK, 3)


def test_without_a_profile_the_source_is_reached_like_the_destination(
    terminal: Terminal, copied: list[tuple[StackLocation, StackLocation, int]]
) -> None:
    result = terminal.type("--profile", "mine", "copy", "3", "--from-stack", DEFAULT_STACK)
    assert (result.exit_code, len(copied)) == (0, 1)
    assert set(terminal.connected) == {("mine", None)}


@pytest.mark.usefixtures("copied")
def test_a_copy_and_the_next_command_are_shown(terminal: Terminal) -> None:
    result = terminal.type(*COPY)
    shown = words(result.stdout)
    assert "Version 1 is a copy, pending approval, of version 3 of scones." in shown
    assert METADATA["source_model_package"] in shown
    assert METADATA["artifacts_sha256"] in shown
    assert "scones --profile production approve 1" in shown


@pytest.mark.usefixtures("copied")
def test_a_repeated_copy_is_told_as_one(terminal: Terminal) -> None:
    terminal.type(*COPY)
    result = terminal.type(*COPY)
    assert "Version 1 is an earlier copy of version 3 of scones (PendingManualApproval)." in words(
        result.stdout
    )
    answer = json.loads(terminal.type("--json", *COPY).stdout)
    assert (answer["new"], answer["version"], answer["accuracy"]) == (False, 1, 0.91)
    assert answer["artifacts_sha256"] == METADATA["artifacts_sha256"]


def test_the_embedded_cloud_has_one_account(terminal: Terminal) -> None:
    result = terminal.type("--local", "copy", "3", "--from-profile", "staging")
    assert result.exit_code == 2
    assert "the local cloud has one account" in words(result.stderr)
