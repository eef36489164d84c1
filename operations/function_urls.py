"""Call functions through their URLs, with requests signed by the user's own credentials."""

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from operations.faults import Fault

if TYPE_CHECKING:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

TIMEOUT_SECONDS = 65
"""Seconds to wait for a response: longer than the function may take."""

PAUSES_SECONDS = (0.5, 2.0)
"""Seconds to wait before each further attempt."""

_BUSY = {429, 503}
_MAX_ERROR_LENGTH = 300


class UrlClient:
    """Calls one function; keeps its connection.

    Parameters
    ----------
    session
        Session with the credentials that sign, and with the region.
    url
        The function's URL.
    """

    def __init__(self, session: "boto3.Session", url: str) -> None:
        # Lazy import: botocore slows down `--help`.
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415
        from botocore.utils import get_environ_proxies  # noqa: PLC0415

        self._session = session
        self._url = url
        # The local cloud is behind no proxy.
        local = urlsplit(url).hostname == "127.0.0.1"
        proxies = {} if local else get_environ_proxies(url)
        self._http = URLLib3Session(timeout=TIMEOUT_SECONDS, proxies=proxies)

    def call(self, request: dict[str, Any]) -> Any:
        """Send a request, and return the response.

        The request must be one that may arrive twice: it is repeated if the connection breaks.

        Parameters
        ----------
        request
            Any JSON.

        Raises
        ------
        Fault
            If the function fails, or the caller may not call it.
        botocore.exceptions.BotoCoreError
            If there are no credentials, or the function can't be reached.
        """
        for pause in (*PAUSES_SECONDS, None):
            response = self._try(request, last=pause is None)
            if response is not None and (pause is None or response.status_code not in _BUSY):
                return self._read(response)
            time.sleep(pause or 0)
        raise AssertionError("the last attempt returns or raises")

    def _try(self, request: dict[str, Any], *, last: bool) -> "AWSResponse | None":
        from botocore.exceptions import ConnectionClosedError, EndpointConnectionError  # noqa: PLC0415

        try:
            return self._http.send(self._signed(request))
        except (ConnectionClosedError, EndpointConnectionError):
            if last:
                raise
            return None

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
        raise Fault(
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
