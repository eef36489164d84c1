"""An embedded SageMaker on moto's S3, Logs and CloudWatch, reached with real boto3 clients."""

import io
import json
import re
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from scones_local.sagemaker import ContainerImage, LocalSageMaker, Request
from scones_local.sagemaker.validation import _violations, service_model

ACCOUNT, REGION, BUCKET = "123456789012", "us-east-1", "data"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker"
POWERLESS = f"arn:aws:iam::{ACCOUNT}:role/powerless"
UNTRUSTED = f"arn:aws:iam::{ACCOUNT}:role/untrusted"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/tiny:1"
BUILTIN = "811284229777.dkr.ecr.us-east-1.amazonaws.com/image-classification:1"
ABSENT = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/absent:1"
PYTHON = Path(sys.executable)
PROGRAM = ContainerImage(
    (sys.executable, str(Path(__file__).with_name("container_program.py"))), PYTHON
)
NOT_INSTALLED = ContainerImage((), Path("/absent/bin/python"), "run `make it`")


class Raw(io.BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def access_denied(**_: object) -> tuple[Any, dict[str, Any]]:
    error = {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}
    return type("Answer", (), {"status_code": 403, "headers": {}})(), error


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


_LOCK = threading.Lock()


@cache
def _client(url: str, service: str, role: str | None) -> Any:
    client = boto3.client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=20,
            # moto lacks a part of ECR: its error 500 is not worth ten seconds of retries.
            retries={"total_max_attempts": 1} if service == "ecr" else None,
        ),
    )
    if role == POWERLESS:
        client.meta.events.register("before-call", access_denied)
    return client


@cache
def _stub_client(service: str) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@dataclass
class Functions:
    """Lambda functions by ARN, called in this process."""

    functions: dict[str, Callable[[Any], Any]]

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  boto3's
        try:
            answer = self.functions[FunctionName](json.loads(Payload))
        except Exception as error:
            failure = json.dumps({"errorMessage": str(error)}).encode()
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(failure)}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@dataclass
class Cloud:
    """The clients and the shortcuts the tests use."""

    url: str
    folder: Path
    images: dict[str, ContainerImage] = field(default_factory=dict)
    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    throttling: Any = None
    events: list[tuple[str, dict[str, Any], list[str]]] = field(default_factory=list)
    service: LocalSageMaker = field(init=False)

    def __post_init__(self) -> None:
        self.service = LocalSageMaker(
            self.folder,
            account=ACCOUNT,
            region=REGION,
            client=self.client,
            emit=lambda *event: self.events.append(event),
            images={
                IMAGE: PROGRAM,
                "*/image-classification:*": PROGRAM,
                ABSENT: NOT_INSTALLED,
                **self.images,
            },
            variables=lambda role: {"ACTS_AS": role},
        )
        self.sagemaker = self._connect("sagemaker")
        self.runtime = self._connect("sagemaker-runtime")
        self.s3 = self.client("s3", None)

    def client(self, service: str, role: str | None) -> Any:
        if role == UNTRUSTED:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
        if service == "lambda":
            return Functions(self.functions)
        if service == "sagemaker" and role != POWERLESS:
            return self.throttling or self.sagemaker
        with _LOCK:  # boto3 makes clients for one thread at a time
            return _client(self.url, service, role)

    def _connect(self, service: str) -> Any:
        client = _stub_client(service)
        client.meta.events.unregister(f"before-send.{service}", unique_id="cloud")
        client.meta.events.register(f"before-send.{service}", self._send, unique_id="cloud")
        return client

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        body = request.body or b""
        headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
        response = self.service.handle(
            Request(
                method=request.method or "GET",
                path=urlsplit(request.url).path,
                headers=headers,
                body=body.encode() if isinstance(body, str) else bytes(body),
            )
        )
        if response.status == 200 and "X-Amz-Target" in headers:
            check_response(headers["X-Amz-Target"].rpartition(".")[2], response.body)
        return AWSResponse(request.url, response.status, dict(response.headers), Raw(response.body))

    def put(self, key: str, content: str | bytes) -> str:
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def archive(self, key: str) -> dict[str, bytes]:
        content = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = [member for member in tar.getmembers() if member.isfile()]
            return {m.name: tar.extractfile(m).read() for m in files}  # type: ignore[union-attr]

    def sent(self, detail_type: str) -> list[dict[str, Any]]:
        return [detail for kind, detail, _ in self.events if kind == detail_type]

    def model(self, name: str, **files: str) -> str:
        """Create a model whose archive has these files (``x_txt`` becomes ``x.txt``)."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for file, text in (files or {"name_txt": name}).items():
                member = tarfile.TarInfo(file.replace("_", "."))
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
        url = self.put(f"models/{name}/model.tar.gz", buffer.getvalue())
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url},
        )
        return url

    def config(self, name: str, *variants: dict[str, Any], **more: Any) -> None:
        defaults = {"InstanceType": "ml.m7i.large", "InitialInstanceCount": 1}
        given = variants or ({"VariantName": "AllTraffic", "ModelName": name},)
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{**defaults, **variant} for variant in given],
            **more,
        )

    def endpoint(self, name: str, config: str) -> dict[str, Any]:
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.settled(name)

    def settled(self, name: str) -> dict[str, Any]:
        def described() -> dict[str, Any] | None:
            found = self.sagemaker.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] in ("InService", "Failed") else None

        return dict(until(described))

    def invoke(self, endpoint: str, body: str = "hello", **more: Any) -> dict[str, Any]:
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **more)
        told: dict[str, Any] = json.loads(answer["Body"].read())
        return told


def check_response(action: str, body: bytes) -> None:
    """Compare the response of an action on pipelines or processing jobs with AWS's model."""
    shape = service_model().operation_model(action).output_shape
    if not shape or not re.search("Pipeline|ProcessingJob", action):
        return
    content = json.loads(body)
    report = ParamValidator().validate(content, shape)  # types, and members that AWS lacks
    assert not report.has_errors(), f"{action}: {report.generate_report()}"
    assert list(_violations(content, shape, "")) == [], action


def error_of(call: Callable[[], Any]) -> dict[str, Any]:
    """Return the error a call is refused with, and its HTTP status."""
    with pytest.raises(ClientError) as caught:
        call()
    response: dict[str, Any] = dict(caught.value.response)
    return {
        **response,
        **response["Error"],
        "status": response["ResponseMetadata"]["HTTPStatusCode"],
    }
