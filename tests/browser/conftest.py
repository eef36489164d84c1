"""The page in a real browser, before AWS services of moto's, all in this process."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from moto import mock_aws
from moto.moto_api._internal import moto_api_backend
from playwright.sync_api import Browser, ConsoleMessage, sync_playwright
from playwright.sync_api import Page as Tab

from scones_operator.console import app
from scones_operator.console.server import ConsoleServer
from tests.unit.conftest import aws_environment
from tests.unit.operator.deployed import STACK, Session, answers_here
from tests.unit.operator.reviewed import Office, reviews_here

__all__ = ["answers_here", "aws_environment", "reviews_here"]

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 10_000


def find_browser() -> str:
    """Debian's chromium, or any other of this machine."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"there is no browser here ({', '.join(NAMES)}): apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_browser()
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work as root, as in most containers.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Any]]:
    with mock_aws():
        yield {}


@pytest.fixture
def office(clients: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Office:
    moto_api_backend.reset()
    monkeypatch.setattr(app, "POLL_SECONDS", 0.1)
    session = Session(clients)
    session.client("sagemaker").create_model_package_group(ModelPackageGroupName="scones")
    parameters = {**STACK.parameters, "ValidationShare": "0.1"}
    return Office(session, replace(STACK, parameters=parameters))


class BrowserUser:
    """A tab of a browser, of somebody who reviews."""

    def __init__(self, tab: Tab, url: str) -> None:
        self.tab = tab
        self.errors: list[str] = []
        tab.set_default_timeout(PATIENCE_MS)
        tab.on("console", self._hear)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.goto(url)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def expect_text(self, text: str) -> None:
        """Wait until a text is to be seen; patterns are Python's."""
        self.tab.get_by_text(re.compile(text)).filter(visible=True).first.wait_for()

    def expect_photo(self, name: str) -> None:
        """Wait until the photo of that name is under review, and shown."""
        self.tab.locator("#review-name", has_text=name).wait_for()
        self.tab.locator(f"#review-photo[alt$='{name}']").wait_for(state="visible")

    def expect_last_review(self, text: str) -> None:
        """Wait until that is kept as what was said last."""
        self.tab.locator("#last-review", has_text=text).wait_for()

    def keep(self, name: str) -> None:
        """Keep a screenshot, for people."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.tab.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    @property
    def horizontal_overflow(self) -> int:
        """By how many pixels the page can be scrolled sideways."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.tab.evaluate(width))


def obstacles(tab: Tab) -> list[str]:
    """Return what axe finds serious or critical for users of keyboards and screen readers."""
    # Evaluated, not added to the page, whose content security policy takes no other script.
    tab.evaluate(AXE)
    found = tab.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{one['id']}: {node['target']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


Visit = Callable[..., BrowserUser]


@pytest.fixture
def visit(office: Office, browser: Browser) -> Iterator[Visit]:
    """Open the page, as somebody, in a browser of their own."""
    visitors: list[BrowserUser] = []
    stops: list[Callable[[], None]] = []

    def open_page(user: str = "anna", **context: Any) -> BrowserUser:
        serving = _serve(office, user)
        url = serving.__enter__()
        stops.append(lambda: serving.__exit__(None, None, None))
        context = {"viewport": {"width": 1200, "height": 800}, **context}
        visitors.append(BrowserUser(browser.new_context(**context).new_page(), url))
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        visitor.tab.context.close()
    for stop in stops:
        stop()
    assert [text for visitor in visitors for text in visitor.errors] == []


@contextmanager
def _serve(office: Office, user: str) -> Iterator[str]:
    page = ConsoleServer(lambda: office.of(user), office.stack, user, 0)  # type: ignore[arg-type,return-value]
    opened = Event()
    thread = Thread(target=page.serve, args=[opened.set])
    thread.start()
    try:
        assert opened.wait(10)
        yield page.url
    finally:
        page.stop()
        thread.join(10)
        assert not thread.is_alive()
