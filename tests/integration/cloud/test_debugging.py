"""A function that waits for a debugger, driven through the Debug Adapter Protocol."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scones_local.cloud.lifecycle import Cloud
from scones_local.cloud.state import StateFolder
from scones_local.lambda_runtime import DebugRequests
from tests.integration.cloud.dap import Debugger
from tests.integration.cloud.tiny_app import Invocation, TinyApp, eventually

CODE = """\
def handler(event, context):
    doubled = 2 * event["number"]
    return doubled
"""
BREAKPOINT = 3
TCP = Path("/proc/net/tcp")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(CODE)
    return tmp_path


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def requests(running: Cloud) -> DebugRequests:
    return DebugRequests(StateFolder(running.state).debugging)


class Call:
    """An invocation that is waited for later."""

    def __init__(self, invoke: Callable[[], Invocation]) -> None:
        self._answers: list[Invocation] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(invoke()), daemon=True)
        self._thread.start()

    @property
    def answered(self) -> bool:
        return bool(self._answers)

    def answer(self) -> Any:
        self._thread.join(30)
        assert self._answers, "no answer came"
        assert not self._answers[0].failed, self._answers[0].payload
        return self._answers[0].payload


@pytest.fixture
def function(app: TinyApp) -> str:
    return app.function(CODE, Timeout=1)


def name_of(function: str) -> str:
    return function.rsplit(":", 1)[-1]


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(autouse=True)
def nothing_listens_afterwards(port: int) -> Iterator[None]:
    yield
    assert eventually(lambda: is_closed(port))


def test_a_breakpoint_in_the_source_is_met_and_the_answer_arrives(
    app: TinyApp, function: str, source: Path, port: int, requests: DebugRequests
) -> None:
    with requests.add(name_of(function), port, [source]) as request:
        call = Call(lambda: app.invoke(function, {"number": 21}))
        assert eventually(lambda: request.waits)
        with Debugger(port) as debugger:
            debugger.attach(source / "app.py", BREAKPOINT)
            thread = debugger.event("stopped")["threadId"]
            (frame, *_) = debugger.request("stackTrace", threadId=thread)["stackFrames"]
            told = debugger.request("evaluate", expression="doubled", frameId=frame["id"])
            # Longer than the function's timeout.
            time.sleep(1.5)
            stopped = not call.answered and not request.waits
            debugger.request("continue", threadId=thread)

            assert call.answer() == 42
        again = app.invoke(function, {"number": 1})

    assert (frame["source"]["path"], frame["line"]) == (str(source / "app.py"), BREAKPOINT)
    assert told["result"] == "42"
    assert stopped
    assert again.payload == 2
    assert app.invoke(function, {"number": 2}).payload == 4


def test_who_stops_asking_lets_the_function_go_on(
    app: TinyApp, function: str, source: Path, port: int, requests: DebugRequests
) -> None:
    with requests.add(name_of(function), port, [source]):
        call = Call(lambda: app.invoke(function, {"number": 3}))
        assert eventually(lambda: not is_closed(port))
        waited = not call.answered

    assert waited
    assert call.answer() == 6
    assert app.invoke(function, {"number": 4}).payload == 8


def test_others_do_not_wait_meanwhile(
    app: TinyApp, function: str, source: Path, port: int, requests: DebugRequests
) -> None:
    other = app.function(CODE)
    with requests.add(name_of(function), port, [source]):
        call = Call(lambda: app.invoke(function, {"number": 3}))
        assert eventually(lambda: not is_closed(port))

        assert app.invoke(other, {"number": 5}).payload == 10
        assert app.invoke(function, {"number": 6}).payload == 12
        assert not call.answered
    assert call.answer() == 6


@pytest.mark.skipif(not TCP.exists(), reason="Linux lists open ports there")
def test_it_listens_on_loopback_only_and_answers_no_web_page(
    app: TinyApp, function: str, source: Path, port: int, requests: DebugRequests
) -> None:
    ran = source / "ran"
    command = {
        **{"seq": 1, "type": "request", "command": "evaluate"},
        "arguments": {"expression": f"open({str(ran)!r}, 'w')", "context": "repl"},
    }
    with requests.add(name_of(function), port, [source]) as request:
        call = Call(lambda: app.invoke(function, {"number": 3}))
        # A connection to try it would close the port for a moment: debugpy serves one client.
        assert eventually(lambda: request.waits)
        listening = [
            line.split()[1]
            for line in TCP.read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
        ]
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        page.request("POST", "/", json.dumps(command), {"Origin": "https://example.com"})
        with pytest.raises((http.client.HTTPException, OSError)):
            page.getresponse()
        page.close()
    call.answer()

    assert listening == [f"0100007F:{port:04X}"]
    assert not ran.exists()
