"""A debugger, as far as tests need one: https://microsoft.github.io/debug-adapter-protocol/."""

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SECONDS = 30


class Debugger:
    """A client of a debug adapter that listens at a port."""

    def __init__(self, port: int) -> None:
        self._socket = _connect(port)
        self._stream = self._socket.makefile("rb")
        self._sequence = 0
        self._events: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._socket.close()

    def attach(self, file: Path, line: int) -> None:
        """Attach with one breakpoint, as an editor does."""
        self.request("initialize", adapterID="debugpy", pathFormat="path")
        attaching = self._send("attach", justMyCode=True)
        self.event("initialized")
        found = self.request(
            "setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": line}]
        )
        assert [point["verified"] for point in found["breakpoints"]] == [True]
        self.request("configurationDone")
        self._answer(attaching)

    def request(self, command: str, **arguments: Any) -> Any:
        """Send a request and return the body of its answer."""
        return self._answer(self._send(command, **arguments))

    def event(self, name: str) -> Any:
        """Wait for an event and return its body."""
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    return event.get("body")
            self._take()

    def _send(self, command: str, **arguments: Any) -> int:
        self._sequence += 1
        message = {"seq": self._sequence, "type": "request", "command": command}
        body = json.dumps({**message, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return self._sequence

    def _answer(self, sequence: int) -> Any:
        while True:
            message = self._take()
            if message["type"] == "response" and message["request_seq"] == sequence:
                assert message["success"], message
                return message.get("body")

    def _take(self) -> Any:
        """Read a message; events are kept."""
        length = 0
        while (line := self._stream.readline().strip()) or not length:
            assert line, "the adapter closed the connection"
            length = int(line.removeprefix(b"Content-Length:"))
        message = json.loads(self._stream.read(length))
        if message["type"] == "event":
            self._events.append(message)
        return message


def _connect(port: int) -> socket.socket:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
