"""The gate before everything that the local cloud serves: programs of its user only.

It listens on loopback, where every web page that the user visits and every other user of the
machine can send requests to. A browser says where a request comes from by `Origin`,
`Sec-Fetch-Site` and `Host`; none of the programs that talk to AWS sends the first two.

A page of a name that its owner leads to this machine (DNS rebinding) has that name in `Host`. A
container that reaches us through Docker's bridge has an address there (`sam local invoke`).
"""

import asyncio
import contextvars
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, quote

from scones_local.ministack import HEALTH_PATH
from scones_local.ministack.authentication import Response, check_signature

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_CORS = b"access-control-"

# Settings and state of MiniStack, which it serves to everybody.
_SETTINGS_PATHS = ("/_ministack", "/_localstack")

# Hashing more than that would hold up all other requests.
_LARGE_BYTES = 1 << 20


class Gate:
    """An ASGI application that lets another one see signed requests of local programs only.

    Parameters
    ----------
    app
        The application behind it.
    port
        Port on the loopback interface it is served at.
    """

    def __init__(self, app: Application, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # Nothing here needs a WebSocket.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        if reason := self._reject_foreign(headers):
            await _send_response(send, (403, {}, f"{reason}\n".encode()))
        elif scope["path"] == HEALTH_PATH and scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, _without_cors(send))
        elif scope["path"].startswith(_SETTINGS_PATHS) or scope["path"] == "/health":
            await _send_response(
                send, (403, {}, b"Not served: settings and state of the emulator\n")
            )
        else:
            await self._serve_signed(scope, receive, send)

    async def _serve_signed(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        request = (scope["method"], scope["path"], raw_path.decode("latin-1"), query)
        check = partial(check_signature, *request, scope["headers"], body)
        if len(body) < _LARGE_BYTES:
            denied = contextvars.copy_context().run(check)
        else:
            denied = await asyncio.to_thread(check)
        if denied:
            await _send_response(send, denied)
        else:
            await self._app(scope, _replay(body, receive), _without_cors(send))

    def _reject_foreign(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return why a request is not one of a local program, None if it is one."""
        hosts = []
        for name, value in headers:
            if name == b"origin":
                return "Not served to web pages: the request has an Origin"
            # A browser sends "none" for what its user typed or opened.
            if name == b"sec-fetch-site" and value != b"none":
                return "Not served to web pages: the request comes from one (Sec-Fetch-Site)"
            if name == b"host":
                hosts.append(value.decode("latin-1").lower())
        if len(hosts) != 1 or not self._is_local(hosts[0]):
            return f"Not served under this name: use 127.0.0.1:{self._port}"
        return None

    def _is_local(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if not port.isdecimal():
            return False
        if name == "localhost":
            return int(port) == self._port
        try:
            address = ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        # To 0.0.0.0, which leads here too, browsers send no Sec-Fetch-Site.
        return int(port) == self._port if address.is_loopback else not address.is_unspecified


async def _read_body(receive: Receive) -> bytes | None:
    """Read a body; None if the client leaves meanwhile."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, and then what follows it."""
    remaining = [{"type": "http.request", "body": body, "more_body": False}]

    async def run() -> Any:
        return remaining.pop() if remaining else await receive()

    return run


def _without_cors(send: Send) -> Send:
    async def run(message: Any) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if not pair[0].lower().startswith(_CORS)]
            message = {**message, "headers": kept}
        await send(message)

    return run


async def _send_response(send: Send, response: Response) -> None:
    status, headers, body = response
    header_names = {
        "Content-Type": "text/plain; charset=utf-8",
        **headers,
        "Content-Length": str(len(body)),
    }
    pairs = [
        (name.encode("latin-1"), str(value).encode("latin-1"))
        for name, value in header_names.items()
    ]
    kept = [pair for pair in pairs if not pair[0].lower().startswith(_CORS)]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})
