"""Request a prediction for one photo from a SageMaker endpoint."""

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from pydantic import BaseModel, ConfigDict
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

SUM_TOLERANCE = 0.01
"""How far a model's probabilities may be from adding up to 1 (half-precision models round)."""

_BUSY = {
    "ModelNotReadyException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_INTERNAL_ERRORS = {"InternalDependencyException", "InternalFailure", "InternalServerException"}


class EndpointBusy(Exception):
    """The endpoint turns the request away for now: try again, later and later."""


class EndpointUnreachable(Exception):
    """The request or its reply got lost on the way, or SageMaker itself broke on it."""


class ModelFailed(Exception):
    """The model's container broke on the request (5xx): it may answer the next one."""


class ModelTimedOut(Exception):
    """The model took longer than an endpoint may take."""


class ModelRefusedPhoto(Exception):
    """The model's container refused the request (4xx): trying again changes nothing."""


class EndpointMissing(Exception):
    """There is no such endpoint."""


class EndpointRefused(Exception):
    """SageMaker refused the request: permissions or a malformed call."""


class UnusablePrediction(Exception):
    """The model's reply is not one probability per class, with or without a familiarity."""


class ModelOutput(NamedTuple):
    """Content of a model's reply to one photo.

    Attributes
    ----------
    probabilities
        One per class, 0 to 1, in the order of the class indices.
    familiarity
        Share of held-out photos of the learned classes that are at least as unlike the training
        photos as this one, 0 to 1, or None if the model gives none.
    """

    probabilities: tuple[float, ...]
    familiarity: float | None


class Prediction(BaseModel):
    """Class probabilities and familiarity of a photo, and what they came from.

    Attributes
    ----------
    probabilities, familiarity
        As in `ModelOutput`.
    endpoint, variant
        The endpoint and the production variant that answered.
    """

    model_config = ConfigDict(frozen=True)

    probabilities: tuple[float, ...]
    familiarity: float | None
    endpoint: str
    variant: str


def predict(
    client: "SageMakerRuntimeClient",
    endpoint: str,
    body: bytes,
    content_type: str,
    class_count: int,
    inference_id: str | None = None,
) -> Prediction:
    """Send one photo to an endpoint and check what comes back.

    Parameters
    ----------
    client
        A ``sagemaker-runtime`` client that does not retry by itself: retrying is the state
        machine's.
    endpoint
        The endpoint's name.
    body
        The encoded photo, at most 6,291,456 bytes.
    content_type
        Its type: ``image/png`` or ``image/jpeg``.
    class_count
        How many probabilities the reply must hold.
    inference_id
        ID that data capture records with the request, at most 64 characters; none by default.

    Returns
    -------
    Prediction

    Raises
    ------
    EndpointBusy, EndpointUnreachable, ModelFailed, ModelTimedOut
        Passing faults, worth a retry.
    EndpointMissing, EndpointRefused, ModelRefusedPhoto, UnusablePrediction
        Faults that a person must mend; the message says how.
    """
    try:
        named = {"InferenceId": inference_id} if inference_id else {}
        output = client.invoke_endpoint(
            EndpointName=endpoint,
            Body=body,
            ContentType=content_type,
            Accept="application/json",
            **named,
        )
        text = output["Body"].read()
    except ReadTimeoutError as error:
        raise ModelTimedOut(f"endpoint {endpoint} did not answer in time: {error}") from error
    except (BotoCoreError, HTTPError) as error:
        raise EndpointUnreachable(f"endpoint {endpoint} could not be reached: {error}") from error
    except ClientError as error:
        raise _endpoint_error(error, endpoint) from error
    response = read_prediction(text, class_count)
    return Prediction(
        probabilities=response.probabilities,
        familiarity=response.familiarity,
        endpoint=endpoint,
        variant=output.get("InvokedProductionVariant", ""),
    )


def _endpoint_error(error: ClientError, endpoint: str) -> Exception:
    """Name the fault behind an error of InvokeEndpoint."""
    code = error.response["Error"]["Code"]
    message = error.response["Error"]["Message"]
    if code in _BUSY:
        return EndpointBusy(f"endpoint {endpoint} is busy: {message}")
    if code in _INTERNAL_ERRORS:
        return EndpointUnreachable(f"SageMaker failed to ask endpoint {endpoint}: {message}")
    if code == "ModelError":
        return _model_error(error.response, endpoint, message)
    if code.startswith("Validation") and "not found" in message.lower():
        return EndpointMissing(
            f"endpoint {endpoint} does not exist or is not in service yet: approve a version, or "
            f"roll back to an approved one, then redrive failed photos ({message})"
        )
    return EndpointRefused(f"SageMaker refused the call of endpoint {endpoint}: {code}: {message}")


def _model_error(response: Any, endpoint: str, message: str) -> Exception:
    """Tell a container that is slow, busy or broken from one that refuses the photo.

    SageMaker gives status 0 where the container did not answer in time.
    """
    status = response.get("OriginalStatusCode", 500)
    if status in (0, HTTPStatus.REQUEST_TIMEOUT):
        return ModelTimedOut(f"the model behind {endpoint} did not answer in time: {message}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return EndpointBusy(f"the model behind {endpoint} is busy: {message}")
    if 400 <= status < 500:
        return ModelRefusedPhoto(
            f"the model behind {endpoint} refused the photo (HTTP {status}): check that it was "
            f"trained for this stack's ImageShape ({message})"
        )
    return ModelFailed(f"the model behind {endpoint} failed (HTTP {status}): {message}")


def read_prediction(text: bytes | str, class_count: int) -> ModelOutput:
    """Read the reply of an image-classification model, SageMaker's built-in one or ours.

    Parameters
    ----------
    text
        A JSON list of probabilities (the built-in algorithm on an endpoint), or an object
        ``{"prediction": [...]}`` (the built-in algorithm in a batch transform), which may have a
        ``"familiarity"`` from 0 to 1 or null (ours).
    class_count
        Expected number of probabilities.

    Returns
    -------
    ModelOutput

    Raises
    ------
    UnusablePrediction
        If `text` is anything else.
    """
    try:
        output = json.loads(text)
    except ValueError as error:
        raise UnusablePrediction(f"the model's reply is not JSON: {_excerpt(text)}") from error
    fields = output if isinstance(output, dict) else {"prediction": output}
    values, familiarity = fields.get("prediction"), fields.get("familiarity")
    if not isinstance(values, list) or not all(_is_share(value) for value in values):
        raise UnusablePrediction(f"the model's reply has no probabilities: {_excerpt(text)}")
    if len(values) != class_count:
        raise UnusablePrediction(
            f"the model gives {len(values)} probabilities but the stack names {class_count} "
            "classes: deploy the stack with the ClassNames the model was trained for"
        )
    if abs(math.fsum(values) - 1.0) > SUM_TOLERANCE:
        raise UnusablePrediction(f"the model's probabilities do not add up to 1: {_excerpt(text)}")
    if familiarity is not None and not _is_share(familiarity):
        raise UnusablePrediction(
            f"the model's familiarity is {json.dumps(familiarity)[:200]}, not a number from 0 "
            "to 1 or null: promote another model version"
        )
    return ModelOutput(
        tuple(float(value) for value in values),
        None if familiarity is None else float(familiarity),
    )


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0


def _excerpt(text: bytes | str) -> str:
    return repr(text[:200])
