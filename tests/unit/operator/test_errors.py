import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from scones_operator.errors import format_aws_error, missing_permission


def refused(code: str, message: str, operation: str = "ListExecutions") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.NoRegionError(), "--region"),
        (exceptions.NoCredentialsError(), "aws configure"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), "no credentials"),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
        (exceptions.SSOTokenLoadError(error_msg="expired"), "aws sso login"),
        (exceptions.ProfileNotFound(profile="nobody"), "(nobody) could not be found"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), '"http://x": check the'),
        (exceptions.ConnectTimeoutError(endpoint_url="http://x"), "--region"),
        (exceptions.ParamValidationError(report="too\nlong"), "too long"),
        (refused("ExpiredTokenException", "old"), "(ExpiredTokenException): refresh them"),
        (refused("InvalidClientTokenId", "who"), "refresh them"),
        (
            refused(
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/a is not authorized to perform: states:ListExecutions",
            ),
            "your credentials do not allow states:ListExecutions: User: arn",
        ),
        (refused("403", "Forbidden", "HeadObject"), "do not allow HeadObject: Forbidden"),
        (refused("ThrottlingException", "slow"), "try again in a minute"),
        (refused("ValidationException", "no\n such"), "failed: ValidationException: no such"),
    ],
)
def test_each_is_one_line_that_says_what_to_do(error: Exception, said: str) -> None:
    line = format_aws_error(error)  # type: ignore[arg-type]
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (refused("AuthorizationError", "may not perform: SNS:ListTopics on x"), "SNS:ListTopics"),
        (refused("UnauthorizedOperation", "You may not perform this", "ListX"), "ListX"),
        (refused("ThrottlingException", "is not authorized to perform: s3:GetObject"), None),
        (exceptions.NoCredentialsError(), None),
    ],
)
def test_the_permission_that_is_missing(error: ClientError, action: str | None) -> None:
    assert missing_permission(error) == action
