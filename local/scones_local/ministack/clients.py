"""Clients of the local cloud itself, for what acts inside it as a role."""

import threading
from typing import Any

from botocore.config import Config

from scones_local.cloud.session import session, variables
from scones_local.ministack import REGION
from scones_local.ministack.permissions import Credentials

_READ_SECONDS = 60
_FUNCTION_SECONDS = 900
"""Seconds that a function may run; an invocation that timed out would be sent again."""


class Clients:
    """Makes each client once; they may be used from several threads.

    Parameters
    ----------
    endpoint
        URL of the local cloud.
    attempts
        How often a request is tried.
    """

    def __init__(self, endpoint: str, attempts: int) -> None:
        self._endpoint = endpoint
        self._retries = {"mode": "standard", "total_max_attempts": attempts}
        self._clients: dict[tuple[str, Credentials], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, credentials: Credentials) -> Any:
        """Give a client.

        Parameters
        ----------
        service
            As boto3 names it.
        credentials
            As whom.

        Raises
        ------
        botocore.exceptions.UnknownServiceError
            If there is no such service.
        """
        with self._lock:
            key = (service, credentials)
            if key not in self._clients:
                self._clients[key] = self._create_client(service, credentials)
            return self._clients[key]

    def variables(self, credentials: Credentials) -> dict[str, str]:
        """Return the environment variables by which a program acts with `credentials`."""
        return variables(
            self._endpoint,
            REGION,
            credentials.access_key,
            credentials.secret_key,
            credentials.session_token,
        )

    def _create_client(self, service: str, credentials: Credentials) -> Any:
        client = session(
            self._endpoint,
            REGION,
            credentials.access_key,
            credentials.secret_key,
            credentials.session_token,
        )
        seconds = _FUNCTION_SECONDS if service == "lambda" else _READ_SECONDS
        config = Config(
            retries=self._retries,  # type: ignore[arg-type]
            max_pool_connections=64,
            read_timeout=seconds,
        )
        return client.client(service, config=config)  # type: ignore[call-overload]
