"""`scones captures` from the outside."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.operator.captures.files import PICTURE, line
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def capture(session: Any) -> Callable[..., None]:
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)

    def run(*numbers: int, ago: timedelta = timedelta(minutes=5), end: str = "\n") -> None:
        at = NOW - ago
        lines = [line(number, at + timedelta(seconds=number)) for number in numbers]
        key = f"captures/scones/AllTraffic/{at:%Y/%m/%d/%H/%M-%S}-000-id.jsonl"
        session.client("s3").put_object(
            Bucket=STACK.data_bucket, Key=key, Body="\n".join(lines) + end
        )

    return run


def test_what_was_captured_is_shown_the_latest_first(
    terminal: Terminal, capture: Callable[..., None]
) -> None:
    capture(1, 2)
    result = terminal.type("captures")
    assert result.exit_code == 0
    head, first, second, note = result.stdout.splitlines()
    assert head.split() == ["requested", "at", "predicted", "label", "confidence", "image"]
    assert first.split()[2:] == ["bicycle", "0.750", str(len(PICTURE) + 1), "bytes"]
    assert first > second
    assert note.startswith("2 records from ")


def test_nothing_was_captured(terminal: Terminal, capture: Callable[..., None]) -> None:
    capture(1, ago=timedelta(days=2))
    result = terminal.type("captures", "--since", "24h")
    assert result.exit_code == 0
    assert "No captured data of scones from" in words(result.stdout)
    assert "1 record from" in terminal.type("captures", "--since", "3d").stdout
    assert "No captured" in terminal.type("captures", "--since", "3d", "--until", "49h").stdout


def test_pictures_and_records_on_disk(
    terminal: Terminal, capture: Callable[..., None], tmp_path: Path
) -> None:
    capture(2, 1)
    folder = tmp_path / "captured"
    result = terminal.type("--json", "captures", "--output-dir", str(folder))
    answer = json.loads(result.stdout)
    assert answer["file"] == str(folder / "captures.jsonl")
    rows = [json.loads(text) for text in (folder / "captures.jsonl").read_text().splitlines()]
    assert rows == answer["records"]
    assert [row["id"] for row in rows] == ["event-1", "event-2"]
    assert (folder / rows[0]["image"]).read_bytes() == PICTURE + b"\x01"
    assert len(list(folder.iterdir())) == 3
    assert result.stderr == ""


def test_the_latest_ones(terminal: Terminal, capture: Callable[..., None]) -> None:
    capture(1, 2, ago=timedelta(minutes=9))
    capture(3, 4)
    answer = json.loads(terminal.type("--json", "captures", "--limit", "3").stdout)
    assert [row["id"] for row in answer["records"]] == ["event-2", "event-3", "event-4"]
    assert "The latest 3 records" in terminal.type("captures", "--limit", "3").stdout


def test_more_than_a_screen_takes(terminal: Terminal, capture: Callable[..., None]) -> None:
    capture(*range(30))
    lines = terminal.type("captures").stdout.splitlines()
    assert len(lines) < 30
    assert "30 records" in " ".join(lines)
    assert "the latest 25 are shown" in " ".join(lines)


def test_damage_is_told(terminal: Terminal, capture: Callable[..., None]) -> None:
    capture(1, end='\n{"captureData":')
    result = terminal.type("captures")
    assert result.exit_code == 1
    assert "1 record " in result.stdout
    assert "Cannot be read: s3://data/captures/scones" in words(result.stdout)
    assert "line 2: the record is incomplete" in words(result.stdout)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--since", "yesterday"], "'yesterday' is not a valid time"),
        (["--since", "1h", "--until", "2h"], "--since must be earlier than --until"),
        (["--limit", "0"], "greater than or equal to 1"),
    ],
)
def test_wrong_usage(terminal: Terminal, options: list[str], said: str) -> None:
    result = terminal.type("captures", *options)
    assert result.exit_code == 2
    assert said in words(result.stderr)
