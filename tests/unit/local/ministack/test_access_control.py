"""The gate and its check of signatures, before an application that only counts requests."""

import asyncio
import hashlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.auth import (
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ministack import app
from ministack.core import iam_evaluator, responses
from ministack.services import sts

from scones_local.ministack import ACCOUNT, authentication
from scones_local.ministack.access_control import Gate

PORT = 4566
REGION = "us-east-1"
HERE = f"127.0.0.1:{PORT}"
ROOT = Credentials("AKIAROOT000000000000", "the root user's secret")
ROLE = Credentials("ASIAROLE000000000000", "the role's secret", "the role's token")

Signer = Callable[[AWSRequest], Any]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module, names in (
        (iam_evaluator, ("is_root_access_key", "_is_root_key", "pin_signed_request")),
        (sts, ("is_root_access_key",)),
        (app, ("pin_signed_request",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(app, "AUTH", True)
    monkeypatch.setattr(sts, "_sessions", {})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT.secret_key)
    authentication.install(ROOT.access_key)
    assume()
    with responses.request_scope(ACCOUNT, REGION):
        yield


def assume(**more: Any) -> None:
    """Issue the role's credentials."""
    sts._sessions[ROLE.access_key] = {
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/role/session",
        "AccountId": ACCOUNT,
        "SecretAccessKey": ROLE.secret_key,
        "SessionToken": ROLE.token,
        **more,
    }


@dataclass
class Answer:
    served: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def send(request: AWSRequest, body: bytes | None = None) -> Answer:
    """Send a request through the gate, with another body than the signed one if there is one."""
    answer = Answer()
    url = urlsplit(str(request.url))
    headers = {"Host": url.netloc, **request.headers}
    scope = {
        "type": "http",
        "method": request.method,
        "path": url.path,
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": [
            (name.lower().encode(), str(value).encode()) for name, value in headers.items()
        ],
    }
    content = body if body is not None else request.data or b""

    async def receive() -> Any:
        return {"type": "http.request", "body": content, "more_body": False}

    async def respond(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            pairs = message["headers"]
            answer.headers = {name.decode().lower(): value.decode() for name, value in pairs}
        else:
            answer.body += message["body"]

    async def serve(_: Any, receive: Any, send: Any) -> None:
        answer.served += 1
        assert (await receive())["body"] == content
        headers = [(b"Access-Control-Allow-Origin", b"*"), (b"X-Kept", b"yes")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"served"})

    asyncio.run(Gate(serve, PORT)(scope, receive, respond))
    return answer


def ask(
    signer: Signer,
    method: str = "POST",
    path: str = "/",
    body: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
    host: str = HERE,
) -> AWSRequest:
    """Make a request, signed."""
    request = AWSRequest(method, f"http://{host}{path}", data=body, headers=headers)
    signer(request)
    return request


def signed(service: str, credentials: Credentials = ROOT) -> Signer:
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    return kind(credentials, service, REGION).add_auth


def presigned(service: str, credentials: Credentials = ROOT, expires: int = 60) -> Signer:
    kind = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    return kind(credentials, service, REGION, expires=expires).add_auth


def presigned_as_before(credentials: Credentials = ROOT, expires: int = 60) -> Signer:
    """Sign with version 2, as boto3 does for S3 if it is not asked for version 4."""
    return HmacV1QueryAuth(credentials, expires=expires).add_auth


JSON = {
    "X-Amz-Target": "DynamoDB_20120810.ListTables",
    "Content-Type": "application/x-amz-json-1.0",
}


def ask_as_at(shift: float, signer: Signer) -> AWSRequest:
    """Make a request that was signed so many seconds from now."""
    now = time.time() + shift
    with (
        patch.object(
            botocore.auth, "get_current_datetime", lambda: datetime.fromtimestamp(now, UTC)
        ),
        patch.object(botocore.auth, "time", SimpleNamespace(time=lambda: now)),
    ):
        return ask(signer, "GET", "/bucket/key")


@pytest.mark.parametrize("credentials", [ROOT, ROLE], ids=["root", "role"])
@pytest.mark.parametrize(
    ("sign", "method", "path", "body", "headers"),
    [
        (lambda c: signed("dynamodb", c), "POST", "/", b"{}", JSON),
        (lambda c: signed("lambda", c), "GET", "/2015-03-31/functions/a%3Ab", b"", {}),
        (lambda c: signed("s3", c), "PUT", "/bucket/north%20gate/%C3%A9", b"photo", {}),
        (lambda c: presigned("s3", c), "GET", "/bucket/key", b"", {}),
        (presigned_as_before, "GET", "/bucket/key", b"", {}),
        (lambda c: presigned("sts", c), "GET", "/?Action=GetCallerIdentity", b"", {}),
    ],
)
def test_a_signed_request_is_served_without_cors(
    credentials: Credentials,
    sign: Callable[[Credentials], Signer],
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
) -> None:
    answer = send(ask(sign(credentials), method, path, body, headers))

    assert (answer.served, answer.status, answer.body) == (1, 200, b"served")
    assert answer.headers == {"x-kept": "yes"}


@pytest.mark.parametrize(
    ("host", "served"),
    [
        (HERE, 1),
        (f"localhost:{PORT}", 1),
        (f"[::1]:{PORT}", 1),
        # A container that comes through Docker's bridge.
        ("172.17.0.1:54321", 1),
        ("127.0.0.1:1", 0),
        (f"evil.localhost:{PORT}", 0),
        (f"0.0.0.0:{PORT}", 0),
        (f"[::]:{PORT}", 0),
        ("evil.test", 0),
        (f"evil.test:{PORT}", 0),
        (f"127.0.0.1.evil.test:{PORT}", 0),
        (f"evillocalhost:{PORT}", 0),
    ],
)
def test_a_name_that_leads_here_is_refused_though_signed(host: str, served: int) -> None:
    answer = send(ask(signed("s3"), "GET", "/key", host=host))

    assert answer.served == served
    assert served or b"Not served under this name" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": f"http://{HERE}"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_page_is_refused_though_signed(headers: dict[str, str]) -> None:
    answer = send(ask(presigned("s3"), "GET", "/bucket/key", headers=headers))

    assert (answer.served, answer.status) == (0, 403)
    assert b"Not served to web pages" in answer.body


def test_what_a_user_opens_is_served() -> None:
    assert (
        send(ask(presigned("s3"), "GET", "/bucket/key", headers={"Sec-Fetch-Site": "none"})).served
        == 1
    )


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/_ministack/reset", 0),
        ("/_ministack/config", 0),
        ("/_localstack/health", 0),
        ("/health", 0),
        ("/health-photos/key", 1),
    ],
)
def test_the_emulator_s_settings_are_refused_though_signed(path: str, served: int) -> None:
    assert send(ask(signed("s3"), "POST", path)).served == served


def test_a_web_socket_is_closed() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def respond(message: Any) -> None:
        sent.append(message)

    async def serve(*_: Any) -> None:
        raise AssertionError

    asyncio.run(Gate(serve, PORT)({"type": "websocket", "headers": []}, receive, respond))

    assert [message["type"] for message in sent] == ["websocket.close"]


UNKNOWN = ["test", "000000000000", ACCOUNT, "AKIAUNKNOWN000000000"]
KINDS = {
    "json": (signed, "dynamodb", "UnrecognizedClientException", "InvalidSignatureException"),
    "query": (signed, "iam", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "s3": (signed, "s3", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    "presigned s3": (presigned, "s3", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    "presigned": (presigned, "iam", "InvalidClientTokenId", "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize(("sign", "service", "unknown", "wrong"), KINDS.values(), ids=KINDS)
def test_keys_that_nobody_issued_and_wrong_secrets(
    sign: Callable[..., Signer], service: str, unknown: str, wrong: str
) -> None:
    def refused(credentials: Credentials) -> str:
        headers = JSON if service == "dynamodb" else {}
        path = "/bucket/key" if service == "s3" else "/?Action=ListUsers"
        answer = send(ask(sign(service, credentials), "GET", path, headers=headers))
        assert (answer.served, answer.status // 100) == (0, 4)
        return answer.body.decode()

    for key in UNKNOWN:
        for secret in ("test", key, ROOT.secret_key):
            assert unknown in refused(Credentials(key, secret))
    assert wrong in refused(Credentials(ROOT.access_key, "test"))
    assert wrong in refused(Credentials(ROLE.access_key, ROOT.secret_key, ROLE.token))


@pytest.mark.parametrize("key", [*UNKNOWN, ROOT.access_key])
def test_a_wrong_signature_of_version_2(key: str) -> None:
    answer = send(ask(presigned_as_before(Credentials(key, "test")), "GET", "/bucket/key"))

    assert (answer.served, answer.status) == (0, 403)


@pytest.mark.parametrize("sign", [signed, presigned])
@pytest.mark.parametrize("service", ["s3", "sts"])
def test_temporary_credentials_need_their_token(sign: Any, service: str) -> None:
    for token in (None, "another token"):
        credentials = Credentials(ROLE.access_key, ROLE.secret_key, token)
        answer = send(ask(sign(service, credentials), "GET", "/bucket/key"))

        assert answer.served == 0
        assert b"Invalid" in answer.body


@pytest.mark.parametrize("sign", [signed, presigned])
@pytest.mark.parametrize("service", ["s3", "sts"])
def test_temporary_credentials_expire(sign: Any, service: str) -> None:
    assume(Expiration=time.time() - 1)

    answer = send(ask(sign(service, ROLE), "GET", "/bucket/key"))

    assert answer.served == 0
    assert b"ExpiredToken" in answer.body


@pytest.mark.parametrize("minutes", [-16, 16])
@pytest.mark.parametrize(
    ("service", "code"),
    [("s3", "RequestTimeTooSkewed"), ("sts", "SignatureDoesNotMatch")],
)
def test_requests_are_of_now(minutes: int, service: str, code: str) -> None:
    answer = send(ask_as_at(60 * minutes, signed(service)))

    assert answer.served == 0
    assert code in answer.body.decode()


@pytest.mark.parametrize("sign", [presigned("s3"), presigned_as_before()], ids=["v4", "v2"])
def test_presigned_urls_expire(sign: Signer) -> None:
    assert send(ask_as_at(-50, sign)).served == 1
    answer = send(ask_as_at(-61, sign))

    assert (answer.served, answer.status) == (0, 403)


@pytest.mark.parametrize("sign", [presigned("s3"), presigned_as_before()], ids=["v4", "v2"])
def test_presigned_urls_are_for_one_request(sign: Signer) -> None:
    request = ask(sign, "GET", "/bucket/key")
    assert send(request).served == 1
    url = str(request.url)

    request.url = url.replace("/key", "/other")
    assert send(request).served == 0
    request.url, request.method = url, "PUT"
    assert send(request).served == 0


@pytest.mark.parametrize(
    ("service", "code"),
    [("s3", b"XAmzContentSHA256Mismatch"), ("sts", b"SignatureDoesNotMatch")],
)
def test_a_body_that_was_not_signed(service: str, code: bytes) -> None:
    for size in (4, 2 << 20):
        request = ask(signed(service), "PUT", "/bucket/key", b"good" * (size // 4))

        answer = send(request, b"evil" * (size // 4))

        assert answer.served == 0
        assert code in answer.body


def test_a_presigned_request_takes_no_body_under_a_hash_that_is_not_signed() -> None:
    request = ask(presigned("iam"))
    request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(b"").hexdigest()

    assert send(request).served == 1
    assert send(request, b"Action=CreateUser&UserName=evil").served == 0


class Chunked(S3SigV4Auth):
    """Signs the headers, and each chunk of the body after it."""

    KIND = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

    def payload(self, request: AWSRequest) -> str:
        return self.KIND

    def chunks(self, request: AWSRequest, *contents: bytes) -> bytes:
        """Frame a body, as https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html."""
        date = request.context["timestamp"]
        scope = self.credential_scope(request)
        signature = request.headers["Authorization"].rpartition("=")[2]
        framed = io.BytesIO()
        for content in (*contents, b""):
            hashes = (hashlib.sha256(part).hexdigest() for part in (b"", content))
            text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, signature, *hashes])
            signature = self.signature(text, request)
            framed.write(b"%x;chunk-signature=%s\r\n" % (len(content), signature.encode()))
            framed.write(content + b"\r\n")
        return framed.getvalue()


def test_chunks_are_signed_each() -> None:
    signer = Chunked(ROOT, "s3", REGION)
    request = ask(signer.add_auth, "PUT", "/bucket/key")
    body = signer.chunks(request, b"first", b"second")

    assert send(request, body).served == 1
    assert send(request, body.replace(b"first", b"other")).served == 0
    assert send(request, b"anything").served == 0


def test_an_unsigned_body_is_what_the_signature_says() -> None:
    class Unsigned(S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:
            return "UNSIGNED-PAYLOAD"

    request = ask(Unsigned(ROOT, "s3", REGION).add_auth, "PUT", "/bucket/key", b"photo")

    assert send(request).served == 1
    request.headers.replace_header("X-Amz-Content-SHA256", hashlib.sha256(b"photo").hexdigest())
    assert send(request).served == 0


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer token",
        "AWS4-HMAC-SHA256",
        f"AWS4-HMAC-SHA256 Credential={ROOT.access_key}/20261128/{REGION}/iam/aws4_request",
        f"AWS {ROOT.access_key}:c2lnbmF0dXJl",
        f"AWS3 Credential={ROOT.access_key}/20261128/{REGION}/iam/aws4_request",
        f"AWS4-ECDSA-P256-SHA256 Credential={ROOT.access_key}/20261128/iam/aws4_request,"
        " SignedHeaders=host;x-amz-region-set, Signature=00",
    ],
)
def test_what_is_no_signature(authorization: str) -> None:
    for path in ("/", "/bucket/key", f"/?AWSAccessKeyId={ROOT.access_key}"):
        request = ask(lambda _: None, "POST", path, headers={"Authorization": authorization})
        assert send(request).served == 0


V2 = f"/bucket/key?AWSAccessKeyId={ROOT.access_key}"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: ask(signed("iam")), b"SignatureDoesNotMatch"),
        (lambda: ask(signed("dynamodb"), headers=JSON), b"InvalidSignatureException"),
        (lambda: ask(presigned("iam")), b"SignatureDoesNotMatch"),
        (lambda: ask(presigned("s3"), "GET", "/bucket/key"), b"SignatureDoesNotMatch"),
        # Superscript two is a digit, and no number.
        (
            lambda: ask(lambda _: None, path=f"{V2}&Signature=x&Expires=%C2%B2"),
            b"SignatureDoesNotMatch",
        ),
    ],
    ids=["header", "json", "presigned", "presigned s3", "version 2"],
)
def test_signatures_of_strange_characters(make: Callable[[], AWSRequest], code: bytes) -> None:
    request = make()
    request.url = str(request.url).replace("Signature=", "Signature=%C3%A9")
    if given := request.headers.get("Authorization"):
        request.headers.replace_header("Authorization", given.replace("ture=", "ture=\u00e9"))

    answer = send(request)

    assert (answer.served, answer.status // 100) == (0, 4)
    assert code in answer.body


def test_one_signature_does_not_stand_for_another_key() -> None:
    as_root = f"X-Amz-Credential={ROOT.access_key}%2F20261128%2F{REGION}%2Fiam%2Faws4_request"
    for query in (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&{as_root}&X-Amz-Signature=0", as_root):
        answer = send(ask(signed("iam", Credentials("AKIAEVIL", "x")), "POST", f"/?{query}"))

        assert answer.served == 0
