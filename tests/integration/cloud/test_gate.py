"""The local cloud serves signed requests of local programs, and nothing else."""

import hashlib
import http.client
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from scones_local.cloud.lifecycle import Cloud
from scones_local.cloud.session import session
from tests.integration.cloud.tiny_app import TinyApp, allow

open_url = build_opener(ProxyHandler({})).open

HEADERS = {
    "a page's origin": {"Origin": "https://evil.test"},
    "its own origin": {"Origin": "{endpoint}"},
    "an origin without a name": {"Origin": "null"},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another port": {"Sec-Fetch-Site": "same-site"},
    "another name": {"Host": "evil.test"},
    "another name with the port": {"Host": "evil.test:{port}"},
    "another port's name": {"Host": "127.0.0.1:1"},
    "no name": {"Host": ""},
}


def answer(running: Cloud, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Send a request as it is; gives the status and the headers of the answer."""
    host = urlsplit(running.endpoint)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value.format(endpoint=running.endpoint, port=host.port))
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_what_only_browsers_send_is_refused(running: Cloud, headers: dict[str, str]) -> None:
    status, answered = answer(running, "GET", "/_ministack/health", headers)

    assert status == 403
    assert not [name for name in answered if name.lower().startswith("access-control-")]


def test_a_preflight_is_refused(running: Cloud) -> None:
    asked = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}

    assert answer(running, "OPTIONS", "/", asked)[0] == 403
    assert answer(running, "OPTIONS", "/", {})[0] == 403


def test_health_is_all_that_is_served_unsigned(running: Cloud) -> None:
    status, headers = answer(running, "GET", "/_ministack/health", {})

    assert status == 200
    assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_ministack/ready"),
        ("GET", "/_localstack/health"),
        ("POST", "/_ministack/health"),
        ("GET", "/"),
        ("POST", "/2015-03-31/functions"),
        ("PUT", "/bucket"),
        ("GET", "/bucket/key"),
    ],
)
def test_nothing_else_is_served_unsigned(running: Cloud, method: str, path: str) -> None:
    assert answer(running, method, path, {})[0] == 403


CALLS = [
    ("sts", "get_caller_identity"),
    ("s3", "list_buckets"),
    ("iam", "list_users"),
    ("lambda", "list_functions"),
    ("dynamodb", "list_tables"),
    ("stepfunctions", "list_state_machines"),
    ("sagemaker", "list_endpoints"),
    ("sqs", "list_queues"),
]
WRONG = {
    "test": {"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException"},
    "123456789012": {"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException"},
    "root": {"SignatureDoesNotMatch", "InvalidSignatureException"},
}


@pytest.mark.parametrize(("service", "call"), CALLS)
@pytest.mark.parametrize("key", WRONG)
def test_the_root_user_s_secret_is_needed(
    running: Cloud, service: str, call: str, key: str
) -> None:
    access_key = running.access_key if key == "root" else key
    client = session(running.endpoint, running.region, access_key, "test").client(service)

    with pytest.raises(ClientError) as raised:
        getattr(client, call)()

    assert raised.value.response["Error"]["Code"] in WRONG[key]


def test_a_key_works_as_long_as_it_exists(app: TinyApp, running: Cloud) -> None:
    iam, name = app.client("iam"), app.name("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = (key["AccessKeyId"], key["SecretAccessKey"])
    sts = session(running.endpoint, running.region, *keys).client("sts")

    assert sts.get_caller_identity()["Arn"].endswith(f"user/{name}")
    iam.delete_access_key(UserName=name, AccessKeyId=keys[0])
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        sts.get_caller_identity()


CREDENTIALS = """
import os

def handler(event, context):
    return {name: os.environ[name] for name in
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
"""


def test_a_role_s_credentials_need_their_token(app: TinyApp, running: Cloud) -> None:
    function = app.function(CREDENTIALS)
    held = app.invoke(function).payload
    keys = (held["AWS_ACCESS_KEY_ID"], held["AWS_SECRET_ACCESS_KEY"])

    # MiniStack's own are a digest of names that are no secret.
    role = app.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    digest = hashlib.sha256(f"{function}:{role}".encode()).hexdigest()
    assert keys[0] != f"ASIA{digest[:16].upper()}"

    def caller(token: str | None) -> str:
        client = session(running.endpoint, running.region, *keys, token).client("sts")
        return str(client.get_caller_identity()["Arn"])

    assert ":assumed-role/" in caller(held["AWS_SESSION_TOKEN"])
    for token in (None, "x" * 80):
        with pytest.raises(ClientError, match="Invalid"):
            caller(token)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(app: TinyApp, version: str) -> None:
    bucket, key = app.bucket(), "north gate/7 + é.png"
    client = app.session.client("s3", config=Config(signature_version=version))
    named = {"Bucket": bucket, "Key": key}
    # What urllib sends is signed, if it is not empty.
    typed = {"Content-Type": "image/png"}
    put = client.generate_presigned_url("put_object", Params={**named, "ContentType": "image/png"})
    get = client.generate_presigned_url("get_object", Params=named)

    open_url(Request(put, data=b"photo", method="PUT", headers=typed))

    assert open_url(get).read() == b"photo"
    for wrong in (get.replace("gate", "door"), get.split("?")[0]):
        with pytest.raises(HTTPError, match="403"):
            open_url(wrong)


def test_large_uploads_of_each_kind(app: TinyApp) -> None:
    bucket, s3, body = app.bucket(), app.client("s3"), b"0123456789" * 900_000
    unsigned = app.session.client("s3", config=Config(s3={"payload_signing_enabled": False}))

    s3.put_object(Bucket=bucket, Key="bytes", Body=body)
    # A stream is sent in chunks with its checksum behind it.
    unsigned.put_object(Bucket=bucket, Key="stream", Body=io.BytesIO(body))
    s3.upload_fileobj(io.BytesIO(body), bucket, "parts")

    for key in ("bytes", "stream", "parts"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body


def test_a_body_that_was_changed_is_refused(app: TinyApp, running: Cloud) -> None:
    changed: list[bytes] = []

    def change(request: Any, **_: Any) -> None:
        changed.append(request.body)
        request.body = b'{"TableName": "other"}'
        request.headers["Content-Length"] = str(len(request.body))

    client = app.client("dynamodb")
    client.meta.events.register("before-send.dynamodb", change)

    with pytest.raises(ClientError, match="InvalidSignatureException"):
        client.describe_table(TableName="table")
    assert json.loads(changed[0]) == {"TableName": "table"}


RUNTIME_API = """
import os

def handler(event, context):
    return os.environ["AWS_LAMBDA_RUNTIME_API"]
"""


def test_the_lambda_runtime_api_has_a_secret_path(app: TinyApp) -> None:
    address = app.invoke(app.function(RUNTIME_API)).payload
    host, _, secret = address.partition("/")

    assert len(secret) > 20
    for path in ("", "/guessed"):
        with pytest.raises(HTTPError, match="403"):
            open_url(f"http://{host}{path}/2018-06-01/runtime/invocation/next", timeout=5)


def test_what_is_written_is_for_the_user_only(app: TinyApp, running: Cloud) -> None:
    app.client("s3").put_object(Bucket=app.bucket(), Key="photo.png", Body=b"photo")
    app.invoke(app.function(RUNTIME_API, [allow("s3:GetObject")]))
    folder = Path(running.state)

    open_to_others = [
        path
        for path in [folder, *folder.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    # A deployment package's files have the modes that it gives them, below a private folder.
    assert [path for path in open_to_others if folder / "lambda" not in path.parents] == []
