"""`scones delete` as it is typed."""

import json
from typing import Any

import pytest

from scones_operator.aws import stack_deletion
from scones_operator.aws.stack_deletion import DeletionPlan, StackResource
from tests.unit.operator.cli.terminal import Terminal, words


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was removed of a stack with a bucket."""
    names: list[str] = []
    items = [
        StackResource("bucket", "scones-photos", lambda: names.append("scones-photos")),
        StackResource("stack", "scones", lambda: names.append("scones")),
    ]

    def find(session: Any, name: str) -> DeletionPlan:
        assert name == "scones"
        return DeletionPlan(name, items, ["Images in ECR."])

    def delete(session: Any, found: DeletionPlan, tell: Any) -> None:
        for item in found.items:
            item.remove()
            tell(item)

    monkeypatch.setattr(stack_deletion, "plan_deletion", find)
    monkeypatch.setattr(stack_deletion, "delete_stack", delete)
    return names


def test_what_is_deleted_and_kept_is_listed_first(terminal: Terminal, removed: list[str]) -> None:
    result = terminal.type("delete", "--dry-run")

    assert result.exit_code == 0
    assert "bucket scones-photos" in words(result.stdout)
    assert "1 x bucket, 1 x stack" in words(result.stdout)
    assert "Kept: - Images in ECR." in words(result.stdout)
    assert removed == []


def test_json(terminal: Terminal, removed: list[str]) -> None:
    assert json.loads(terminal.type("delete", "--dry-run", "--json").stdout) == {
        "stack": "scones",
        "dry_run": True,
        "items": [
            {"kind": "bucket", "name": "scones-photos"},
            {"kind": "stack", "name": "scones"},
        ],
        "kept": ["Images in ECR."],
    }


@pytest.mark.parametrize("answer", ["", "y\n", "scone\n"])
def test_only_the_name_of_the_stack_confirms(
    terminal: Terminal, removed: list[str], answer: str
) -> None:
    result = terminal.type("delete", typed=answer)

    assert result.exit_code == 1
    assert "nothing was deleted: type the name of the stack to confirm, or give --yes" in words(
        result.stderr
    )
    assert removed == []


@pytest.mark.parametrize(("options", "answer"), [([], "scones\n"), (["--yes"], "")])
def test_a_stack_is_deleted(
    terminal: Terminal, removed: list[str], options: list[str], answer: str
) -> None:
    result = terminal.type("delete", *options, typed=answer)

    assert result.exit_code == 0, result.output
    assert removed == ["scones-photos", "scones"]
    assert "Deleted the stack scones." in words(result.stderr)


def test_a_stack_that_does_not_exist(terminal: Terminal) -> None:
    result = terminal.type("delete", "--stack", "other", "--yes")

    assert result.exit_code == 1
    assert "stack other does not exist in us-east-1: it was deleted already" in words(result.stderr)
