"""S3 as we read it: pages of objects, and faults with names."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef


class StorageBusy(Exception):
    """S3 can't give or take an object now: try again."""


class StorageRefused(Exception):
    """S3 does not let us read or write an object; the message says what to mend."""


_RETRYABLE = {
    "SlowDown",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    # Of a conditional write beside another one.
    "ConditionalRequestConflict",
}


def list_pages(
    client: "S3Client", bucket: str, prefix: str
) -> Iterator["ListObjectsV2OutputTypeDef"]:
    """Yield the pages of all that is below a prefix, up to 1,000 objects each.

    Parameters
    ----------
    client
        An S3 client.
    bucket, prefix
        What to list.

    Raises
    ------
    StorageBusy, StorageRefused
        As `s3_errors`.
    """
    with s3_errors(f"list s3://{bucket}/{prefix}"):
        yield from client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)


def list_level_pages(
    client: "S3Client", bucket: str, prefix: str
) -> Iterator["ListObjectsV2OutputTypeDef"]:
    """Yield the pages of what is directly below a prefix: folders are common prefixes.

    Parameters and errors are those of `list_pages`.
    """
    with s3_errors(f"list s3://{bucket}/{prefix}"):
        yield from client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter="/"
        )


@contextmanager
def s3_errors(action: str) -> Iterator[None]:
    """Give the faults of S3 and of the network the names that state machines catch.

    Parameters
    ----------
    action
        What is done meanwhile, such as ``"list s3://bucket/dataset/"``.

    Raises
    ------
    StorageBusy
        For faults that pass.
    StorageRefused
        For those that a person must mend.
    """
    try:
        yield
    except ClientError as error:
        raise _storage_error(action, error) from error
    except S3UploadFailedError as error:
        # boto3 wraps what S3 said, and names it in nothing but the message.
        cause = error.__context__
        raise (
            _storage_error(action, cause)
            if isinstance(cause, ClientError)
            else StorageBusy(f"S3 can't {action} now: {error}")
        ) from error
    except (BotoCoreError, HTTPError) as error:
        raise StorageBusy(f"S3 can't be reached to {action}: {error}") from error


def _storage_error(action: str, error: ClientError) -> StorageBusy | StorageRefused:
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if code in _RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StorageBusy(f"S3 can't {action} now: {error}")
    return StorageRefused(
        f"S3 refuses to {action}; check that the bucket exists, and that who asks for it (a "
        "function's role, or your own credentials) may do that, and may use the key the bucket is "
        f"encrypted with: {error}"
    )
