import json

import pytest

from scones_local.sagemaker import Request, Response
from tests.integration.sagemaker.local_sagemaker import Cloud


def post(cloud: Cloud, action: str, body: bytes) -> Response:
    return cloud.service.handle(
        Request("POST", "/", headers={"x-amz-target": f"SageMaker.{action}"}, body=body)
    )


def test_answers_aws_json(cloud: Cloud) -> None:
    response = post(cloud, "ListModels", b"")
    assert (response.status, json.loads(response.body)) == (200, {"Models": []})
    assert response.headers["Content-Type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("ListModels", b"{", "SerializationException"),
        ("BakeScone", b"{}", "UnknownOperationException"),
        ("ListSpaces", b"{}", "UnsupportedOperation"),
        ("StartNotebookInstance", b'{"NotebookInstanceName":"n"}', "UnsupportedOperation"),
        ("DescribeModel", b'{"ModelName":"nobody"}', "ValidationException"),
    ],
)
def test_refuses_in_aws_json(cloud: Cloud, action: str, body: bytes, code: str) -> None:
    response = post(cloud, action, body)
    refusal = json.loads(response.body)
    assert (response.status, refusal["__type"]) == (400, code)
    assert response.headers["x-amzn-ErrorType"] == code
    assert refusal["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/endpoints/live/invocations"), ("POST", "/endpoints/live/async-invocations")],
)
def test_knows_one_call_of_the_runtime(cloud: Cloud, method: str, path: str) -> None:
    response = cloud.service.handle(Request(method, path))
    assert response.status == 404
    assert json.loads(response.body)["ErrorCode"] == "UnknownOperationException"
