"""The way to AWS, or to the local cloud, and who goes it."""

from pathlib import Path
from typing import TYPE_CHECKING

from operations.faults import Fault
from scones.callers import name_of

if TYPE_CHECKING:
    import boto3

EMBEDDED = Path(".local") / "up"
"""Where `make up` keeps the state of the local cloud."""

CONNECT_SECONDS = 10
ATTEMPTS = 5


def connect(profile: str | None, region: str | None) -> "boto3.Session":
    """Give a session that talks to AWS with the user's own credentials.

    Parameters
    ----------
    profile
        Which of the user's profiles; None leaves it to the configuration.
    region
        AWS region; None leaves it to AWS_REGION, AWS_DEFAULT_REGION and the profile, in this order.

    Raises
    ------
    botocore.exceptions.ProfileNotFound
        If there is no such profile.
    """
    # Bringing boto3 takes longer than showing a command's help.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    from operations.aws_configuration import (  # noqa: PLC0415
        ConfiguredSession,
        region_from_environment,
    )

    settings = ConfiguredSession()
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    settings.set_default_client_config(
        Config(connect_timeout=CONNECT_SECONDS, retries=retries)  # type: ignore[arg-type]
    )
    return boto3.Session(
        profile_name=profile,
        region_name=region or region_from_environment(),
        botocore_session=settings,
    )


def connect_embedded(state: Path = EMBEDDED) -> "boto3.Session":
    """Give a session that talks to the local cloud that `make up` left running.

    Raises
    ------
    Fault
        If it isn't running.
    """
    from local.cloud import CloudError, attach  # noqa: PLC0415

    try:
        return attach(state).session()
    except CloudError as error:
        raise Fault(f"{error}: start it with `make up`, in this folder") from None


def caller(session: "boto3.Session") -> str:
    """Return who the credentials belong to, such as ``anna``."""
    arn = str(session.client("sts").get_caller_identity()["Arn"])
    return name_of(arn)
