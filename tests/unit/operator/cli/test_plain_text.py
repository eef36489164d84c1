import io
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from scones_operator.cli.commands import formatting
from scones_operator.cli.output import Output
from scones_operator.cli.plain_text import EscapingTable, escape_styled, make_console
from tests.unit.operator.test_escaping import ATTACKS, shows

STYLES = re.compile(r"\x1b\[[0-9;]*m")

WAYS: dict[str, Callable[[str], RenderableType]] = {
    "string": lambda name: f"photo {name}",
    "text": lambda name: Text("photo ", style="bold") + Text(name, style="red"),
    "columns": lambda name: formatting.format_columns(
        ["photo", "x"], [[name, Text(name, style="red")]]
    )[1],
}


def screen(*, as_json: bool = False) -> tuple[Output, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=400, color_system="truecolor")
    return Output(console, console, as_json=as_json), file


def without_our_styles(output: str) -> str:
    """Return what is printed on one line."""
    assert output.count("\n") == 1
    return STYLES.sub("", output.rstrip("\n"))


@pytest.mark.parametrize("attack", [*ATTACKS.values(), "[red]x[/red]", ":warning:"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_answers(way: Callable[[str], RenderableType], attack: str) -> None:
    shown, file = screen()
    shown.print_result({}, way(attack))
    # Colors of the attack would be gone with ours: what is left of it tells.
    assert shows(without_our_styles(file.getvalue()))
    assert "[31m" in file.getvalue() or attack != ATTACKS["colors"]
    if attack in ("[red]x[/red]", ":warning:"):
        assert attack in file.getvalue()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_parts_notes_and_tables(attack: str) -> None:
    for show in (
        lambda one: one.print_item({}, Text(attack)),
        lambda one: one.print_info(attack),
    ):
        shown, file = screen()
        show(shown)
        assert shows(without_our_styles(file.getvalue()))
    table = formatting.plain_table()
    table.add_column("photo")
    table.add_row(attack)
    shown, file = screen()
    shown.print_result({}, table)
    assert shows(STYLES.sub("", file.getvalue()).replace("\n", ""))
    assert len(file.getvalue().splitlines()) == 2


@pytest.mark.parametrize("name", [*ATTACKS.values(), "it's 1.jpg", "--undo", "a\\b", "$(reboot)"])
def test_a_photo_is_one_argument_of_a_command_that_can_be_copied(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    (argument,) = shlex.split(formatting.photo_argument(f"incoming/{name}"))
    assert unquote(argument).removeprefix("incoming/") == name
    assert not argument.startswith("-")
    assert shows(argument)


def test_json_has_the_exact_name() -> None:
    record = {"keys": list(ATTACKS.values())}
    shown, file = screen(as_json=True)
    shown.print_result(record)
    assert json.loads(file.getvalue()) == record
    assert shows(file.getvalue().replace("\n", ""))


def test_styles_stay_where_they_were() -> None:
    text = Text("a\x1bb", style="dim") + Text("c\nd", style="red")
    assert escape_styled(text) == Text("a\\x1bb", style="dim") + Text("c\\x0ad", style="red")
    assert [(s.start, s.end) for s in escape_styled(text).spans] == [(6, 12)]


@pytest.mark.parametrize(("columns", "whole"), [(None, True), ("80", False)])
def test_names_in_tables_are_whole_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: str | None,
    *,
    whole: bool,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    table = EscapingTable.grid(padding=(0, 2))
    name = f"s3://bucket/{'x' * 200}.jpg"
    table.add_row("photo", name)

    make_console().print(table)

    assert (name in capsys.readouterr().out) == whole
