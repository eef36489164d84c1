"""AWS as the page's threads use it: one client a service, and renewed when credentials are."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config


class ClientCache:
    """Stands in for a session: hands out clients, of which boto3 makes one at a time only.

    Parameters
    ----------
    connect
        Makes a session from the user's present configuration.
    """

    def __init__(self, connect: "Callable[[], boto3.Session]") -> None:
        self._connect = connect
        self._lock = Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str, *, config: "Config | None" = None) -> Any:
        """Return a client of a service; threads may share it.

        Parameters
        ----------
        service
            Name of the service, as boto3 takes it.
        config
            Settings of a client for this use alone, such as a longer timeout; None returns the
            client that all other uses share.
        """
        with self._lock:
            if config is not None:
                return self._opened().client(service, config=config)  # type: ignore[call-overload]
            if service not in self._clients:
                self._clients[service] = self._opened().client(service)  # type: ignore[call-overload]
            return self._clients[service]

    @property
    def region_name(self) -> str:
        """Name of the region."""
        with self._lock:
            return self._opened().region_name

    def get_credentials(self) -> Any:
        """Return the credentials that sign requests to functions' URLs, as a session does."""
        with self._lock:
            return self._opened().get_credentials()

    def reset(self) -> None:
        """Read the configuration again at the next call: credentials are not taken any more."""
        with self._lock:
            self._session = None
            self._clients = {}

    def _opened(self) -> "boto3.Session":
        self._session = self._session or self._connect()
        return self._session
