"""Sessions of the local cloud, blind to the user's own AWS settings."""

import os
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader


def session(
    endpoint: str, region: str, access_key: str, secret_key: str, session_token: str | None = None
) -> boto3.Session:
    """Give a session whose clients and resources talk to `endpoint`.

    Parameters
    ----------
    endpoint
        URL of the local cloud.
    region
        Its region.
    access_key, secret_key, session_token
        As whom; the token comes with temporary credentials.
    """
    return _Session(endpoint, region, access_key, secret_key, session_token)


def variables(
    endpoint: str, region: str, access_key: str, secret_key: str, session_token: str | None = None
) -> dict[str, str]:
    """Return the environment variables by which a program's clients talk to `endpoint`.

    Parameters
    ----------
    endpoint, region, access_key, secret_key, session_token
        As for `session`.
    """
    token = {} if session_token is None else {"AWS_SESSION_TOKEN": session_token}
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        **token,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class _ServiceModels(Loader):
    """Reads each of the services' models once for all sessions, which takes 0.1 s of CPU time."""

    def __init__(self) -> None:
        super().__init__([str(Path(boto3.__file__).with_name("data"))])

    @property
    def search_paths(self) -> list[str]:
        # Each of boto3's sessions appends to it.
        return list(super().search_paths)


_SERVICE_MODELS = _ServiceModels()


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
        settings.register_component("data_loader", _SERVICE_MODELS)
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
        return super().client(service_name, **self._with_config(options))  # type: ignore[call-overload]

    def resource(self, service_name: str, **options: Any) -> Any:  # type: ignore[override]
        return super().resource(service_name, **self._with_config(options))  # type: ignore[call-overload]

    def _with_config(self, options: dict[str, Any]) -> dict[str, Any]:
        # Loopback has no names to put a prefix before, and is behind no proxy.
        config = Config(inject_host_prefix=False, proxies={})
        if "config" in options:
            config = config.merge(options["config"])
        return {"endpoint_url": self._endpoint, **options, "config": config}
