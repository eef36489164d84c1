import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from scones_operator.console.auth import TOKEN_HEADER
from scones_operator.console.clients import ClientCache
from scones_operator.console.server import ConsoleServer
from scones_operator.errors import PreconditionError
from tests.unit.operator.deployed import STACK
from tests.unit.operator.reviewed import Office

# A page whose AWS can't be reached; it says where it is.
PAGE = """
from botocore.exceptions import EndpointConnectionError
from scones_operator.console.server import ConsoleServer
from tests.unit.operator.deployed import STACK

def connect():
    raise EndpointConnectionError(endpoint_url="https://aws")

page = ConsoleServer(connect, STACK, "anna", 0)
page.serve(lambda: print(page.url, flush=True))
print("ended", flush=True)
"""


def test_a_port_that_is_in_use_is_told(office: Office) -> None:
    session: Any = office
    page = ConsoleServer(lambda: session, STACK, "anna", 0)
    port = int(page.url.split(":")[2].split("/")[0])
    with pytest.raises(PreconditionError, match=f"port {port} cannot be used .*--port 0"):
        ConsoleServer(lambda: session, STACK, "anna", port)
    page.stop()
    page.serve(lambda: None)


def test_it_ends_though_somebody_listens_to_the_news(office: Office) -> None:
    session: Any = office
    page = ConsoleServer(lambda: session, office.stack, "anna", 0)
    opened = Event()
    thread = Thread(target=page.serve, args=[opened.set])
    thread.start()
    assert opened.wait(10)
    with open_updates(page.url) as news:
        lines = news.iter_lines()
        assert next(lines) == "event: update"
        page.stop()
        thread.join(10)
        assert not thread.is_alive()


def open_updates(link: str) -> AbstractContextManager[httpx.Response]:
    """Listen to the news, as who has the link."""
    page, _, token = link.partition("#token=")
    return httpx.stream("GET", f"{page}api/updates", headers={TOKEN_HEADER: token})


def test_ctrl_c_ends_it_at_once_and_cleanly() -> None:
    with subprocess.Popen([sys.executable, "-c", PAGE], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with open_updates(url) as news:
            lines = news.iter_lines()
            assert next(lines) == "event: error"
            assert "Could not connect" in next(lines)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("ended\n", "", 0)


def test_clients_are_made_once_and_anew_when_credentials_are() -> None:
    made: list[str] = []

    class Session:
        def client(self, service: str) -> object:
            made.append(service)
            return object()

    access = ClientCache(Session)  # type: ignore[arg-type]
    first = access.client("s3")
    assert access.client("s3") is first
    access.reset()
    assert access.client("s3") is not first
    assert made == ["s3", "s3"]
