import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from scones_local.run import logs
from scones_local.run.logs import Line


class Logs:
    """Log groups whose events grow between two looks."""

    def __init__(self, *looks: dict[str, list[tuple[int, str]]]) -> None:
        self.looks = list(looks)
        self.now: dict[str, list[tuple[int, str]]] = {}

    def goes_on(self) -> bool:
        if not self.looks:
            return False
        self.now = self.looks.pop(0)
        return True

    def client(self, _: str) -> "Logs":
        return self

    def get_paginator(self, action: str) -> Any:
        return {"describe_log_groups": Groups, "filter_log_events": Events}[action](self.now)


class Groups:
    def __init__(self, now: dict[str, Any]) -> None:
        self.now = now

    def paginate(self) -> Any:
        # Two pages.
        return [{"logGroups": [{"logGroupName": name}]} for name in self.now]


class Events:
    def __init__(self, now: dict[str, Any]) -> None:
        self.now = now

    def paginate(self, *, logGroupName: str, startTime: int) -> Any:  # noqa: N803
        # Not all of the local cloud's events have ids.
        events = [
            {"timestamp": at, "message": message, "logStreamName": "stream"}
            for at, message in self.now[logGroupName]
            if at >= startTime
        ]
        return [{"events": events}]


def follow(*looks: dict[str, list[tuple[int, str]]], since: float = 0) -> list[tuple[str, str]]:
    logs_ = Logs(*looks)
    found = logs.follow(logs_, since, logs_.goes_on)  # type: ignore[arg-type]
    return [(line.source, line.text) for line in found]


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs.time, "sleep", lambda _: None)
    monkeypatch.setattr(logs.time, "time", lambda: 0.0)


def test_each_line_is_told_once_in_the_order_of_time() -> None:
    first = {"/aws/lambda/scones-b": [(20, "two")], "/aws/lambda/scones-a": [(10, "one")]}
    second = {"/aws/lambda/scones-b": [(20, "two"), (30, "three")], "/aws/lambda/scones-a": []}

    assert follow(first, second) == [("a", "one"), ("b", "two"), ("b", "three")]


def test_equal_lines_of_one_moment_are_told_as_often_as_they_were_written() -> None:
    look = {"/aws/lambda/scones-a": [(10, "again"), (10, "again")]}
    more = {"/aws/lambda/scones-a": [(10, "again")] * 3}

    assert follow(look, more) == [("a", "again")] * 3


def test_what_is_older_is_left_out() -> None:
    assert follow({"/aws/lambda/scones-a": [(999, "old"), (1000, "new")]}, since=1) == [
        ("a", "new")
    ]


@pytest.mark.parametrize(
    ("message", "level", "text"),
    [
        ("plain", "", "plain"),
        ('["a list"]', "", '["a list"]'),
        (
            json.dumps({"level": "WARNING", "message": "slow", "timestamp": "x", "photo": "a"}),
            "WARNING",
            'slow {"photo": "a"}',
        ),
        (json.dumps({"level": "INFO", "message": {"a": 1}}), "INFO", '{"a": 1}'),
        (
            json.dumps(
                {
                    **{"type": "TaskFailed", "execution_arn": "arn", "id": "7"},
                    "details": {"resource": "invoke", "error": "Timeout", "cause": "too slow"},
                }
            ),
            "ERROR",
            "TaskFailed invoke Timeout too slow",
        ),
        (json.dumps({"_aws": {"Timestamp": 1}, "Photos": [1.0]}), "", 'metrics {"Photos": [1.0]}'),
    ],
)
def test_what_a_line_says(message: str, level: str, text: str) -> None:
    assert logs._parse_message(message) == (level, text)


@pytest.mark.parametrize(
    ("group", "source"),
    [
        ("/aws/lambda/scones-serialize", "serialize"),
        ("/aws/vendedlogs/states/scones-retrain", "retrain machine"),
        ("/aws/sagemaker/TrainingJobs", "training job"),
        ("/aws/sagemaker/TransformJobs", "transform job"),
        ("/aws/sagemaker/Endpoints/scones", "scones endpoint"),
        ("other", "other"),
    ],
)
def test_the_source_of_a_group(group: str, source: str) -> None:
    assert logs.log_source(group) == source


def shown(line: Line) -> str:
    file = io.StringIO()
    logs.print_line(
        Console(file=file, force_terminal=True, color_system="standard", width=200), line
    )
    return file.getvalue()


def test_sources_have_colors_of_their_own_and_lines_can_t_steer_the_terminal() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    serialize = shown(Line(at, "serialize", "ERROR", "\x1b]0;title\x07 gone"))
    classify = shown(Line(at, "classify", "", "fine"))

    assert logs.source_color("serialize") != logs.source_color("classify")
    assert "\x1b]0" not in serialize
    assert "\\x1b]0;title\\x07 gone" in serialize
    assert (
        serialize.split("serialize")[0].rpartition("\x1b[")[2]
        != (classify.split("classify")[0].rpartition("\x1b[")[2])
    )
