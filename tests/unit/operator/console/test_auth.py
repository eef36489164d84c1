import pytest
from fastapi.testclient import TestClient

from scones_operator.console.auth import TOKEN_HEADER
from tests.unit.operator.console.conftest import TOKEN, follow_the_link, open_browser
from tests.unit.operator.deployed import STACK

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
    "path", ["/page", "/api/results", "/api/updates", "/api/photo", "/docs", "/%2e/page", "/PAGE"]
)
def test_nothing_is_answered_to_who_has_not_the_link(stranger: TestClient, path: str) -> None:
    for headers in (
        {},
        {TOKEN_HEADER: ""},
        {"Cookie": f"scones-8765={TOKEN}; {TOKEN_HEADER}={TOKEN}"},
    ):
        answer = stranger.get(path, headers=headers)
        assert answer.status_code == 403
        assert "Open the link that `scones console` printed" in answer.text


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/static/style.css", "/plotly.js"])
def test_what_is_served_without_the_link_holds_no_data(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 200
    for secret in (TOKEN, "anna", "bicycle", STACK.photos_bucket):
        assert path == "/plotly.js" or secret not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/static/main.js"])
def test_nothing_is_sent_there(stranger: TestClient, path: str) -> None:
    assert stranger.post(path, json={}).status_code == 403


def test_who_has_the_link_gets_the_page_and_no_cookie(browser: TestClient) -> None:
    page = browser.get("/page")
    assert page.status_code == 200
    assert "bicycle" in page.text
    assert TOKEN not in page.text
    assert "set-cookie" not in page.headers


def test_a_wrong_token_is_refused(stranger: TestClient) -> None:
    answer = stranger.get("/page", headers={TOKEN_HEADER: "another"})
    assert answer.status_code == 403
    assert "printed last" in answer.text


@pytest.mark.parametrize("host", ["scones.evil.example:8765", "127.0.0.1:80", "127.0.0.1", ""])
def test_no_other_name_leads_here(browser: TestClient, host: str) -> None:
    answer = browser.get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert "Unknown host name" in answer.text


def test_localhost_is_a_name_of_this_machine(browser: TestClient) -> None:
    assert browser.get("/page", headers={"Host": "localhost:8765"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Origin": "http://evil.example"}, "another site"),
        ({"Origin": "null"}, "another site"),
        ({"Origin": "http://127.0.0.1:9999"}, "another site"),
        ({"Content-Type": "text/plain"}, "content type must be application/json"),
    ],
)
def test_what_another_sites_page_may_send_changes_nothing(
    browser: TestClient, headers: dict[str, str], why: str
) -> None:
    answer = browser.post("/api/label", json=LABEL, headers=headers)
    assert answer.status_code == 403
    assert why in answer.text


@pytest.mark.parametrize("left_out", ["origin", TOKEN_HEADER])
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
