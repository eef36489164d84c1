"""Attacks on the local cloud by a page of another origin, in a real browser."""

import threading
from collections.abc import Iterator
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from playwright.sync_api import Browser, Page

from scones_local.cloud import lifecycle
from tests.browser.conftest import find_browser

PAGE = b"<!doctype html><title>Evil</title><p>Free scones"

CREATE_USER = urlencode({"Action": "CreateUser", "UserName": "evil", "Version": "2010-05-08"})


def leaked(running: lifecycle.Cloud, method: str, host: str = "") -> str:
    """URL that makes a user as root, where a page can use it without a preflight.

    Its signature is right, which a page can't come by: what refuses it is that a page sends it.
    """
    host = host or urlsplit(running.endpoint).netloc
    request = AWSRequest(method, f"http://{host}/?{CREATE_USER}")
    root = Credentials(running.access_key, running.secret_key)
    SigV4QueryAuth(root, "iam", running.region, expires=600).add_auth(request)
    return str(request.url)


class Evil(BaseHTTPRequestHandler):
    """A server whose page a developer visits."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Cloud]:
    with lifecycle.start(tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """URL of a page on another port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


@pytest.fixture
def page(browser: Browser, elsewhere: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(elsewhere)
    yield page
    context.close()


def users(running: lifecycle.Cloud) -> list[str]:
    return [user["UserName"] for user in running.session().client("iam").list_users()["Users"]]


FETCH = """async ([url, options]) => {
    try { const answer = await fetch(url, options); return answer.type + answer.status }
    catch (error) { return error.name }
}"""


@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_fetch_without_a_preflight(page: Page, running: lifecycle.Cloud, mode: str) -> None:
    url = leaked(running, "POST")
    options = {
        "method": "POST",
        "body": "",
        "mode": mode,
        "headers": {"Content-Type": "text/plain"},
    }

    # An opaque answer tells a page nothing, and it may not read another one.
    assert page.evaluate(FETCH, [url, options]) in ("TypeError", "opaque0")
    assert users(running) == []


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config"])
def test_the_emulator_s_own_settings(page: Page, running: lifecycle.Cloud, path: str) -> None:
    options = {"method": "POST", "mode": "no-cors", "body": '{"lambda_svc.LAMBDA_EXECUTOR": "x"}'}

    with page.expect_response(running.endpoint + path) as answered:
        page.evaluate(FETCH, [running.endpoint + path, options])

    assert answered.value.status == 403


def test_a_form(page: Page, running: lifecycle.Cloud) -> None:
    url = leaked(running, "POST")
    form = f'<form method=post enctype="text/plain" action="{escape(url)}">'
    page.set_content(f"{form}<input name=x value=y><button>Go</button></form>")

    with page.expect_navigation():
        page.click("button")

    assert "Not served to web pages" in page.content()
    assert users(running) == []


def test_an_image(page: Page, running: lifecycle.Cloud) -> None:
    with page.expect_response(lambda response: running.endpoint in response.url) as answered:
        page.evaluate("url => { new Image().src = url }", leaked(running, "GET"))

    assert answered.value.status == 403
    assert users(running) == []


def test_a_web_socket(page: Page, running: lifecycle.Cloud) -> None:
    """To the one service that a WebSocket reaches without more, by a name that leads here."""
    port = urlsplit(running.endpoint).port
    opened = page.evaluate(
        """url => new Promise(resolve => {
            const socket = new WebSocket(url, "mqtt")
            socket.onopen = () => resolve(true)
            socket.onerror = () => resolve(false)
        })""",
        f"ws://evil-ats.iot.us-east-1.localhost:{port}/mqtt",
    )

    assert opened is False


def test_dns_rebinding(browser: Browser, running: lifecycle.Cloud) -> None:
    """A name of the attacker's that leads to this machine: the page has the cloud's own origin."""
    rules = ["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1"]
    misled = browser.browser_type.launch(executable_path=find_browser(), args=rules)

    url = leaked(running, "GET", f"evil.test:{urlsplit(running.endpoint).port}")

    answer = misled.new_page().goto(url)

    assert answer is not None
    assert "Not served under this name" in answer.text()
    misled.close()
    assert users(running) == []


def test_the_url_that_pages_use_works_elsewhere(running: lifecycle.Cloud) -> None:
    build_opener(ProxyHandler({})).open(leaked(running, "GET")).close()

    assert users(running) == ["evil"]
    running.session().client("iam").delete_user(UserName="evil")
