"""Call functions through their URLs, with requests signed by the user's own credentials."""

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scones_operator.errors import OperationError

if TYPE_CHECKING:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

CONNECT_TIMEOUT_SECONDS = 5
"""Seconds to wait for a connection."""

READ_TIMEOUT_SECONDS = 65
"""Seconds to wait for a response: longer than the function may take."""

TOTAL_TIMEOUT_SECONDS = 75
"""Seconds that a call may take, with all its attempts."""

RETRY_DELAYS_SECONDS = (0.5, 2.0)
"""Seconds to wait before each further attempt."""

_BUSY = {429, 503}
_MAX_ERROR_LENGTH = 300


class OutcomeUnknownError(OperationError):
    """A request was sent, but no response came: the function may have done its work."""


class UrlClient:
    """Calls one function; keeps its connection.

    Parameters
    ----------
    session
        Session with the credentials that sign, and with the region.
    url
        The function's URL.
    look_with
        Command that shows the outcome of a request whose response was lost.
    """

    def __init__(self, session: "boto3.Session", url: str, look_with: str) -> None:
        # Lazy import: botocore slows down `--help`.
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415
        from botocore.utils import get_environ_proxies  # noqa: PLC0415

        self._session = session
        self._url = url
        # The local cloud is behind no proxy.
        local = urlsplit(url).hostname == "127.0.0.1"
        proxies = {} if local else get_environ_proxies(url)
        self._look_with = look_with
        timeouts: Any = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)  # typed as one number
        self._http = URLLib3Session(timeout=timeouts, proxies=proxies)

    def call(self, request: dict[str, Any]) -> Any:
        """Send a request, and return the response.

        The request must be one that may arrive twice: it is repeated if the connection breaks.

        Parameters
        ----------
        request
            Any JSON.

        Raises
        ------
        OutcomeUnknown
            If a request was sent, and no response came within `TOTAL_SECONDS`.
        OperationError
            If the function fails, or the caller may not call it.
        botocore.exceptions.BotoCoreError
            If there are no credentials, or the function can't be reached.
        """
        from botocore.exceptions import (  # noqa: PLC0415
            ConnectionClosedError,
            ConnectTimeoutError,
            EndpointConnectionError,
            ReadTimeoutError,
        )

        # What is begun later may take too long.
        latest = (
            time.monotonic()
            + TOTAL_TIMEOUT_SECONDS
            - CONNECT_TIMEOUT_SECONDS
            - READ_TIMEOUT_SECONDS
        )
        lost: Exception | None = None
        for pause in (*RETRY_DELAYS_SECONDS, None):
            is_last = pause is None or time.monotonic() + pause > latest
            try:
                response = self._http.send(self._signed(request))
            except ReadTimeoutError as error:
                raise self._unknown(error) from error
            except (EndpointConnectionError, ConnectTimeoutError) as error:
                if is_last:
                    raise self._unknown(lost) if lost else error from error
            except ConnectionClosedError as error:
                lost = error
                if is_last:
                    raise self._unknown(error) from error
            else:
                if is_last or response.status_code not in _BUSY:
                    return self._read(response)
            time.sleep(pause or 0)
        raise AssertionError("the last attempt returns or raises")

    def _unknown(self, error: Exception) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"the outcome is unknown, because there was no response: check with "
            f"`{self._look_with}` whether it was done, before you try again ({error})"
        )

    def _signed(self, request: dict[str, Any]) -> "AWSPreparedRequest":
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415

        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        unsigned = AWSRequest(
            "POST",
            self._url,
            headers={"Content-Type": "application/json"},
            data=json.dumps(request).encode(),
        )
        SigV4Auth(
            credentials.get_frozen_credentials(), "lambda", self._session.region_name
        ).add_auth(unsigned)
        return unsigned.prepare()

    def _read(self, response: "AWSResponse") -> Any:
        from botocore.exceptions import ClientError  # noqa: PLC0415

        text = response.content.decode(errors="replace")
        if response.status_code == 200:
            return json.loads(text)
        if response.status_code == 403:
            # So that it is explained, and credentials that have expired are renewed.
            raise ClientError(_denial(response, text), "lambda:InvokeFunctionUrl")
        raise OperationError(
            f"the function at {self._url} failed ({response.status_code}): "
            f"{text[:_MAX_ERROR_LENGTH]}. Its log has the reason"
        )


def _denial(response: "AWSResponse", text: str) -> Any:
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    kind = response.headers.get("x-amzn-ErrorType") or body.get("__type") or "AccessDeniedException"
    message = body.get("Message") or body.get("message") or text
    return {"Error": {"Code": kind.partition(":")[0], "Message": message}}
