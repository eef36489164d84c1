"""The drift check of a deployed stack, made now."""

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from scones.events import DriftChecked
from scones_operator.aws.stack import Stack
from scones_operator.errors import OperationError

if TYPE_CHECKING:
    import boto3

TIMEOUT_SECONDS = 310
"""The function's own limit, and some seconds for the way."""


class DriftCheckError(OperationError):
    """The function that checks failed; the message is its reason."""


def check_drift(session: "boto3.Session", stack: Stack, requested_by: str) -> DriftChecked:
    """Let the stack compare production with the model's own evaluation, and tell the bus.

    Parameters
    ----------
    session, stack
        Where.
    requested_by
        Who wants to know.

    Raises
    ------
    CheckFailed
        If the check fails.
    """
    # boto3 takes a while to load, and most commands need no settings of it.
    from botocore.config import Config  # noqa: PLC0415

    patient = Config(read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
    answer = session.client("lambda", config=patient).invoke(
        FunctionName=stack.check_drift_function,
        Payload=json.dumps({"requested_by": requested_by}).encode(),
    )
    payload = answer["Payload"].read()
    if "FunctionError" in answer:
        error = json.loads(payload)
        kind = error.get("errorType", answer["FunctionError"])
        raise DriftCheckError(
            f"the drift check failed: {kind}: {error.get('errorMessage', 'no reason was given')} "
            f"(its log: {stack.check_drift_function})"
        )
    try:
        return DriftChecked.model_validate_json(payload)
    except ValidationError as error:
        raise DriftCheckError(
            f"the response of {stack.check_drift_function} cannot be read: deploy the stack and "
            f"use the command from the same version of Scones ({error.errors()[0]['msg']})"
        ) from None
