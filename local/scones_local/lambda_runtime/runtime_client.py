"""awslambdaric's client of the Lambda Runtime API, for machines its C extension isn't built for.

It has the functions that awslambdaric 4.2 calls, with their parameters and results. The API:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.client
import os

_VERSION = "2018-06-01"
_DEADLINE = "Lambda-Runtime-Deadline-Ms"
_HEADERS = (
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
)

_agent = {"User-Agent": "aws-lambda-python"}


def initialize_client(user_agent: str) -> None:
    """Set the name that requests go under."""
    _agent["User-Agent"] = user_agent


def next() -> tuple[bytes, dict[str, str | int | None]]:
    """Wait for the next invocation.

    Returns
    -------
    tuple of bytes and dict
        The event, and the headers that tell of the invocation; None where one is absent. The
        deadline is a number, of milliseconds since 1970.

    Raises
    ------
    RuntimeError
        If the API refuses.
    """
    body, headers = _call("GET", "invocation/next", None, {})
    # Events are JSON whatever the API says of them, as for the extension.
    response = {name: headers.get(name) for name in _HEADERS}
    deadline = int(headers[_DEADLINE])
    return body, {**response, _DEADLINE: deadline, "Content-Type": "application/json"}


def post_invocation_result(
    invoke_id: str, result: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Answer an invocation.

    Raises
    ------
    RuntimeError
        If the API refuses.
    """
    headers = {"Content-Type": content_type, **_invocation_headers(invocation_id)}
    _call("POST", f"invocation/{invoke_id}/response", result, headers)


def post_error(
    invoke_id: str, error: str, xray_cause: str, invocation_id: str | None = None
) -> None:
    """Tell that an invocation failed.

    Parameters
    ----------
    invoke_id
        The invocation's request id.
    error
        JSON of the error, as awslambdaric writes it.
    xray_cause
        JSON for X-Ray, or nothing.
    invocation_id
        As the invocation came with it.

    Raises
    ------
    RuntimeError
        If the API refuses.
    """
    headers = {"Content-Type": "application/json", **_invocation_headers(invocation_id)}
    if xray_cause:
        headers["Lambda-Runtime-Function-Xray-Error-Cause"] = xray_cause
    _call("POST", f"invocation/{invoke_id}/error", error.encode(), headers)


def _invocation_headers(invocation_id: str | None) -> dict[str, str]:
    return {"Lambda-Runtime-Invocation-Id": invocation_id} if invocation_id else {}


def _call(
    method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[bytes, http.client.HTTPMessage]:
    # No timeout: the next invocation may be long in coming.
    # A path may follow host and port, as with the C extension.
    host, slash, prefix = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
    connection = http.client.HTTPConnection(host)
    try:
        target = f"{slash}{prefix}/{_VERSION}/runtime/{path}"
        connection.request(method, target, body, _agent | headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise RuntimeError(f"The Lambda Runtime API answered {path} with {response.status}")
    return content, response.headers
