"""Sessions for AWS and for the local cloud."""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scones.callers import name_from_arn
from scones_operator.errors import OperationError

if TYPE_CHECKING:
    import boto3

LOCAL_STATE_DIR = Path(".local") / "up"
"""Folder with the state of the local cloud that `make up` started."""

LOCAL_STATE_VARIABLE = "SCONES_LOCAL"
"""Environment variable that selects the local cloud: 1, or the folder of its state; 0 for AWS."""

_SWITCHES = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("", "0", "false", "f", "no", "n", "off"), False),
}
"""Values of `LOCAL_STATE_VARIABLE` that do not name a folder."""

CONNECT_TIMEOUT_SECONDS = 10
MAX_ATTEMPTS = 5

# Lazy imports: boto3 slows down `--help`.


def aws_session(profile: str | None, region: str | None) -> "boto3.Session":
    """Return a session for AWS with the user's credentials.

    Parameters
    ----------
    profile
        Profile of the AWS configuration, or None for the configured one.
    region
        AWS region, or None for the one of AWS_REGION, AWS_DEFAULT_REGION and the profile, in this
        order.

    Raises
    ------
    botocore.exceptions.ProfileNotFound
        If the profile does not exist.
    """
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    from scones_operator.aws.configuration import (  # noqa: PLC0415
        ConfiguredSession,
        region_from_environment,
    )

    settings = ConfiguredSession()
    retries = {"mode": "standard", "total_max_attempts": MAX_ATTEMPTS}
    settings.set_default_client_config(
        Config(connect_timeout=CONNECT_TIMEOUT_SECONDS, retries=retries),  # type: ignore[arg-type]
    )
    return boto3.Session(
        profile_name=profile,
        region_name=region or region_from_environment(),
        botocore_session=settings,
    )


def selects_local_cloud(environ: Mapping[str, str]) -> bool | None:
    """Return whether `LOCAL_STATE_VARIABLE` selects the local cloud; None if it is not set."""
    value = environ.get(LOCAL_STATE_VARIABLE)
    return None if value is None else _SWITCHES.get(value.lower(), True)


def _local_state_dir(environ: Mapping[str, str]) -> Path:
    value = environ.get(LOCAL_STATE_VARIABLE, "")
    return LOCAL_STATE_DIR if value.lower() in _SWITCHES else Path(value)


def local_session(state: Path | None = None) -> "boto3.Session":
    """Return a session for the running local cloud, as its root user.

    Parameters
    ----------
    state
        Folder with the state of the local cloud; None for the one of the environment variable
        SCONES_LOCAL, or `LOCAL_STATE_DIR`.

    Raises
    ------
    OperationError
        If no local cloud responds.
    """
    folder = state or _local_state_dir(os.environ)
    try:
        # The local cloud writes this file when it responds, and deletes it when it stops.
        cloud = json.loads((folder / "cloud.json").read_text(encoding="utf-8"))
        address = urlsplit(cloud["endpoint"])
        socket.create_connection((address.hostname, address.port), timeout=5).close()
    except OSError:
        raise OperationError(
            f"no local cloud is running in {folder.resolve()}: start it with `make up`, in this "
            f"folder, or set {LOCAL_STATE_VARIABLE} to the folder of its state",
        ) from None
    return _session_at(
        cloud["endpoint"],
        cloud["region"],
        cloud["access_key"],
        cloud["secret_key"],
    )


def _session_at(endpoint: str, region: str, access_key: str, secret_key: str) -> "boto3.Session":
    """Return a session whose clients use `endpoint`, regardless of the user's AWS settings."""
    import boto3  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    class LocalSession(boto3.Session):
        def client(self, *arguments: Any, **options: Any) -> Any:
            return super().client(*arguments, **_with_endpoint(options))

        def resource(self, *arguments: Any, **options: Any) -> Any:
            return super().resource(*arguments, **_with_endpoint(options))

    def _with_endpoint(options: dict[str, Any]) -> dict[str, Any]:
        # Loopback addresses have no subdomains, and are behind no proxy.
        config = Config(inject_host_prefix=False, proxies={})
        if "config" in options:
            config = config.merge(options["config"])
        return {"endpoint_url": endpoint, **options, "config": config}

    settings = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    settings.set_config_variable("config_file", os.devnull)
    settings.set_config_variable("credentials_file", os.devnull)
    return LocalSession(
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region,
        botocore_session=settings,
    )


def caller_name(session: "boto3.Session") -> str:
    """Return the name of the identity of the session's credentials, such as ``anna``."""
    arn = str(session.client("sts").get_caller_identity()["Arn"])
    return name_from_arn(arn)
