"""Requests to functions' URLs that AWS rejects before the function runs.

MiniStack accepts a signature for any service and region, and bodies that are not signed. On AWS the
signature must be for Lambda (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html) in
the function's region, of the body's hash: "Lambda doesn't support unsigned payloads"
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-lambda.html).
The body may have 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

import json
from collections.abc import Mapping, Sequence

from ministack.core import sigv4

Response = tuple[int, dict[str, str], bytes]

PATH = "/_aws/lambda-url/"
"""Where MiniStack serves URLs without a name of their own."""

MAX_BODY_BYTES = 6_291_556
"""Lambda's limit for the payload of a synchronous invocation, as its error message has it."""

_UNSIGNED = ("UNSIGNED-", "STREAMING-")


def check_request(
    headers: Mapping[str, str], query: Mapping[str, Sequence[str]], body: bytes, region: str
) -> Response | None:
    """Return Lambda's response to a request that its URLs reject, or None if they accept it.

    Parameters
    ----------
    headers, query
        Headers by lower-case name, and values of the query by name. The signature was verified.
    body
        The body, as sent.
    region
        The function's region.
    """
    if len(body) > MAX_BODY_BYTES:
        return _error_response(
            413,
            "RequestEntityTooLargeException",
            f"Request must be smaller than {MAX_BODY_BYTES} bytes for the InvokeFunction operation",
        )
    _, _, scope = _credential(headers, query).partition("/")
    _, _, scope = scope.partition("/")
    if scope != f"{region}/lambda/aws4_request":
        given_region, _, _ = scope.partition("/")
        expected = "a valid region. " if given_region != region else "correct service: 'lambda'. "
        return _error_response(
            403, "InvalidSignatureException", f"Credential should be scoped to {expected}"
        )
    if headers.get("x-amz-content-sha256", "").startswith(_UNSIGNED):
        # AWS computes the signature with the hash of the body.
        return _error_response(403, "InvalidSignatureException", sigv4.SIGNATURE_MISMATCH)
    return None


def _credential(headers: Mapping[str, str], query: Mapping[str, Sequence[str]]) -> str:
    """Return the credential of a signature: key, date, region, service, and terminator."""
    for part in headers.get("authorization", "").replace(",", " ").split():
        name, _, value = part.partition("=")
        if name == "Credential":
            return value
    return next(iter(query.get("X-Amz-Credential", ())), "")


def _error_response(status: int, kind: str, message: str) -> Response:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": kind}
    return status, headers, json.dumps({"message": message}).encode()
