"""Who sent a request: every one is signed, by a key that was issued here.

MiniStack takes a request of the root user without looking at its signature, and the key ``test``
and any 12 digits for the root user's. Its check of the other keys' signatures is right for the
root user's too, but for the body: it believes the hash that the request has of it.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.core import iam_evaluator, router, sigv4
from ministack.services import s3, sts

from scones_local.ministack import REGION, function_url_requests
from scones_local.ministack.patching import wrap

Response = tuple[int, dict[str, str], bytes]

_ANONYMOUS_SERVICES = iam_evaluator.AuthError(
    "MissingAuthenticationToken", "Request is missing Authentication Token"
)

_SIGNATURE_MISMATCH = iam_evaluator.AuthError("SignatureDoesNotMatch", sigv4.SIGNATURE_MISMATCH)

# Instead of a hash: not signed, or signed chunk by chunk, which MiniStack checks.
# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
_WITHOUT_CONTENT_HASH = {
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
}

# While a request is kept for its signature check, the root user's key is one like any other.
_preserved_headers: ContextVar[bool] = ContextVar("keeping", default=False)


def install(access_key: str) -> None:
    """Let MiniStack know the root user by one key only.

    Parameters
    ----------
    access_key
        The root user's access key ID.
    """

    def is_root(key: str) -> bool:
        return bool(key) and key == access_key

    wrap(iam_evaluator, "is_root_access_key", lambda _: is_root)
    wrap(sts, "is_root_access_key", lambda _: is_root)
    wrap(
        iam_evaluator,
        "_is_root_key",
        lambda _: lambda key: is_root(key) and not _preserved_headers.get(),
    )
    wrap(iam_evaluator, "pin_signed_request", _preserving_headers)


def check_signature(
    method: str,
    path: str,
    raw_path: str,
    query: dict[str, list[str]],
    raw_headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> Response | None:
    """Check the signature of a request, and return AWS's answer if it is not right.

    Parameters
    ----------
    method, path, raw_path, query
        The request line: the path as decoded and as sent, and the query's values by name.
    raw_headers
        Names and values of the headers, as sent.
    body
        The body, as sent.
    """
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw_headers
    }
    service = router.detect_service(method, path, headers, query)
    iam_evaluator.pin_signed_request(method, raw_path, query, raw_headers)
    preserved = iam_evaluator._signed_request.get()
    if preserved is None:
        return _format_error(service, _ANONYMOUS_SERVICES, headers)
    try:
        if preserved.s3_scoped:
            # A presigned URL. S3 has a check of its own for it.
            response: Response | None = s3._verify_presigned_sigv4(method, path, headers, query)
            return response
        checked = _authenticate(preserved.access_key_id, body)
    except (TypeError, ValueError):
        # MiniStack compares ASCII only, and takes every character that is a digit for a number.
        return _format_error(service, _SIGNATURE_MISMATCH, headers)
    if not isinstance(checked, iam_evaluator.ResolvedCredential):
        return _format_error(service, checked or _ANONYMOUS_SERVICES, headers)
    if not _has_matching_hash(body, preserved.headers):
        return _content_hash_error(service, path, headers)
    return _function_url_error(path, headers, query, body)


def _function_url_error(
    path: str, headers: Mapping[str, str], query: Mapping[str, list[str]], body: bytes
) -> Response | None:
    """Return the response of a function's URL to a request that it rejects."""
    if not path.startswith(function_url_requests.PATH):
        return None
    return function_url_requests.check_request(headers, query, body, REGION)


def _authenticate(key: str, body: bytes) -> Any:
    iam_evaluator.pin_signed_body(body)
    return iam_evaluator.authenticate(key, iam_evaluator.find_iam_access_key_account(key) or "")


def _has_matching_hash(body: bytes, headers: Mapping[str, str]) -> bool:
    claimed = headers.get("x-amz-content-sha256")
    if not claimed or claimed in _WITHOUT_CONTENT_HASH:
        return True
    return claimed == hashlib.sha256(body).hexdigest()


def _content_hash_error(service: str, path: str, headers: dict[str, str]) -> Response:
    if service != "s3":
        return _format_error(service, _SIGNATURE_MISMATCH, headers)
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."
    response: Response = s3._error("XAmzContentSHA256Mismatch", message, 400, path)
    return response


def _preserving_headers(pin: Callable[..., None]) -> Callable[..., None]:
    def run(*given: Any, **more: Any) -> None:
        token = _preserved_headers.set(True)
        try:
            pin(*given, **more)
        finally:
            _preserved_headers.reset(token)

    return run


def _format_error(service: str, error: Any, headers: dict[str, str]) -> Response:
    response: Response = app._credential_failure(service, "", "", error, headers)
    return response
