"""Who may talk to the page: a browser on this machine that was given the link.

As in Jupyter, the link holds a random token, and who brings it gets a cookie. The link stays good
until the server ends: the same person may open it in a second browser. The cookie holds another
secret: programs at other ports of this machine are sent it too, and do not learn the link from it.

A page of another site that the same browser shows can neither send the cookie (SameSite=Strict) nor
what changes anything (`Origin`, and a header of our own), nor have its name resolve to this machine
(`Host`).
"""

import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost")
"""What this machine calls itself; the page is served at no other address."""

OWN_HEADER = "x-scones"
"""Sent with each request that changes something: other sites' pages may not send it."""

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
# Not a redirect: to the page's own request that would make the site the sender from which the link
# was followed, or the file that `console.opening` writes, and the cookie would not be sent.
_WELCOME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=/">
<title>Scones</title>
<link rel="icon" href="data:,">
<a href="/">To the page</a>
</html>
"""
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Middleware that answers nobody else, and says so to all what a browser may do with answers.

    Parameters
    ----------
    app
        What is guarded.
    token
        What the link holds.
    port
        Where the page is served; cookies know no ports, so their name has it.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._session = secrets.token_urlsafe(32)
        self._cookie = f"scones-{port}"
        self._hosts = {f"{name}:{port}" for name in NAMES}

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
        answer = self._answer(Request(scope)) or self._app
        await answer(scope, receive, send_with_headers)

    def _answer(self, request: Request) -> Response | None:
        """Return what is answered here, None for what may pass."""
        headers = request.headers
        if headers.get("host") not in self._hosts:
            return _refused("This page has no such name: open the link that `scones console` gave.")
        given = parse_qs(request.url.query).get("token")
        if given and request.method == "GET" and request.url.path == "/":
            return self._let_in(given[0])
        # Starlette takes what it can read: others on this machine set cookies for us, good and bad.
        if not _same(request.cookies.get(self._cookie, ""), self._session):
            return _refused("Open the link that `scones console` printed when it was started.")
        if request.method not in ("GET", "HEAD"):
            return _foreign(headers)
        return None

    def _let_in(self, given: str) -> Response:
        if not _same(given, self._token):
            return _refused(
                "This link is of an earlier start: open the one that `scones console` printed last."
            )
        answer = HTMLResponse(_WELCOME)
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
        return answer


def _same(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode(), secret.encode())


def _foreign(headers: Headers) -> Response | None:
    """Refuse what another site's page may have sent, None for what our page sends."""
    if headers.get("origin") != f"http://{headers['host']}":
        return _refused("This was sent by the page of another site.")
    if OWN_HEADER not in headers or headers.get("content-type") != "application/json":
        return _refused(f"This takes JSON with the header {OWN_HEADER}.")
    return None


def _refused(why: str) -> Response:
    return PlainTextResponse(why, status_code=403)
