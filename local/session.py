"""Sessions of the embedded cloud, blind to the user's own AWS settings."""

import os
from typing import Any

import boto3
import botocore.session
from botocore.config import Config


def session(
    endpoint: str, region: str, access_key: str, secret_key: str, session_token: str | None = None
) -> boto3.Session:
    """Give a session whose clients and resources talk to `endpoint`.

    Parameters
    ----------
    endpoint
        URL of the embedded cloud.
    region
        Its region.
    access_key, secret_key, session_token
        As whom; the token comes with temporary credentials.
    """
    return _Session(endpoint, region, access_key, secret_key, session_token)


class _Session(boto3.Session):
    def __init__(
        self,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: str,
        session_token: str | None,
    ) -> None:
        settings = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        settings.set_config_variable("config_file", os.devnull)
        settings.set_config_variable("credentials_file", os.devnull)
        super().__init__(
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=session_token,
            region_name=region,
            botocore_session=settings,
        )
        self._endpoint = endpoint

    def client(self, service_name: str, **options: Any) -> Any:  # type: ignore[override]
        return super().client(service_name, **self._completed(options))  # type: ignore[call-overload]

    def resource(self, service_name: str, **options: Any) -> Any:  # type: ignore[override]
        return super().resource(service_name, **self._completed(options))  # type: ignore[call-overload]

    def _completed(self, options: dict[str, Any]) -> dict[str, Any]:
        # Loopback has no names to put a prefix before, and is behind no proxy.
        config = Config(inject_host_prefix=False, proxies={})
        if "config" in options:
            config = config.merge(options["config"])
        return {"endpoint_url": self._endpoint, **options, "config": config}
