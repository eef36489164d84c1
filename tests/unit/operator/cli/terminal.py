"""Somebody who types commands against a stack of moto's."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from scones_operator.aws import executions
from scones_operator.aws.stack import _OUTPUTS
from scones_operator.aws.stack import DEFAULT_STACK_NAME as DEFAULT_STACK
from scones_operator.cli import __main__ as scones
from scones_operator.cli import context
from tests.unit.operator.deployed import STACK

OPTIONS = ("SCONES_STACK", "SCONES_LOCAL")


class Terminal:
    """Where commands are typed."""

    def __init__(self) -> None:
        self.connected: list[tuple[str | None, str | None]] = []

    def type(self, *words: str, typed: str | None = None, **environment: str) -> Any:
        env = {"COLUMNS": "80", **environment}
        return CliRunner().invoke(scones.app, words, input=typed, env=env)


@pytest.fixture
def terminal(session: Any, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()

    def connect(profile: str | None, region: str | None) -> Any:
        terminal.connected.append((profile, region))
        return session

    for name in OPTIONS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(context, "aws_session", connect)
    # Who waits lets the machines go on.
    clock = SimpleNamespace(sleep=lambda _: session.machines.pause())
    monkeypatch.setattr(executions, "time", clock)
    outputs = {key: {"Value": getattr(STACK, name)} for name, key in _OUTPUTS.items()}
    parameters = {
        name: {"Type": "String", "Default": value} for name, value in STACK.parameters.items()
    }
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    template = {"Resources": topic, "Outputs": outputs, "Parameters": parameters}
    session.client("cloudformation").create_stack(
        StackName=DEFAULT_STACK, TemplateBody=json.dumps(template)
    )
    return terminal


def words(text: str) -> str:
    """Give a text without its line breaks."""
    return " ".join(text.split())
