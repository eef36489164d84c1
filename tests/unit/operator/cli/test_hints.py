"""Commands within texts, as they can be copied."""

import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from scones_operator.cli import __main__ as scones
from scones_operator.cli import context
from scones_operator.cli.hints import COMMANDS, copyable
from scones_operator.errors import PreconditionError
from tests.unit.operator.cli.terminal import Terminal


def test_every_command_is_known() -> None:
    group = typer.main.get_command(scones.app)
    assert set(COMMANDS) == set(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("`scones models` lists them", "`scones --local models` lists them"),
        (
            "scones approve 3, or scones reject 3",
            "scones --local approve 3, or scones --local reject 3",
        ),
        ("the stack scones is here", "the stack scones is here"),
        ("photos/scones data", "photos/scones data"),
    ],
)
def test_commands_and_nothing_else_are_written_anew(text: str, written: str) -> None:
    assert copyable({"local": True, "region": None})(text) == written


def test_an_option_that_is_switched_off_is_written_too() -> None:
    assert copyable({"local": False})("scones models") == "scones --no-local models"
    assert copyable({"local": None})("scones models") == "scones models"


def test_a_program_that_the_path_does_not_find_is_named_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/scones", "models"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert copyable({})("scones models") == ".venv/bin/scones models"
    program = tmp_path / "scones"
    program.touch(0o700)
    monkeypatch.setattr(sys, "argv", [str(program), "models"])
    assert copyable({})("scones models") == "scones models"


def test_hints_go_where_the_command_went(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PreconditionError("there is none: `scones models` lists them")

    monkeypatch.setattr(context.Stack, "read", refuse)
    result = terminal.type("drift", "--stack", "other")
    assert result.stderr == "error: there is none: `scones --stack other models` lists them\n"
