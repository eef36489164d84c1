"""The page's server: on this machine alone, until Ctrl-C."""

import asyncio
import secrets
import socket
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from uvicorn import Config, Server

from scones_operator.aws.stack import Stack
from scones_operator.console.app import ConsoleContext, create_app
from scones_operator.console.auth import AuthMiddleware
from scones_operator.console.clients import ClientCache
from scones_operator.errors import PreconditionError

if TYPE_CHECKING:
    import boto3

ADDRESS = "127.0.0.1"
SHUTDOWN_GRACE_SECONDS = 10
"""So long a label that is being filed may take when the server is told to end."""


class ConsoleServer:
    """The page, ready to be served.

    Parameters
    ----------
    connect
        Makes a session from the user's present configuration.
    stack, user
        Of which stack, and who is at work.
    port
        Where; 0 takes one that is free.

    Attributes
    ----------
    url
        The link, with the token that lets in as its fragment.

    Raises
    ------
    PreconditionError
        If another program uses the port.
    """

    def __init__(
        self, connect: "Callable[[], boto3.Session]", stack: Stack, user: str, port: int
    ) -> None:
        self._socket = _bind(port)
        port = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(32)
        self.url = f"http://{ADDRESS}:{port}/#token={token}"
        self._context = ConsoleContext(ClientCache(connect), stack, user)
        app = AuthMiddleware(create_app(self._context), token, port)
        self._server = _Server(
            Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=SHUTDOWN_GRACE_SECONDS,
            ),
            self._context,
        )

    def serve(self, on_ready: Callable[[], None]) -> None:
        """Serve the page until Ctrl-C or `stop`; `on_ready` is called once it answers."""
        self._server.on_ready = on_ready
        try:
            self._server.run([self._socket])
        except KeyboardInterrupt:
            pass  # uvicorn raises it again once all is closed
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Let the server end, from another thread."""
        self._server.end()


class _Server(Server):
    """Ends the streams of news when it is to end: they would keep it."""

    def __init__(self, config: Config, context: ConsoleContext) -> None:
        super().__init__(config)
        self._context = context
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end()

    def end(self) -> None:
        self.should_exit = True
        if self._loop:
            self._loop.call_soon_threadsafe(self._context.stopping.set)


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((ADDRESS, port))
        bound.listen()  # from now on, so that no other can bind it
    except OSError as error:
        bound.close()
        raise PreconditionError(
            f"port {port} cannot be used ({error.strerror}): is a console already open? Choose "
            "another with --port, or --port 0 for any free port"
        ) from None
    return bound
