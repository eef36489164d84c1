"""Functions' URLs, under an address of this machine, for verified callers.

MiniStack serves them under names that only AWS's DNS knows, asks for one of the two permissions
that AWS asks for, and does not tell the function who called.
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html and
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html say how it is on AWS.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import json_response
from ministack.services import lambda_svc

from scones_local.ministack.function_url_requests import PATH
from scones_local.ministack.patching import wrap

Response = tuple[int, dict[str, Any], bytes]

_FORBIDDEN = json.dumps(
    {
        "Message": "Forbidden. For troubleshooting Function URL authorization issues, see: "
        "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
    }
).encode()


def install(endpoint: str) -> None:
    """Change how functions' URLs are called, and what functions are told.

    Parameters
    ----------
    endpoint
        URL that the local cloud is served at.
    """
    wrap(lambda_svc, "_create_function_url_config", lambda make: _served_locally(make, endpoint))
    wrap(lambda_svc, "_function_url_id", _url_id_from_path)
    wrap(lambda_svc, "_build_function_url_event", _with_caller)
    wrap(lambda_svc, "lambda_execute_result_to_api_proxy_response", _without_error_details)
    wrap(app, "_enforce_data_plane", _with_both_permissions)


def _served_locally(create: Callable[..., Response], endpoint: str) -> Callable[..., Response]:
    def run(function: str, data: Any, qualifier: str | None) -> Response:
        status, headers, body = create(function, data, qualifier)
        if status != 201:
            return status, headers, body
        url_config = lambda_svc._function_urls[lambda_svc._url_config_key(function, qualifier)]
        name = url_config["FunctionUrl"].removeprefix("https://").partition(".")[0]
        url_config["FunctionUrl"] = f"{endpoint}{PATH}{name}/"
        response: Response = json_response(url_config, status=status)
        return response

    return run


def _url_id_from_path(find: Callable[[str], str]) -> Callable[[str], str]:
    def run(url: str) -> str:
        return url.partition(PATH)[2].rstrip("/") or find(url)

    return run


def _with_caller(build: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def run(*given: Any, anonymous: bool = False, **more: Any) -> dict[str, Any]:
        event = build(*given, anonymous=anonymous, **more)
        if not anonymous:
            headers, query = given[5], given[7]
            event["requestContext"]["authentication"] = None
            event["requestContext"]["authorizer"] = {"iam": _identity(headers, query)}
        return event

    return run


def _identity(headers: dict[str, str], query: dict[str, list[str]]) -> dict[str, Any]:
    """Return the caller of a request; its signature and permissions were checked before."""
    access_key = app.extract_access_key_id(headers, query)
    caller = iam_evaluator.resolve_caller_identity(access_key)
    if caller is None:
        raise PermissionError("a function's URL was called without a verified caller")
    return {
        "accessKey": caller["accessKey"],
        "accountId": caller["accountId"],
        "callerId": caller["userId"],
        "cognitoIdentity": None,
        "principalOrgId": caller["principalOrgId"],
        "userArn": caller["userArn"],
        "userId": caller["userId"],
    }


def _without_error_details(convert: Callable[..., Any]) -> Callable[..., Any]:
    """Answer 502 where a function raised an error: only its log has the error itself."""

    def run(result: dict[str, Any]) -> Any:
        if result.get("error") and not result.get("throttle"):
            return None, None
        return convert(result)

    return run


def _with_both_permissions(enforce: Callable[..., Any]) -> Callable[..., Any]:
    """Ask for lambda:InvokeFunction too, as AWS does for URLs made since October 2025."""

    def run(service: str, action: str, *rest: Any, **more: Any) -> Any:
        denied = enforce(service, action, *rest, **more)
        if action != "lambda:InvokeFunctionUrl":
            return denied
        if not denied:
            context = {"lambda:InvokedViaFunctionUrl": "true"}
            more = {**more, "service_context": context}
            denied = enforce(service, "lambda:InvokeFunction", *rest, **more)
        return _forbidden_response(denied) if denied else None

    return run


def _forbidden_response(denied: Response) -> Response:
    """Return what a URL answers to a caller who lacks a permission."""
    _, headers, body = denied
    if b"AccessDenied" not in body and "AccessDenied" not in str(headers):
        return denied
    message = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
    return 403, message, _FORBIDDEN
