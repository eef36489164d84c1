import pytest
from fastapi.testclient import TestClient

from console.guard import OWN_HEADER
from tests.unit.console.conftest import TOKEN, follow_the_link, open_browser

LABEL = {"photo": "s3://photos/incoming/a.png", "version": "1", "label": "bicycle"}


@pytest.fixture
def stranger() -> TestClient:
    def unreachable() -> None:
        raise AssertionError("the guard asks nobody")

    return open_browser(unreachable)


@pytest.fixture
def browser(stranger: TestClient) -> TestClient:
    follow_the_link(stranger)
    return stranger


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/plotly.js", "/api/results", "/api/news", "/docs"]
)
def test_nothing_is_answered_to_who_has_not_the_link(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "Open the link that `scones console` printed" in answer.text


def test_the_link_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(
    stranger: TestClient,
) -> None:
    answer = stranger.get("/", params={"token": TOKEN})
    assert (answer.status_code, TOKEN in answer.text) == (200, False)
    assert 'http-equiv="refresh" content="0; url=/"' in answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert cookie.startswith("scones-8765=")
    page = stranger.get("/")
    assert page.status_code == 200
    assert "bicycle" in page.text
    assert TOKEN not in page.text


def test_the_cookie_does_not_tell_the_link_nor_the_link_the_cookie(browser: TestClient) -> None:
    cookie = browser.cookies["scones-8765"]
    assert TOKEN not in cookie
    browser.cookies.clear()
    assert browser.get("/", headers={"Cookie": f"scones-8765={TOKEN}"}).status_code == 403
    assert browser.get("/", params={"token": cookie}).status_code == 403


def test_the_link_may_be_opened_in_a_second_browser(browser: TestClient) -> None:
    first = browser.cookies["scones-8765"]
    browser.cookies.clear()
    follow_the_link(browser)
    assert browser.get("/").status_code == 200
    assert browser.get("/", headers={"Cookie": f"scones-8765={first}"}).status_code == 200


def test_a_wrong_token_is_refused(stranger: TestClient) -> None:
    answer = stranger.get("/", params={"token": "another"})
    assert answer.status_code == 403
    assert "printed last" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["scones.evil.example:8765", "127.0.0.1:80", "127.0.0.1", ""])
def test_no_other_name_leads_here(browser: TestClient, host: str) -> None:
    answer = browser.get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert "no such name" in answer.text


def test_localhost_is_a_name_of_this_machine(browser: TestClient) -> None:
    cookie = f"scones-8765={browser.cookies['scones-8765']}"
    answer = browser.get("/", headers={"Host": "localhost:8765", "Cookie": cookie})
    assert answer.status_code == 200


# Cookies know no ports: those of all other programs on this machine are sent here too.
@pytest.mark.parametrize("other", ['x={"a":1}', "foo=a b", "a@b=1", "=1", "x", 'x="', "x=é"])
def test_cookies_of_other_programs_on_this_machine_do_no_harm(
    browser: TestClient, other: str
) -> None:
    ours = f"scones-8765={browser.cookies['scones-8765']}"
    for cookies in (f"{other}; {ours}", f"{ours}; {other}"):
        assert browser.get("/", headers={"Cookie": cookies.encode()}).status_code == 200
    assert browser.get("/", headers={"Cookie": other.encode()}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Origin": "http://evil.example"}, "another site"),
        ({"Origin": "null"}, "another site"),
        ({"Origin": "http://127.0.0.1:9999"}, "another site"),
        ({"Content-Type": "text/plain"}, "takes JSON"),
    ],
)
def test_what_another_sites_page_may_send_changes_nothing(
    browser: TestClient, headers: dict[str, str], why: str
) -> None:
    answer = browser.post("/api/label", json=LABEL, headers=headers)
    assert answer.status_code == 403
    assert why in answer.text


@pytest.mark.parametrize("left_out", ["origin", OWN_HEADER])
def test_what_does_not_say_where_it_is_from_changes_nothing(
    browser: TestClient, left_out: str
) -> None:
    del browser.headers[left_out]
    assert browser.post("/api/label", json=LABEL).status_code == 403


def test_browsers_are_told_to_run_our_scripts_only(browser: TestClient) -> None:
    for path in ("/", "/static/main.js", "/api/nowhere"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
    assert "<script>" not in browser.get("/").text
    assert browser.get("/docs").status_code == 404
