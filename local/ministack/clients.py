"""Clients of the embedded cloud itself, for what acts inside it as a role."""

import threading
from typing import Any

from botocore.config import Config

from local.ministack import REGION
from local.ministack.permissions import Credentials
from local.session import session


class Clients:
    """Makes each client once; they may be used from several threads.

    Parameters
    ----------
    endpoint
        URL of the embedded cloud.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._made: dict[tuple[str, Credentials], Any] = {}
        self._making = threading.Lock()

    def client(self, service: str, credentials: Credentials) -> Any:
        """Give a client that tries each request once.

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
        with self._making:
            key = (service, credentials)
            if key not in self._made:
                self._made[key] = self._make(service, credentials)
            return self._made[key]

    def _make(self, service: str, credentials: Credentials) -> Any:
        made = session(
            self._endpoint,
            REGION,
            credentials.access_key,
            credentials.secret_key,
            credentials.session_token,
        )
        # Whoever acts here has retries of its own.
        once = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
        return made.client(service, config=once)  # type: ignore[call-overload]
