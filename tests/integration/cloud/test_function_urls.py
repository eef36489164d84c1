"""Functions' URLs: who may call them, and what functions are told of their callers."""

import base64
import http.client
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from scones_local.cloud.lifecycle import Cloud
from tests.integration.cloud.tiny_app import TinyApp, allow

ECHO = """
def handler(event, context):
    return {"event": event}
"""

SHAPED = """
def handler(event, context):
    return {"statusCode": 201, "headers": {"X-Own": "yes"}, "body": "made"}
"""

FAILS = """
def handler(event, context):
    raise RuntimeError("a secret of the function")
"""

BY_URL_ONLY = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}


class UnsignedBody(SigV4Auth):
    """Signs a request with a marker instead of the hash of its body."""

    marker = "UNSIGNED-PAYLOAD"

    def payload(self, request: Any) -> str:
        request.headers["X-Amz-Content-SHA256"] = self.marker
        return self.marker


class StreamedBody(UnsignedBody):
    marker = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def signer_for(
    service: str, kind: type[SigV4Auth] = SigV4Auth, region: str | None = None
) -> Callable[[Credentials, str], SigV4Auth]:
    return lambda credentials, here: kind(credentials, service, region or here)


FOR_LAMBDA = signer_for("lambda")


class Url:
    """A function's URL, and callers of it."""

    def __init__(self, app: TinyApp, code: str) -> None:
        self.app = app
        self.function = app.function(code)
        made = app.client("lambda").create_function_url_config(
            FunctionName=self.function, AuthType="AWS_IAM"
        )
        self.url = made["FunctionUrl"]

    def may_call(self) -> list[dict[str, Any]]:
        """What a caller needs."""
        return [
            allow("lambda:InvokeFunctionUrl", self.function),
            {**allow("lambda:InvokeFunction", self.function), "Condition": BY_URL_ONLY},
        ]

    def user(self, *statements: dict[str, Any]) -> Credentials:
        iam, name = self.app.client("iam"), self.app.name("caller")
        iam.create_user(UserName=name)
        if statements:
            document = {"Version": "2012-10-17", "Statement": statements}
            iam.put_user_policy(
                UserName=name, PolicyName="policy", PolicyDocument=json.dumps(document)
            )
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def call(
        self,
        credentials: Credentials | None,
        body: bytes = b"{}",
        path: str = "",
        signer: Callable[[Credentials, str], SigV4Auth] = FOR_LAMBDA,
        **headers: str,
    ) -> tuple[int, Any, Any]:
        """Send a request; returns the status, the headers and the body of the response."""
        given = {"Content-Type": "application/json", **headers}
        request = AWSRequest("POST", self.url + path, headers=given, data=body)
        if credentials:
            signer(credentials, self.app.region).add_auth(request)
        prepared = request.prepare()
        where = urlsplit(prepared.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        target = where.path + ("?" + where.query if where.query else "")
        connection.request("POST", target, body, dict(prepared.headers))
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, response.headers, text


@pytest.fixture(scope="module")
def make_url(running: Cloud, app: TinyApp) -> Callable[[str], Url]:
    made: dict[str, Url] = {}

    def make(code: str) -> Url:
        if code not in made:
            made[code] = Url(app, code)
        return made[code]

    return make


@pytest.fixture
def echo(make_url: Callable[[str], Url]) -> Url:
    return make_url(ECHO)


def test_a_url_can_be_reached_without_dns(echo: Url, running: Cloud) -> None:
    described = echo.app.client("lambda").get_function_url_config(FunctionName=echo.function)

    assert described["FunctionUrl"] == echo.url
    assert echo.url.startswith(running.endpoint)


def test_a_function_is_told_who_called(echo: Url) -> None:
    caller = echo.user(*echo.may_call())

    status, _, body = echo.call(caller, b'{"a": "\xc3\xa4"}', "some/where?x=1&x=2")

    event = json.loads(body)["event"]
    identity = event["requestContext"]["authorizer"]["iam"]
    name = identity["userArn"].rpartition("/")[2]
    found = echo.app.client("iam").get_user(UserName=name)["User"]
    assert status == 200
    assert identity == {
        "accessKey": caller.access_key,
        "accountId": echo.app.account,
        "callerId": found["UserId"],
        "cognitoIdentity": None,
        "principalOrgId": identity["principalOrgId"],
        "userArn": found["Arn"],
        "userId": found["UserId"],
    }
    assert (event["version"], event["rawPath"]) == ("2.0", "/some/where")
    assert event["queryStringParameters"] == {"x": "1,2"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": "ä"}', False)


def test_a_role_s_session_is_told_by_its_arn(echo: Url) -> None:
    role = echo.app.role("ec2.amazonaws.com", *echo.may_call())
    name = role.rpartition("/")[2]
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    echo.app.client("iam").update_assume_role_policy(
        RoleName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    given = echo.app.client("sts").assume_role(RoleArn=role, RoleSessionName="anna")["Credentials"]
    session = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    status, _, body = echo.call(session)

    identity = json.loads(body)["event"]["requestContext"]["authorizer"]["iam"]
    assert status == 200
    assert identity["userArn"].endswith(f":assumed-role/{name}/anna")
    assert identity["userId"].endswith(":anna")


def test_other_bodies_are_passed_as_base64(echo: Url) -> None:
    caller = echo.user(*echo.may_call())

    _, _, body = echo.call(caller, b"\xff\x00", **{"Content-Type": "image/png"})

    event = json.loads(body)["event"]
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_what_is_sent_does_not_change_who_called(echo: Url) -> None:
    caller = echo.user(*echo.may_call())
    made_up = {"requestContext": {"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/anna"}}}}

    _, _, body = echo.call(caller, json.dumps(made_up).encode())

    identity = json.loads(body)["event"]["requestContext"]["authorizer"]["iam"]
    assert identity["accessKey"] == caller.access_key


@pytest.mark.parametrize(
    ("signer", "message"),
    [
        (signer_for("s3"), "Credential should be scoped to correct service: 'lambda'. "),
        (signer_for("execute-api"), "Credential should be scoped to correct service: 'lambda'. "),
        (signer_for("lambda", region="eu-west-1"), "Credential should be scoped to a valid region"),
        (signer_for("lambda", UnsignedBody), "The request signature we calculated does not match"),
        (signer_for("lambda", StreamedBody), "The request signature we calculated does not match"),
    ],
)
def test_the_signature_must_be_for_lambda_here_and_of_the_body(
    echo: Url, signer: Any, message: str
) -> None:
    caller = echo.user(*echo.may_call())

    status, headers, body = echo.call(caller, signer=signer)

    assert (status, headers["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")
    assert json.loads(body)["message"].startswith(message)


@pytest.mark.parametrize(("size", "status"), [(5_000_000, 200), (6_291_557, 413)])
def test_bodies_have_a_limit(make_url: Callable[[str], Url], size: int, status: int) -> None:
    counts = make_url("def handler(event, context):\n    return len(event['body'])\n")

    found, _, body = counts.call(counts.user(*counts.may_call()), b"x" * size)

    assert found == status
    assert body == str(size) if status == 200 else "smaller than 6291556 bytes" in body


def test_unsigned_requests_are_refused(echo: Url) -> None:
    assert echo.call(None)[0] == 403


def test_another_secret_is_refused(echo: Url) -> None:
    caller = echo.user(*echo.may_call())

    assert echo.call(Credentials(caller.access_key, "another secret"))[0] == 403


@pytest.mark.parametrize("missing", [0, 1])
def test_both_permissions_are_needed(echo: Url, missing: int) -> None:
    statements = echo.may_call()
    del statements[missing]

    status, headers, body = echo.call(echo.user(*statements))

    assert status == 403
    assert headers["x-amzn-ErrorType"] == "AccessDeniedException"
    assert json.loads(body)["Message"].startswith("Forbidden")


def test_permissions_are_for_the_functions_they_name(
    echo: Url, make_url: Callable[[str], Url]
) -> None:
    other = make_url(SHAPED)

    assert echo.call(other.user(*other.may_call()))[0] == 403


@pytest.mark.parametrize(("auth_type", "status"), [("AWS_IAM", 200), ("NONE", 403)])
def test_a_permission_may_be_for_urls_of_one_authorization_type(
    echo: Url, auth_type: str, status: int
) -> None:
    by_url, by_invocation = echo.may_call()
    by_url["Condition"] = {"StringEquals": {"lambda:FunctionUrlAuthType": auth_type}}

    assert echo.call(echo.user(by_url, by_invocation))[0] == status


def test_who_may_call_the_url_may_not_invoke_with_a_made_up_caller(
    echo: Url, running: Cloud
) -> None:
    caller = echo.user(*echo.may_call())
    keys = {"access_key": caller.access_key, "secret_key": caller.secret_key}
    client = replace(running, **keys).session().client("lambda")

    with pytest.raises(ClientError) as raised:
        client.invoke(FunctionName=echo.function, Payload=b'{"requestContext": {}}')

    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_function_may_shape_its_response(make_url: Callable[[str], Url]) -> None:
    shaped = make_url(SHAPED)

    status, headers, body = shaped.call(shaped.user(*shaped.may_call()))

    assert (status, headers["X-Own"], body) == (201, "yes", "made")


def test_an_error_of_the_function_stays_in_its_log(make_url: Callable[[str], Url]) -> None:
    fails = make_url(FAILS)

    status, _, body = fails.call(fails.user(*fails.may_call()))

    assert status == 502
    assert "Internal Server Error" in body
    assert "secret" not in body


def test_a_url_that_does_not_exist_is_refused(echo: Url) -> None:
    other = Url.__new__(Url)
    other.app, other.url = echo.app, echo.url[:-2] + "0/"
    assert other.call(echo.user(*echo.may_call()))[0] in {403, 404}
