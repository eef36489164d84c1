"""The page's application over a stack of moto's, and somebody with a browser."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from scones_operator.console.app import ConsoleContext, create_app
from scones_operator.console.auth import TOKEN_HEADER, AuthMiddleware
from scones_operator.console.clients import ClientCache
from tests.unit.operator.deployed import STACK, Session, answers_here, clients, machines, session
from tests.unit.operator.reviewed import Office, reviews_here

__all__ = ["answers_here", "clients", "machines", "reviews_here", "session"]

TOKEN, PORT = "a token", 8765
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def office(session: Session) -> Office:
    return Office(session)


def open_browser(connect: Callable[[], Any]) -> TestClient:
    """A browser that was not given the link."""
    app = AuthMiddleware(
        create_app(ConsoleContext(ClientCache(connect), STACK, "anna")), TOKEN, PORT
    )
    return TestClient(app, base_url=HERE, follow_redirects=False)


def follow_the_link(client: TestClient) -> None:
    """Let a browser send what the page sends with its requests once it has the token."""
    client.headers.update({"Origin": HERE, TOKEN_HEADER: TOKEN})


@pytest.fixture
def browser(office: Office) -> TestClient:
    client = open_browser(lambda: office)
    follow_the_link(client)
    return client
