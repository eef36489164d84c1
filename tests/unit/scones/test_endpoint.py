import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from scones.endpoint import (
    EndpointBusy,
    EndpointMissing,
    EndpointRefused,
    EndpointUnreachable,
    ModelFailed,
    ModelRefusedPhoto,
    ModelTimedOut,
    Prediction,
    UnusablePrediction,
    predict,
    read_prediction,
)


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def sagemaker(client: Any) -> Iterator[Stubber]:
    """Answers for the endpoint, checked against botocore's model of InvokeEndpoint."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def ask(client: Any) -> Prediction:
    return predict(client, "scones", b"picture", "image/png", 2)


def test_prediction(client: Any, sagemaker: Stubber) -> None:
    sagemaker.add_response(
        "invoke_endpoint",
        {
            "Body": io.BytesIO(b'{"prediction": [0.75, 0.25], "familiarity": 0.41}'),
            "InvokedProductionVariant": "blue",
        },
        {
            "EndpointName": "scones",
            "Body": b"picture",
            "ContentType": "image/png",
            "Accept": "application/json",
        },
    )

    prediction = ask(client)

    assert prediction.probabilities == (0.75, 0.25)
    assert prediction.familiarity == 0.41
    assert (prediction.endpoint, prediction.variant) == ("scones", "blue")


@pytest.mark.parametrize(
    ("code", "message", "extra", "fault", "says"),
    [
        ("ThrottlingException", "Rate exceeded", {}, EndpointBusy, "is busy: Rate exceeded"),
        ("ServiceUnavailable", "later", {}, EndpointBusy, "is busy"),
        ("ModelNotReadyException", "loading", {}, EndpointBusy, "is busy"),
        ("InternalFailure", "oops", {}, EndpointUnreachable, "failed to ask endpoint scones"),
        ("ModelError", "slow down", {"OriginalStatusCode": 429}, EndpointBusy, "is busy"),
        ("ModelError", "timed out", {"OriginalStatusCode": 0}, ModelTimedOut, "in time"),
        ("ModelError", "timed out", {"OriginalStatusCode": 408}, ModelTimedOut, "in time"),
        ("ModelError", "boom", {"OriginalStatusCode": 500}, ModelFailed, "HTTP 500"),
        ("ModelError", "no", {"OriginalStatusCode": 400}, ModelRefusedPhoto, "ImageShape"),
        (
            "ValidationError",
            "Endpoint scones of account 123456789012 not found.",
            {},
            EndpointMissing,
            "endpoint scones does not exist or is not in service yet: approve a version",
        ),
        ("ValidationError", "Endpoint is Creating", {}, EndpointRefused, "is Creating"),
        ("AccessDeniedException", "no way", {}, EndpointRefused, "AccessDeniedException: no way"),
    ],
)
def test_each_error_has_its_fault(
    client: Any,
    sagemaker: Stubber,
    code: str,
    message: str,
    extra: dict[str, Any],
    fault: type[Exception],
    says: str,
) -> None:
    sagemaker.add_client_error("invoke_endpoint", code, message, modeled_fields=extra)

    with pytest.raises(fault, match=says):
        ask(client)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ReadTimeoutError(endpoint_url="x"), ModelTimedOut),
        (ConnectTimeoutError(endpoint_url="x"), EndpointUnreachable),
        (EndpointConnectionError(endpoint_url="x"), EndpointUnreachable),
        (ConnectionClosedError(endpoint_url="x"), EndpointUnreachable),
    ],
)
def test_network_faults(client: Any, error: Exception, fault: type[Exception]) -> None:
    def fail(**_: object) -> None:
        raise error

    client.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", fail)

    with pytest.raises(fault, match="scones"):
        ask(client)


def test_wrong_number_of_classes(client: Any, sagemaker: Stubber) -> None:
    sagemaker.add_response(
        "invoke_endpoint",
        {"Body": io.BytesIO(b"[0.5, 0.25, 0.25]")},
        dict.fromkeys(("EndpointName", "Body", "ContentType", "Accept"), ANY),
    )

    with pytest.raises(UnusablePrediction, match="gives 3 probabilities but the stack names 2"):
        ask(client)


@st.composite
def distributions(draw: st.DrawFn) -> list[float]:
    weights = draw(st.lists(st.floats(0.001, 1), min_size=1, max_size=20))
    return [weight / sum(weights) for weight in weights]


@given(distributions(), st.booleans())
def test_replies_without_familiarity(probabilities: list[float], as_object: bool) -> None:
    text = json.dumps({"prediction": probabilities} if as_object else probabilities)

    assert read_prediction(text, len(probabilities)) == (tuple(probabilities), None)


@given(distributions(), st.floats(0, 1) | st.sampled_from([0, 1, None]))
def test_replies_with_familiarity(probabilities: list[float], familiarity: float | None) -> None:
    text = json.dumps({"prediction": probabilities, "familiarity": familiarity})

    assert read_prediction(text, len(probabilities)) == (tuple(probabilities), familiarity)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"error": "x"}', "no probabilities"),
        (b'"text"', "no probabilities"),
        (b'[0.5, "0.5"]', "no probabilities"),
        (b"[1, true]", "no probabilities"),
        (b"[NaN, 1]", "no probabilities"),
        (b"[1.5, -0.5]", "no probabilities"),
        (b"[[0.5, 0.5]]", "no probabilities"),
        (b"[0.5, 0.1]", "do not add up to 1"),
        (b"[1.0]", "gives 1 probabilities"),
        (b'{"familiarity": 0.5}', "no probabilities"),
        (b'{"prediction": [0.5, 0.5], "familiarity": true}', "familiarity is true, not a number"),
        (b'{"prediction": [0.5, 0.5], "familiarity": NaN}', "familiarity is NaN, not a number"),
        (b'{"prediction": [0.5, 0.5], "familiarity": Infinity}', "familiarity is Infinity"),
        (b'{"prediction": [0.5, 0.5], "familiarity": 1.01}', "familiarity is 1.01, not"),
        (b'{"prediction": [0.5, 0.5], "familiarity": -0.1}', "familiarity is -0.1, not"),
        (b'{"prediction": [0.5, 0.5], "familiarity": "0.5"}', 'familiarity is "0.5", not'),
        (b'{"prediction": [0.5, 0.5], "familiarity": [0.5]}', r"familiarity is \[0.5\], not"),
    ],
)
def test_replies_that_are_no_prediction(reply: bytes, complaint: str) -> None:
    with pytest.raises(UnusablePrediction, match=complaint):
        read_prediction(reply, 2)


@given(st.binary())
def test_no_reply_breaks_the_reader(reply: bytes) -> None:
    try:
        prediction = read_prediction(reply, 2)
    except UnusablePrediction:
        return
    assert len(prediction.probabilities) == 2
