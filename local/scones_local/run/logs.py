"""Follow all logs of a local cloud, each source in its own color."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from scones_operator.aws.stack import DEFAULT_STACK_NAME
from scones_operator.escaping import escape

if TYPE_CHECKING:
    import boto3

COLORS = ("cyan", "green", "magenta", "yellow", "blue", "bright_red", "bright_cyan", "bright_green")
LEVELS = {"ERROR": "bold red", "CRITICAL": "bold red", "WARNING": "yellow", "WARN": "yellow"}

_POLL_SECONDS = 0.5

# Lines of every invocation and every state.
_QUIET_PREFIXES = ("START RequestId", "END RequestId", "REPORT RequestId", "metrics ")
_QUIET_SUFFIXES = ("StateExited", "TaskScheduled", "TaskStarted", "TaskSucceeded")
_SOURCE_WIDTH = 20

# Lines may be written later than others that were made later.
_MAX_DELAY_MS = 10_000

# Members that repeat the source and the time of a line.
_COMMON_KEYS = {
    *("timestamp", "level", "message", "location", "service", "requestId", "xray_trace_id"),
    *("cold_start", "function_name", "function_memory_size", "function_arn", "logger"),
    *("function_request_id", "type", "time"),
}


@dataclass(frozen=True)
class Line:
    """A line of a log.

    Attributes
    ----------
    at
        Time of the line.
    source
        Name of its source, such as ``serialize`` or ``training job``.
    level
        Severity, such as ``ERROR``; empty if the line has none.
    text
        The message.
    """

    at: datetime
    source: str
    level: str
    text: str


def follow(
    session: "boto3.Session", since: float, should_continue: Callable[[], bool]
) -> Iterator[Line]:
    """Yield new lines of all logs.

    Parameters
    ----------
    session
        Session for the local cloud.
    since
        Time of the earliest line, in seconds since 1970.
    should_continue
        Called before each look; False ends the iteration.
    """
    client = session.client("logs")
    start, seen = int(since * 1000), _SeenEvents()
    while should_continue():
        polled_at = int(time.time() * 1000)
        fresh = seen.new_ones(_events(client, start))
        for event in sorted(fresh, key=lambda event: int(event["timestamp"])):
            yield _line(event)
        start = max(start, polled_at - _MAX_DELAY_MS)
        time.sleep(_POLL_SECONDS)


class _SeenEvents:
    """Filters out the events of the previous look; not all events have ids."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()

    def new_ones(self, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        found, counts = [], Counter[Any]()
        for event in events:
            key = tuple(event[name] for name in ("group", "logStreamName", "timestamp", "message"))
            counts[key] += 1
            if counts[key] > self._counts[key]:
                found.append(event)
        self._counts = counts
        return found


def _events(client: Any, start: int) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            events = client.get_paginator("filter_log_events").paginate(
                logGroupName=name, startTime=start
            )
            for response in events:
                for event in response["events"]:
                    yield {**event, "group": name}


def _line(event: dict[str, Any]) -> Line:
    time = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone()
    level, text = _parse_message(event["message"].rstrip())
    return Line(time, log_source(event["group"]), level, text)


def log_source(group: str) -> str:
    """Return what writes into a log group, in short.

    Examples
    --------
    >>> source_of("/aws/lambda/scones-serialize")
    'serialize'
    >>> source_of("/aws/vendedlogs/states/scones-classify")
    'classify machine'
    >>> source_of("/aws/sagemaker/Endpoints/scones--staging")
    'scones--staging endpoint'
    >>> source_of("/aws/sagemaker/TrainingJobs")
    'training job'
    """
    path = PurePosixPath(group)
    name, parent = path.name, path.parent.name
    if parent == "sagemaker":
        return name.removesuffix("Jobs").lower() + " job"
    if parent == "Endpoints":
        return f"{name} endpoint"
    short = name.removeprefix(f"{DEFAULT_STACK_NAME}-")
    return f"{short} machine" if parent == "states" else short


def _parse_message(message: str) -> tuple[str, str]:
    """Return level and text of a message, which may be JSON."""
    try:
        parsed = json.loads(message)
    except ValueError:
        return "", message
    if not isinstance(parsed, dict):
        return "", message
    if {"execution_arn", "type"} <= parsed.keys():
        return _parse_execution_event(parsed)
    if "_aws" in parsed:
        values = {name: value for name, value in parsed.items() if name != "_aws"}
        return "", f"metrics {json.dumps(values, ensure_ascii=False)}"
    if "message" not in parsed:
        return "", message
    level = str(parsed.get("level", ""))
    rest = {name: value for name, value in parsed.items() if name not in _COMMON_KEYS}
    content = parsed["message"]
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return level, text + (f" {json.dumps(rest, ensure_ascii=False)}" if rest else "")


def _parse_execution_event(event: dict[str, Any]) -> tuple[str, str]:
    """Return level and text of an event of an execution."""
    details = event.get("details", {})
    named = details.get("name") or details.get("resource") or ""
    error = " ".join(str(details[name]) for name in ("error", "cause") if details.get(name))
    level = "ERROR" if event["type"].endswith(("Failed", "TimedOut", "Aborted")) else ""
    return level, " ".join(filter(None, [event["type"], named, error]))


def print_line(console: Console, line: Line) -> None:
    """Show a line: its time, its source in a color, and its text."""
    text = Text(f"{line.at:%H:%M:%S} ", style="dim")
    text.append(f"{escape(line.source):<{_SOURCE_WIDTH}} ", style=source_color(line.source))
    if line.level:
        text.append(f"{escape(line.level)} ", style=LEVELS.get(line.level, "dim"))
    is_quiet = line.text.startswith(_QUIET_PREFIXES) or line.text.split(" ")[0].endswith(
        _QUIET_SUFFIXES
    )
    text.append(escape(line.text.expandtabs(2)), style="dim" if is_quiet else "")
    console.print(text, soft_wrap=True)


def source_color(source: str) -> str:
    """Return the color of a source: the same one each time."""
    digest = hashlib.sha256(source.encode()).digest()
    return COLORS[digest[0] % len(COLORS)]
