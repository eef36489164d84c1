"""Who gets into the console by way of the same browser, and who does not."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.unit.operator.reviewed import Office

ASK = """async url => {
    const kept = JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])
    const ask = (options) => fetch(url + "api/results", options).then(() => true, () => false)
    const sent = await ask({mode: "no-cors", credentials: "include"})
    const read = await ask({headers: {"X-Scones-Token": "guessed"}})
    return [kept, sent, read]
}"""


@pytest.fixture
def eavesdropper() -> Iterator[tuple[str, list[Any]]]:
    """A server at another port, and the requests it got: lines and headers."""
    heard: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append((self.path, str(self.headers)))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Other</title>")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", heard
    server.shutdown()


def test_a_server_at_another_port_gets_nothing_that_lets_in(
    office: Office, visit: Visit, eavesdropper: tuple[str, list[Any]]
) -> None:
    office.arrive("north gate 1.jpg")
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    console = anna.tab.url
    token = anna.tab.evaluate("sessionStorage.getItem('scones-token')")
    other, heard = eavesdropper

    tab = anna.tab.context.new_page()
    for address in (other, other.replace("127.0.0.1", "localhost")):
        tab.goto(address)
        kept, sent, read = tab.evaluate(ASK, console)
        assert token not in kept
        assert (sent, read) == (False, False)

    assert heard
    assert not [request for request in heard if token in str(request)]
    # Nor does the address, which others may see on a screen or in the history.
    assert token not in console


def test_a_tab_without_the_link_is_told_to_open_it(visit: Visit) -> None:
    anna = visit("anna")
    anna.expect_text("No photos to review")

    tab = anna.tab.context.new_page()
    tab.goto(anna.tab.url)

    tab.get_by_text("Open the link that `scones console` printed").wait_for()


def test_the_page_can_be_loaded_again(office: Office, visit: Visit) -> None:
    office.arrive("north gate 1.jpg")
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")

    anna.tab.reload()

    anna.expect_photo("north gate 1.jpg")


def test_a_page_of_an_earlier_start_says_so_and_takes_the_new_link(
    office: Office, visit: Visit
) -> None:
    office.arrive("north gate 1.jpg")
    anna = visit("anna")
    anna.expect_photo("north gate 1.jpg")
    link = anna.tab.evaluate("`#token=${sessionStorage.getItem('scones-token')}`")
    refusal = "This link has expired"
    anna.tab.route("**/api/updates", lambda route: route.fulfill(status=403, body=refusal))
    anna.tab.reload()
    anna.expect_text(refusal)
    anna.tab.unroute("**/api/updates")

    anna.tab.goto(anna.tab.url + link)

    anna.tab.locator(".notice").wait_for(state="detached")
    anna.expect_photo("north gate 1.jpg")
    assert "token" not in anna.tab.url
    anna.errors.clear()  # the browser's own, of what failed


def test_a_name_turns_no_text_on_the_page(office: Office, visit: Visit) -> None:
    office.arrive("gate\u202egpj.exe\n\u200b.jpg")
    anna = visit("anna")
    anna.expect_text(r"gate\\u202egpj\.exe\\x0a\\u200b\.jpg")
