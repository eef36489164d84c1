"""The embedded SageMaker as one more of MiniStack's services."""

import asyncio
import contextvars
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from ministack import app
from ministack.core import responses, router
from ministack.services import eventbridge

from scones_local.ministack import ACCOUNT, REGION, audit, sagemaker_permissions
from scones_local.ministack.clients import Clients
from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import (
    Credentials,
    DeniedError,
    assume_role,
    require_permission,
)
from scones_local.sagemaker import ContainerImage, LocalSageMaker, Request, Response

_MAX_CONCURRENCY = 64

HttpResponse = tuple[int, dict[str, str], bytes]


def install(
    state: Path, clients: Clients, root: Credentials, images: Mapping[str, ContainerImage]
) -> LocalSageMaker:
    """Give MiniStack a SageMaker.

    Parameters
    ----------
    state
        Folder for its jobs and endpoints.
    clients
        Makes the clients its jobs and endpoints use.
    root
        Credentials of the root user.
    images
        Programs of its containers by patterns of image URIs.
    """

    def client(service: str, role: str | None) -> Any:
        return clients.client(service, root if role is None else _role_variables(role))

    hosted = LocalSageMaker(
        state,
        account=ACCOUNT,
        region=REGION,
        client=client,
        emit=_put_event,
        images=images,
        variables=lambda role: clients.variables(_role_variables(role)),
    )
    # Requests find it: the control plane by its target, the runtime by its signature.
    router.SERVICE_PATTERNS["sagemaker"] = {"target_prefixes": ["SageMaker."]}
    wrap(app, "detect_service", _with_runtime)
    handler = _handler(hosted)
    app.SERVICE_HANDLERS["sagemaker"] = handler
    app.SERVICE_HANDLERS["sagemaker-runtime"] = handler
    return hosted


def _role_variables(role: str) -> Credentials:
    try:
        return assume_role(role, "sagemaker.amazonaws.com")
    except DeniedError as denied:
        error = {"Error": {"Code": "AccessDenied", "Message": str(denied)}}
        raise ClientError(error, "AssumeRole") from None  # type: ignore[arg-type]


def _put_event(detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
    entry = {
        "Source": "aws.sagemaker",
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": resources,
    }
    with responses.request_scope(ACCOUNT, REGION):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _with_runtime(detect: Callable[..., str]) -> Callable[..., str]:
    def run(method: str, path: str, headers: dict[str, str], query: Any) -> str:
        service = detect(method, path, headers, query)
        # Both sign as "sagemaker"; only the control plane has a target.
        runtime = service == "sagemaker" and "x-amz-target" not in headers
        return "sagemaker-runtime" if runtime else service

    return run


def _handler(hosted: LocalSageMaker) -> Callable[..., Any]:
    # Its requests block, an invocation up to 60 s: they would stop the event loop.
    pool = ThreadPoolExecutor(_MAX_CONCURRENCY, thread_name_prefix="sagemaker-request")

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> HttpResponse:
        request = Request(
            method=method,
            path=quote(path),
            query={name: values[-1] for name, values in query.items()},
            headers=headers,
            body=body.encode() if isinstance(body, str) else body,
        )
        access_key = router.extract_access_key_id(headers, query)
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            pool, context.run, _handle_request, hosted, request, access_key
        )

    return handle


def _handle_request(hosted: LocalSageMaker, request: Request, access_key: str) -> HttpResponse:
    try:
        _authorize(request, access_key)
    except DeniedError as denied:
        return _denied_response(request, str(denied))
    response = hosted.handle(request)
    return response.status, dict(response.headers), response.body


def _denied_response(request: Request, message: str) -> HttpResponse:
    code = "AccessDeniedException"
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
    status = 400 if request.header("x-amz-target") else 403
    return status, headers, json.dumps({"__type": code, "Message": message}).encode()


def _authorize(request: Request, access_key: str) -> None:
    target = request.header("x-amz-target")
    if target is None:
        endpoint = request.path.split("/")[2] if request.path.startswith("/endpoints/") else "*"
        require_permission(access_key, sagemaker_permissions.permissions_to_invoke(endpoint))
        return
    action, parameters = target.partition(".")[2], json.loads(request.body or b"{}")
    with audit.request(f"sagemaker:{action}", parameters):
        for permission in sagemaker_permissions.permissions_for_action(action, parameters):
            require_permission(access_key, permission)


def call(hosted: LocalSageMaker, action: str, parameters: dict[str, Any]) -> Response:
    """Call an action of the control plane without asking IAM."""
    headers = {"X-Amz-Target": f"SageMaker.{action}", "Content-Type": "application/x-amz-json-1.1"}
    return hosted.handle(
        Request("POST", "/", headers=headers, body=json.dumps(parameters).encode())
    )
