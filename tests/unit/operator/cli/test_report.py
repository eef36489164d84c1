"""`scones report` from the outside."""

import json
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scones_operator.cli.output import Output
from scones_operator.progress import ItemProgress
from scones_operator.report import render
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK
from tests.unit.results_table import START, create_table, decided, put_record


@pytest.fixture(autouse=True)
def decided_photos(session: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A photo that was decided some minutes ago."""
    monkeypatch.setattr(render, "get_plotlyjs", lambda: "var Plotly;")
    monkeypatch.chdir(tmp_path)
    client = session.client("dynamodb")
    create_table(client, STACK.results_table)
    minutes = (datetime.now(UTC) - START).total_seconds() / 60 - 5
    put_record(client, STACK.results_table, decided("7.png", minutes=minutes))
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)


def test_a_report(terminal: Terminal, tmp_path: Path) -> None:
    result = terminal.type("report")
    assert result.exit_code == 0
    assert result.stdout == "Written: build/report.html\n"
    written = (tmp_path / "build" / "report.html").read_text("utf-8")
    assert "<h1>Results for 1 photo</h1>" in written


def test_a_report_with_the_truth(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("photo,label\n7.png,bicycle\n")
    result = terminal.type(
        "--json",
        "report",
        "--truth",
        "labels.csv",
        "--output-file",
        "new/page.html",
        "--since",
        "1h",
    )
    answer = json.loads(result.stdout)
    assert (answer["report"], answer["photos"], answer["images"]) == ("new/page.html", 1, 0)
    assert "of 1 known photo" in (tmp_path / "new" / "page.html").read_text("utf-8")


def test_how_much_was_read_is_shown_meanwhile(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextmanager
    def progress_bars(_: Output) -> Iterator[Callable[[ItemProgress], None]]:
        yield lambda amount: told.append(f"{amount.title} {amount}")

    monkeypatch.setattr(Output, "progress_bars", progress_bars)
    assert terminal.type("report").exit_code == 0
    assert told == ["Results 1", "Results 1 of 1", "Captured data 0"]


def test_a_report_of_nothing(terminal: Terminal, tmp_path: Path) -> None:
    result = terminal.type("report", "--since", "1m")
    assert result.exit_code == 0
    assert "There are no results in this time range" in result.stdout
    assert "There are no results" in (tmp_path / "build" / "report.html").read_text("utf-8")


def test_a_report_is_opened(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    terminal.type("report", "--open")
    assert opened == [(Path("build") / "report.html").resolve().as_uri()]


def test_a_truth_that_can_not_be_read(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("a,b\n")
    result = terminal.type("report", "--truth", "labels.csv")
    assert result.exit_code == 1
    assert "labels.csv has no column of photos" in words(result.stderr)
    assert terminal.type("report", "--truth", "none.csv").exit_code == 2
    assert not (tmp_path / "build").exists()
