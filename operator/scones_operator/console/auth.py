"""Who may talk to the page: a browser on this machine that was given the link.

As in Jupyter, the link holds a random token, and stays good until the server ends. It is in the
link's fragment, which browsers send to nobody, and the page sends it in a header. A cookie would go
to the servers at all other ports of this machine too: cookies know no ports.

Without the token there is the empty page and its scripts, which hold no data. A page of another
site, or of another port, that the same browser shows can't read the token (it is kept by origin),
can't send its header, and can't have its name resolve to this machine (`Host`).
"""

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALLOWED_HOSTS = ("127.0.0.1", "localhost")
"""What this machine calls itself; the page is served at no other address."""

TOKEN_HEADER = "x-scones-token"  # noqa: S105
"""Holds the token, in each request for data."""

_PUBLIC_PATHS = ("/", "/plotly.js")
_STATIC_PREFIX = "/static/"

# Plotly lays out with style elements; it is a script of ours like all others.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AuthMiddleware:
    """Middleware that answers nobody else, and says so to all what a browser may do with answers.

    Parameters
    ----------
    app
        What is guarded.
    token
        What the link holds.
    port
        Where the page is served.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._hosts = {f"{name}:{port}" for name in ALLOWED_HOSTS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["type"] != "http":
            return  # no websockets here: uvicorn closes them
        response = self._reject(Request(scope)) or self._app
        await response(scope, receive, send_with_headers)

    def _reject(self, request: Request) -> Response | None:
        """Return what is answered here, None for what may pass."""
        headers = request.headers
        if headers.get("host") not in self._hosts:
            return _forbidden("Unknown host name: open the link that `scones console` printed.")
        path = request.scope["path"]
        if request.method in ("GET", "HEAD") and (
            path in _PUBLIC_PATHS or path.startswith(_STATIC_PREFIX)
        ):
            return None
        token_sent = headers.get(TOKEN_HEADER, "")
        if not _matches(token_sent, self._token):
            return _forbidden(
                "This link has expired: open the one that `scones console` printed last."
                if token_sent
                else "Open the link that `scones console` printed when it was started."
            )
        if request.method not in ("GET", "HEAD"):
            return _reject_cross_site(headers)
        return None


def _matches(token_sent: str, token: str) -> bool:
    return secrets.compare_digest(token_sent.encode(), token.encode())


def _reject_cross_site(headers: Headers) -> Response | None:
    """Refuse what another site's page may have sent, None for what our page sends."""
    if headers.get("origin") != f"http://{headers['host']}":
        return _forbidden("The request came from another site.")
    if headers.get("content-type") != "application/json":
        return _forbidden("The content type must be application/json.")
    return None


def _forbidden(reason: str) -> Response:
    return PlainTextResponse(reason, status_code=403)
