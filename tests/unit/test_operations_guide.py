"""docs/operations.md names each alarm, and commands that exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from botocore import xform_name
from botocore.session import get_session
from samcli.yamlhelper import yaml_parse

from scones_operator.cli.__main__ import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
CUSTOM = {"logs tail": {"--since", "--follow"}}
"""Commands of the AWS CLI that are not operations of the API, and their options."""


def text() -> str:
    return PAGE.read_text("utf-8")


def commands(program: str) -> list[str]:
    """The commands of a program on the page, in blocks and in the text."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text(), re.DOTALL)).replace("\\\n", " ")
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text(), flags=re.DOTALL))
    found = [*blocks.splitlines(), *inline]
    return sorted({" ".join(one.split()) for one in found if one.startswith(f"{program} ")})


def test_each_alarm_is_explained() -> None:
    resources = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Resources"]
    alarms = {name for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    rows = re.findall(r"^\| `(\w+Alarm)` \| (.+) \| (.+) \| (.+) \|$", text(), re.MULTILINE)

    assert sorted(name for name, *_ in rows) == sorted(alarms)
    assert all(all(cells) for cells in rows)


@pytest.mark.parametrize("command", commands("scones"))
def test_a_command_of_scones_exists(command: str) -> None:
    _, name, *words = shlex.split(command)
    group: Any = typer.main.get_command(app)
    found = group.commands[name]
    if words:  # without any, it may be a mention of the command alone
        found.make_context(name, ["1" if word == "VERSION" else word for word in words])


@pytest.mark.parametrize("command", commands("make"))
def test_a_target_of_make_exists(command: str) -> None:
    rules = "".join((ROOT / name).read_text("utf-8") for name in ("Makefile", "ci.mk"))
    target = command.split()[1]

    assert re.search(rf"^{re.escape(target)}:", rules, re.MULTILINE)


@pytest.mark.parametrize("command", commands("aws"))
def test_a_command_of_aws_is_an_operation_of_its_api(command: str) -> None:
    _, service, name, *words = shlex.split(command)
    options = {word for word in words if word.startswith("--")}
    if custom := CUSTOM.get(f"{service} {name}"):
        assert options <= custom
        return
    session = get_session()
    model = session.get_service_model("s3" if service == "s3api" else service)
    if name == "wait":
        waiters = session.create_client(service, "us-east-1").waiter_names
        waiter, *words = words
        assert waiter.replace("-", "_") in waiters
        return
    operation = next(one for one in model.operation_names if cli_name(one) == name)
    shape = model.operation_model(operation).input_shape

    assert options <= {f"--{cli_name(one)}" for one in shape.members} | {"--query"}
    given = set(flags(options))
    assert {f"--{cli_name(one)}" for one in shape.required_members} <= given


def cli_name(name: str) -> str:
    return xform_name(name, "-")


def flags(options: set[str]) -> Iterator[str]:
    """Options that give a member: `--no-…` and `--…` of a boolean are the same one."""
    for option in options:
        yield option
        yield option.replace("--no-", "--")


def test_each_reason_of_a_failed_photo_is_explained() -> None:
    events = (ROOT / "docs" / "events.md").read_text("utf-8")
    _, _, rest = events.partition("The reason of a failure is")
    codes = re.findall(r"`(\w+)`", rest.partition("or one of AWS")[0])
    explained = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text(), re.MULTILINE)

    assert "EndpointMissing" in codes
    assert set(codes) <= {code for cell in explained for code in re.findall(r"`(\w+)`", cell)}


def test_there_are_commands() -> None:
    assert len(commands("scones")) > 10
    assert len(commands("aws")) > 10
    assert commands("make")
