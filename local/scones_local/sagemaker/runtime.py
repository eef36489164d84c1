"""InvokeEndpoint: one request through an endpoint to one container and back."""

import re
import time
import uuid
from urllib.parse import unquote

import urllib3
from urllib3.exceptions import HTTPError

from scones_local.sagemaker.capture import Invocation
from scones_local.sagemaker.endpoint_metrics import EndpointMetrics
from scones_local.sagemaker.endpoints import Endpoints
from scones_local.sagemaker.fleet import NoInstanceError
from scones_local.sagemaker.platform import Platform
from scones_local.sagemaker.protocol import Request, Response, ServiceError
from scones_local.sagemaker.traffic import Endpoint, RequestSlot

_INVOCATIONS = re.compile(r"/endpoints/([^/]+)/invocations")
_MAX_BODY_BYTES = 6_291_456
_MAX_MESSAGE_LENGTH = 1024
REQUEST_SECONDS = 60.0
"""How long a container may take to answer."""

_FORWARDED_HEADERS = (
    "Accept",
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-Inference-Id",
)
_TIMEOUT_STATUS = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class Runtime:
    """Answers ``sagemaker-runtime``."""

    def __init__(self, platform: Platform, endpoints: Endpoints, metrics: EndpointMetrics) -> None:
        self._platform = platform
        self._endpoints = endpoints
        self._metrics = metrics

    def handle(self, request: Request) -> Response:
        """Answer one request; refusals are raised as ServiceError."""
        match = _INVOCATIONS.fullmatch(request.path)
        if match is None or request.method != "POST":
            raise ServiceError("UnknownOperationException", f"There is no {request.path}.", 404)
        if len(request.body) > _MAX_BODY_BYTES:
            raise ServiceError("413", f"HTTP content length exceeded {_MAX_BODY_BYTES} bytes.", 413)
        name = unquote(match[1])
        endpoint = self._endpoints.in_service(name)
        if endpoint is None:
            message = f"Endpoint {name} of account {self._platform.account} not found."
            raise ServiceError("ValidationError", message)
        slot = self._acquire_slot(endpoint, request.header("X-Amzn-SageMaker-Target-Variant"))
        try:
            return self._invoke(endpoint, slot, request)
        finally:
            slot.instance.release()

    def _acquire_slot(self, endpoint: Endpoint, variant: str | None) -> RequestSlot:
        try:
            return endpoint.acquire_slot(variant)
        except KeyError:
            message = f"Variant {variant} not found for endpoint {endpoint.name}."
            raise ServiceError("ValidationError", message) from None
        except NoInstanceError as missing:
            self._metrics.count(endpoint.name, str(missing), 503, None)
            message = f"No instance of endpoint {endpoint.name} is healthy at the moment."
            raise ServiceError("ServiceUnavailable", message, 503) from None

    def _invoke(self, endpoint: Endpoint, slot: RequestSlot, request: Request) -> Response:
        variant = slot.variant.name
        started_at = time.perf_counter()
        try:
            response = self._send(slot, request)
        except HTTPError as error:
            self._metrics.count(endpoint.name, variant, 500, None)
            raise self._model_error(endpoint, 0, _connection_error(error)) from error
        microseconds = round((time.perf_counter() - started_at) * 1e6)
        self._metrics.count(endpoint.name, variant, response.status, microseconds)
        if not 200 <= response.status < 300:
            text = response.data.decode("utf-8", "replace")
            raise self._model_error(endpoint, response.status, text)
        content_type = response.headers.get("Content-Type")
        if slot.serving.capture is not None:
            invocation = Invocation(
                variant=variant,
                content_type=request.header("Content-Type"),
                body=request.body,
                response_type=content_type,
                response=response.data,
                inference_id=request.header("X-Amzn-SageMaker-Inference-Id"),
            )
            slot.serving.capture.record(invocation)
        return Response(200, _response_headers(variant, content_type, response), response.data)

    def _send(self, slot: RequestSlot, request: Request) -> urllib3.BaseHTTPResponse:
        headers = {name: request.header(name) for name in _FORWARDED_HEADERS}
        sent = {name: value for name, value in headers.items() if value is not None}
        sent["Content-Type"] = request.header("Content-Type") or "application/octet-stream"
        return slot.instance.invoke(request.body, sent, REQUEST_SECONDS)

    def _model_error(self, endpoint: Endpoint, status: int, text: str) -> ServiceError:
        region, account = self._platform.region, self._platform.account
        group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
        page = "client" if 400 <= status < 500 else "server"
        console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        message = (
            f"Received {page} error ({status}) from primary with message "
            f'"{text[:_MAX_MESSAGE_LENGTH]}". See {console}#logEventViewer:group={group} '
            f"in account {account} for more information."
        )
        members = {
            "OriginalStatusCode": status,
            "OriginalMessage": text,
            "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
        }
        return ServiceError("ModelError", message, 424, members)


def _response_headers(
    variant: str, content_type: str | None, response: urllib3.BaseHTTPResponse
) -> dict[str, str]:
    custom = response.headers.get("X-Amzn-SageMaker-Custom-Attributes")
    return {
        "Content-Type": content_type or "application/octet-stream",
        "x-Amzn-Invoked-Production-Variant": variant,
        "x-amzn-RequestId": str(uuid.uuid4()),
        **({"X-Amzn-SageMaker-Custom-Attributes": custom} if custom else {}),
    }


def _connection_error(error: HTTPError) -> str:
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return _TIMEOUT_STATUS
    return f"The container ended the connection: {error}"
