"""The client of functions' URLs, before a server that answers as it is told to."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from scones_operator.aws import function_urls
from scones_operator.aws.function_urls import OutcomeUnknownError, UrlClient
from scones_operator.errors import OperationError, format_aws_error, is_credentials_error

BREAKS = 0
"""Instead of a status: the connection ends without a response."""


class Server:
    """Answers requests in turn, and remembers them."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.connections: set[Any] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.requests.append((dict(self.headers), body))
                server.connections.add(self.client_address)
                status, headers, text = server.answers.pop(0)
                if status == BREAKS:
                    self.close_connection = True
                    return
                time.sleep(float(headers.pop("delay", 0)))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/some/path/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(function_urls, "RETRY_DELAYS_SECONDS", (0, 0))
    server = Server()
    Thread(target=server.http.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.http.shutdown()
    server.http.server_close()


def client(url: str, secret: str = "a secret") -> UrlClient:
    session = boto3.Session("AKIA0", secret, "a token", region_name="eu-west-1")
    return UrlClient(session, url, "scones show PHOTO")


OK = (200, {}, b'{"kind": "undone"}')


def test_requests_are_signed_for_lambda(server: Server) -> None:
    server.answers = [OK]

    assert client(server.url).call({"a": "ä"}) == {"kind": "undone"}

    ((headers, body),) = server.requests
    assert json.loads(body) == {"a": "ä"}
    again = AWSRequest(
        "POST", server.url, headers={"Content-Type": headers["Content-Type"]}, data=body
    )
    again.context["timestamp"] = headers["X-Amz-Date"]
    signer = SigV4Auth(Credentials("AKIA0", "a secret", "a token"), "lambda", "eu-west-1")
    again.headers["X-Amz-Date"] = headers["X-Amz-Date"]
    again.headers["X-Amz-Security-Token"] = "a token"
    signature = signer.signature(
        signer.string_to_sign(again, signer.canonical_request(again)), again
    )
    assert "/eu-west-1/lambda/aws4_request" in headers["Authorization"]
    assert headers["Authorization"].endswith(f"Signature={signature}")


def test_the_local_cloud_is_called_past_proxies(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.answers = [OK]

    assert client(server.url).call({}) == {"kind": "undone"}


def test_the_connection_is_kept(server: Server) -> None:
    server.answers = [OK] * 3
    caller = client(server.url)

    for _ in range(3):
        caller.call({})

    assert len(server.connections) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_function_is_called_again(server: Server, status: int) -> None:
    server.answers = [(status, {}, b"{}"), OK]

    assert client(server.url).call({}) == {"kind": "undone"}


def test_a_function_that_stays_busy_is_a_fault(server: Server) -> None:
    server.answers = [(429, {}, b"busy")] * 3

    with pytest.raises(OperationError, match=r"429.*busy"):
        client(server.url).call({})


def test_a_function_that_fails_is_a_fault_and_is_not_called_again(server: Server) -> None:
    server.answers = [(502, {}, b"Internal Server Error")]

    with pytest.raises(OperationError, match=r"failed \(502\): Internal Server Error. Its log"):
        client(server.url).call({})


def test_who_may_not_call_is_told_so(server: Server) -> None:
    denied = {"x-amzn-ErrorType": "AccessDeniedException"}
    server.answers = [(403, denied, b'{"Message": "Forbidden"}')]

    with pytest.raises(ClientError) as raised:
        client(server.url).call({})

    assert format_aws_error(raised.value) == (
        "your credentials do not allow lambda:InvokeFunctionUrl: Forbidden"
    )


def test_credentials_that_have_expired_are_recognized(server: Server) -> None:
    expired = {"x-amzn-ErrorType": "ExpiredTokenException:"}
    server.answers = [(403, expired, b'{"message": "expired"}')]

    with pytest.raises(ClientError) as raised:
        client(server.url).call({})

    assert is_credentials_error(raised.value)


def test_a_request_whose_connection_breaks_is_sent_again(server: Server) -> None:
    server.answers = [(BREAKS, {}, b""), OK]

    assert client(server.url).call({}) == {"kind": "undone"}


def test_without_any_response_the_outcome_is_unknown(server: Server) -> None:
    server.answers = [(BREAKS, {}, b"")] * 3

    with pytest.raises(
        OutcomeUnknownError, match="unknown, because there was no response: check with `scones show"
    ):
        client(server.url).call({})
    assert len(server.requests) == 3


def test_a_response_that_does_not_come_in_time_is_not_waited_for_twice(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_urls, "READ_TIMEOUT_SECONDS", 0.2)
    server.answers = [(200, {"delay": "1"}, b"{}"), OK]

    with pytest.raises(OutcomeUnknownError, match="scones show PHOTO"):
        client(server.url).call({})
    assert len(server.requests) == 1


def test_a_connection_that_breaks_late_is_not_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_urls, "TOTAL_TIMEOUT_SECONDS", 70)
    server.answers = [(BREAKS, {}, b""), OK]

    with pytest.raises(OutcomeUnknownError):
        client(server.url).call({})
    assert len(server.requests) == 1


def test_a_function_that_can_not_be_reached(server: Server) -> None:
    with pytest.raises(EndpointConnectionError):
        client("http://127.0.0.1:1/").call({})


def test_without_credentials_nothing_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = boto3.Session(region_name="eu-west-1")
    monkeypatch.setattr(session, "get_credentials", lambda: None)

    with pytest.raises(NoCredentialsError):
        UrlClient(session, server.url, "").call({})
    assert server.requests == []
