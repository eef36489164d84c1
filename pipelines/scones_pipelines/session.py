"""Sessions of the SageMaker SDK: one that calls AWS, and one that works offline."""

import os
from collections.abc import Callable
from typing import Any

OFFLINE_REGION = "us-east-1"
"""Region of a definition that is made without a configured region."""

OFFLINE_ROLE = "arn:aws:iam::111122223333:role/PipelineRole"
"""Role in a definition that is made without a role; the account ID is AWS's example."""


def prepare_environment(region: str) -> None:
    """Set the environment variables that the SDK reads while it is imported.

    The SDK creates a client on import, which fails without AWS_DEFAULT_REGION. It also simulates
    the role's policies unless SAGEMAKER_VALIDATE_ROLE is false, which needs permissions in IAM that
    nothing else here needs.

    Parameters
    ----------
    region
        AWS Region of the pipeline.
    """
    os.environ["AWS_DEFAULT_REGION"] = region
    os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")


def prepare_offline_environment(region: str) -> None:
    """Set the environment variables with which the SDK is imported without credentials.

    The client that it creates on import would otherwise search for credentials, finally in the
    instance metadata service, which takes seconds outside AWS.

    Parameters
    ----------
    region
        AWS Region of the pipeline.
    """
    prepare_environment(region)
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_DEFAULT_PROFILE", None)
    os.environ.update(AWS_ACCESS_KEY_ID="offline", AWS_SECRET_ACCESS_KEY="offline")  # noqa: S106


def role_account(role: str) -> str:
    """Return the account ID in the ARN of a role.

    Parameters
    ----------
    role
        ARN such as ``arn:aws:iam::111122223333:role/PipelineRole``.

    Raises
    ------
    ValueError
        If `role` is not the ARN of a role.
    """
    parts = role.split(":")
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise ValueError(f"{role!r} is not the ARN of a role: use one such as {OFFLINE_ROLE}")
    return parts[4]


def create_session(region: str, bucket: str, prefix: str = "pipelines") -> Any:
    """Return a session that uploads scripts and calls SageMaker.

    Parameters
    ----------
    region
        AWS Region.
    bucket
        Name of the bucket for scripts and outputs. It has to exist.
    prefix
        Prefix of their keys.
    """
    import boto3  # noqa: PLC0415  after `prepare_environment`, as the SDK
    from sagemaker.core.workflow.pipeline_context import PipelineSession  # noqa: PLC0415

    disable_telemetry()

    class OnlineSession(PipelineSession):  # type: ignore[misc]
        """A session that neither lists nor creates buckets."""

        def default_bucket(self) -> str:
            return bucket

    return OnlineSession(
        boto_session=boto3.Session(region_name=region),
        default_bucket=bucket,
        default_bucket_prefix=prefix,
        sagemaker_config={},
    )


def create_offline_session(
    region: str, bucket: str, account: str, prefix: str = "pipelines"
) -> Any:
    """Return a session that describes pipelines without credentials and without a request.

    Parameters
    ----------
    region, bucket, prefix
        As for `create_session`. Nothing is uploaded; URIs are those of an upload.
    account
        Account ID.
    """
    import boto3  # noqa: PLC0415  after `prepare_environment`, as the SDK
    from sagemaker.core.workflow.pipeline_context import PipelineSession  # noqa: PLC0415

    disable_telemetry()

    class OfflineSession(PipelineSession):  # type: ignore[misc]
        """A session that uploads nothing."""

        def default_bucket(self) -> str:
            return bucket

        def account_id(self) -> str:
            return account

        def upload_data(
            self,
            path: str,
            bucket: str,
            key_prefix: str = "data",
            callback: Callable[..., Any] | None = None,
            extra_args: dict[str, Any] | None = None,
        ) -> str:
            return f"s3://{bucket}/{key_prefix}/{os.path.basename(path)}"  # noqa: PTH119

        def upload_string_as_file_body(
            self, body: str, bucket: str, key: str, kms_key: str | None = None
        ) -> str:
            return f"s3://{bucket}/{key}"

    # Any credentials: clients are created and never used.
    boto_session = boto3.Session(
        aws_access_key_id="offline",
        aws_secret_access_key="offline",  # noqa: S106
        region_name=region,
    )
    return OfflineSession(
        boto_session=boto_session,
        default_bucket=bucket,
        default_bucket_prefix=prefix,
        sagemaker_config={},
    )


def disable_telemetry() -> None:
    """Keep the SDK from reporting its use to AWS.

    The documented setting, TelemetryOptOut in a configuration, makes building a pipeline ten times
    slower, because the SDK then validates the configuration at each call.
    """
    from sagemaker.core.telemetry import telemetry_logging  # noqa: PLC0415

    telemetry_logging._send_telemetry_request = lambda *args, **kwargs: None
