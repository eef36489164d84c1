"""What S3 refuses or can't do now has the names that state machines retry or catch."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import EndpointConnectionError

from scones.datasets.generate import generate_lists
from scones.serialize import StorageBusy, StorageRefused
from tests.unit.scones.datasets.buckets import BUCKET, RUN, DataBucket, settings

Answer = Callable[..., AWSResponse | None]
Intercept = Callable[[str, Answer], None]


@pytest.fixture
def filled(bucket: DataBucket) -> DataBucket:
    bucket.fill("train/bicycle/1.jpg", "train/van/2.jpg")
    bucket.fill("validation/bicycle/3.jpg", "validation/van/4.jpg")
    return bucket


@pytest.fixture
def intercept(filled: DataBucket) -> Iterator[Intercept]:
    """Let a function answer one operation, ahead of moto, for one test."""
    events = filled.client.meta.events
    registered: list[tuple[str, Answer]] = []

    def register(operation: str, answer: Answer) -> None:
        registered.append((f"before-send.s3.{operation}", answer))
        events.register_first(*registered[-1])

    yield register
    for name, answer in registered:
        events.unregister(name, answer)


class Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> list[bytes]:
        return [self._body]


def refusal(status: int, code: str) -> Callable[..., AWSResponse]:
    body = f"<Error><Code>{code}</Code><Message>says why</Message></Error>".encode()
    return lambda request, **_: AWSResponse(request.url, status, HTTPHeaders(), Raw(body))


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("ListObjectsV2", f"list s3://{BUCKET}/dataset/"),
        ("PutObject", f"write s3://{BUCKET}/retraining/{RUN}/lists/train.lst"),
        ("GetObject", f"read s3://{BUCKET}/retraining/last-trained.json"),
    ],
)
@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (403, "AccessDenied", StorageRefused),
        (404, "NoSuchBucket", StorageRefused),
        (503, "SlowDown", StorageBusy),
        (400, "RequestLimitExceeded", StorageBusy),
        (500, "InternalError", StorageBusy),
    ],
)
def test_faults_of_s3_have_names_and_say_what_was_tried(
    filled: DataBucket,
    intercept: Intercept,
    operation: str,
    action: str,
    status: int,
    code: str,
    fault: type[Exception],
) -> None:
    intercept(operation, refusal(status, code))

    with pytest.raises(fault, match=code) as caught:
        filled.generate()

    assert action in str(caught.value)
    assert "says why" in str(caught.value)


@pytest.mark.parametrize("operation", ["ListObjectsV2", "PutObject", "GetObject"])
def test_a_network_that_fails_is_a_passing_fault(
    filled: DataBucket, intercept: Intercept, operation: str
) -> None:
    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3")

    intercept(operation, fail)

    with pytest.raises(StorageBusy, match="can't be reached"):
        filled.generate()


def test_a_class_that_cannot_be_listed_ends_it(filled: DataBucket, intercept: Intercept) -> None:
    def refuse_vans(request: Any, **details: Any) -> AWSResponse | None:
        if "prefix=dataset%2Ftrain%2Fvan" in request.url:
            return refusal(403, "AccessDenied")(request)
        return None

    intercept("ListObjectsV2", refuse_vans)

    with pytest.raises(StorageRefused, match="list s3://data/dataset/train/van/"):
        filled.generate()


def test_a_missing_bucket_is_named(bucket: DataBucket) -> None:
    with pytest.raises(StorageRefused, match=r"s3://elsewhere/dataset/.*NoSuchBucket"):
        generate_lists(bucket.client, RUN, settings(DATA_BUCKET="elsewhere"))


def test_a_refusal_tells_functions_and_people_alike_what_to_look_at(
    filled: DataBucket, intercept: Intercept
) -> None:
    intercept("ListObjectsV2", refusal(403, "AccessDenied"))

    with pytest.raises(StorageRefused, match="a function's role, or your own credentials"):
        filled.generate()
