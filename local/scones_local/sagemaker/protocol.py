"""Requests, responses and errors as they travel between the host's HTTP server and SageMaker."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON_1_1 = "application/x-amz-json-1.1"


@dataclass(frozen=True)
class Request:
    """An HTTP request to ``sagemaker`` or ``sagemaker-runtime``.

    ``path`` is as it was sent, percent-encoded; ``query`` has the last value of each name.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the value of a header, whatever the case of its name, or None."""
        lower_name = name.lower()
        return next((v for k, v in self.headers.items() if k.lower() == lower_name), None)


@dataclass(frozen=True)
class Response:
    """An HTTP response; ``headers`` lack only what every HTTP server adds by itself."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ServiceError(Exception):
    """A refusal as AWS words it.

    Parameters
    ----------
    code
        AWS's error code, such as ``ValidationException``.
    message
        What is wrong.
    status
        The HTTP status.
    members
        Further members of the error's shape, such as ``OriginalStatusCode``.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, members: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})


def validation_error(message: str) -> ServiceError:
    """Return the error of the control plane for a request that can't be done as it stands."""
    return ServiceError("ValidationException", message)


def unsupported_error(feature: str) -> ServiceError:
    """Return the refusal of what AWS has and the embedded SageMaker has not."""
    return ServiceError("UnsupportedOperation", f"The embedded SageMaker has no {feature}.")


def encode_result(result: Mapping[str, Any]) -> Response:
    """Encode a result of the control plane."""
    return Response(200, _headers(JSON_1_1), json.dumps(result).encode())


def encode_error(error: ServiceError) -> Response:
    """Encode an error of the control plane (AWS JSON 1.1)."""
    body = {"__type": error.code, "message": error.message, **error.members}
    headers = {**_headers(JSON_1_1), "x-amzn-ErrorType": error.code}
    return Response(error.status, headers, json.dumps(body).encode())


def encode_runtime_error(error: ServiceError) -> Response:
    """Encode an error of ``sagemaker-runtime`` (REST JSON)."""
    body = {"ErrorCode": error.code, "Message": error.message, **error.members}
    headers = {**_headers("application/json"), "x-amzn-ErrorType": error.code}
    return Response(error.status, headers, json.dumps(body).encode())


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "x-amzn-RequestId": str(uuid.uuid4())}
