"""Callers of functions through their URLs, and their verified names."""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


def name_from_arn(arn: str) -> str:
    """Return the name that reviews and approvals show for a caller, such as ``anna``.

    Parameters
    ----------
    arn
        ARN of a user, of a role's session, or of the account (``root``).

    Examples
    --------
    >>> name_of("arn:aws:sts::123456789012:assumed-role/Reviewers/anna@example.com")
    'anna@example.com'
    """
    return arn.rpartition(":")[2].rpartition("/")[2]


@dataclass(frozen=True)
class Caller:
    """The verified caller of a function's URL.

    Attributes
    ----------
    arn
        ARN of the user, or of the role's session.
    user_id
        Unique ID of the user, or of the role and its session, which no later one gets
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html); empty if
        Lambda passed none on.
    """

    arn: str
    user_id: str = ""

    @property
    def name(self) -> str:
        """Name as reviews and approvals show it."""
        return name_from_arn(self.arn)


def caller_from_event(event: dict[str, Any]) -> Caller:
    """Return the caller of a function's URL.

    Parameters
    ----------
    event
        The function's event, in payload format 2.0. Lambda fills in the caller after it has
        verified the request's signature (authorization type ``AWS_IAM``):
        https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html.

    Raises
    ------
    PermissionError
        If the event has no caller.
    """
    try:
        identity = event["requestContext"]["authorizer"]["iam"]
        arn, user_id = identity["userArn"], identity.get("userId")
    except (KeyError, TypeError):
        arn, user_id = None, None
    if not isinstance(arn, str) or not name_from_arn(arn):
        raise PermissionError(
            "the event has no verified caller: send a signed request to the function's URL"
        )
    return Caller(arn, str(user_id or ""))


def request_body(event: dict[str, Any]) -> bytes:
    """Return the body of a request to a function's URL.

    Parameters
    ----------
    event
        The function's event, in payload format 2.0.
    """
    body = str(event.get("body", ""))
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def invalid_request_response(error: "ValidationError") -> dict[str, Any]:
    """Return the response to an invalid request: status 400, and the errors by field."""
    errors = error.json(include_url=False, include_input=False)
    return {
        "statusCode": 400,
        "headers": {"Content-Type": "application/json"},
        "body": f'{{"kind":"invalid","errors":{errors}}}',
    }
