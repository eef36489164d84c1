"""What Lambda itself does by a function's role: write its log, and keep what failed for good.

MiniStack does both without asking.
"""

import logging
from collections.abc import Callable
from typing import Any

from ministack.services import lambda_svc

from scones_local.ministack import ACCOUNT, REGION
from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import (
    DeniedError,
    Permission,
    assume_role,
    require_permission,
)

_log = logging.getLogger("local.function_permissions")

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
_LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
_SENDING = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "events": "events:PutEvents"}


def install() -> None:
    """Ask IAM before Lambda acts for a function."""
    wrap(lambda_svc, "_emit_lambda_logs", _log_if_allowed)
    wrap(lambda_svc, "_route_async_failure", _route_if_allowed)


def _log_if_allowed(emit: Callable[..., None]) -> Callable[..., None]:
    def run(function: dict[str, Any], *rest: Any, **more: Any) -> None:
        config = function.get("config") or function
        name = config.get("FunctionName", "unknown")
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        stream = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:*"
        if _is_allowed(config, *(Permission(action, stream) for action in _LOGGING)):
            emit(function, *rest, **more)

    return run


def _route_if_allowed(route: Callable[..., None]) -> Callable[..., None]:
    def run(destination: str, name: str, *rest: Any) -> None:
        config = lambda_svc._functions[name]["config"]
        action = _SENDING.get(destination.split(":")[2], "lambda:InvokeFunction")
        if _is_allowed(config, Permission(action, destination)):
            route(destination, name, *rest)

    return run


def _is_allowed(config: dict[str, Any], *permissions: Permission) -> bool:
    try:
        role = assume_role(config["Role"], "lambda.amazonaws.com")
        for permission in permissions:
            require_permission(role.access_key, permission)
    except DeniedError as denied:
        _log.warning("%s: %s", config["FunctionName"], denied)
        return False
    return True
