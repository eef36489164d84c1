"""What keeps a command from being done, and how that is said in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from scones.errors import OperationError, PreconditionError

__all__ = [
    "OperationError",
    "PreconditionError",
    "format_aws_error",
    "is_credentials_error",
    "missing_permission",
    "storage_errors",
]


_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
)
_NOT_LOGGED_IN = (
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.NoAuthTokenError,
)

_ADVICE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        exceptions.NoRegionError,
        "no AWS region is set: give --region, set AWS_REGION or "
        "AWS_DEFAULT_REGION, or give --local for the local cloud",
    ),
    (
        _NO_CREDENTIALS,
        "no credentials ({said}): run `aws configure`, give --profile, or give --local for the "
        "local cloud",
    ),
    (
        _NOT_LOGGED_IN,
        "you are not logged in ({said}): run `aws sso login`",
    ),
    (
        exceptions.ProfileNotFound,
        "{said}: `aws configure list-profiles` lists the existing ones",
    ),
    (
        (
            exceptions.InvalidConfigError,
            exceptions.ConfigParseError,
            exceptions.InvalidRegionError,
        ),
        "{said}: correct your AWS configuration, such as ~/.aws/config or the variables AWS_…",
    ),
    (
        (exceptions.HTTPClientError, exceptions.ConnectionError),
        "{said}: check the network and --region",
    ),
)

_BAD_CREDENTIALS = {
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"),
    *("UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException"),
    *("AuthFailure", "InvalidAccessKeyId", "InvalidToken"),
}
_DENIED = {
    *("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"),
    *("NotAuthorized", "403"),
}
_THROTTLED = {
    *("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"),
    *("SlowDown", "ServiceUnavailable"),
}


def format_aws_error(error: BotoCoreError | ClientError) -> str:
    """Say in a line what AWS, or the way to it, refused, and what to do.

    Parameters
    ----------
    error
        What boto3 raised.

    Examples
    --------
    >>> explain(exceptions.NoRegionError()).partition(":")[0]
    'it is not known which region to talk to'
    """
    if isinstance(error, ClientError):
        return _explain_answer(error)
    said = " ".join(str(error).split()).removesuffix(".")
    advised = (advice for kind, advice in _ADVICE if isinstance(error, kind))
    return next(advised, "{said}").format(said=said)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Make a `OperationError` of what S3 refuses, or can't do now, to the domain's functions.

    Raises
    ------
    OperationError
        Where they raise `scones.storage.StorageBusy` or `StorageRefused`.
    """
    # It brings boto3, which takes longer than showing a command's help.
    from scones.storage import StorageBusy, StorageRefused  # noqa: PLC0415

    try:
        yield
    except (StorageBusy, StorageRefused) as error:
        raise OperationError(str(error)) from error


def is_credentials_error(error: BotoCoreError | ClientError) -> bool:
    """Tell whether it is the credentials that are missing or not taken any more."""
    if isinstance(error, ClientError):
        return _code(error) in _BAD_CREDENTIALS
    return isinstance(error, _NO_CREDENTIALS + _NOT_LOGGED_IN)


def missing_permission(error: BotoCoreError | ClientError) -> str | None:
    """Return the action that IAM denies, such as ``sqs:GetQueueAttributes``.

    Parameters
    ----------
    error
        Error that boto3 raised.

    Returns
    -------
    str or None
        The action as AWS names it in its message, or else the operation; None if the error is
        not about permissions.
    """
    if not isinstance(error, ClientError) or _code(error) not in _DENIED:
        return None
    action = re.search(r"perform:? ([\w-]+:\w+)", _message(error))
    return action[1] if action else error.operation_name


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _message(error: ClientError) -> str:
    return " ".join(error.response.get("Error", {}).get("Message", "").split())


def _explain_answer(error: ClientError) -> str:
    code, said = _code(error), _message(error)
    if denied := missing_permission(error):
        return f"your credentials do not allow {denied}: {said or code}"
    if code in _BAD_CREDENTIALS:
        return f"AWS rejected your credentials ({code}): refresh them, or give another --profile"
    if code in _THROTTLED:
        return f"request throttled ({error.operation_name}: {code}): try again in a minute"
    return f"{error.operation_name} failed: {code}: {said}"
