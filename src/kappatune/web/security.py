"""Who may send requests, and what a browser may do with the answers."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_API = "/api/"


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    bare = host.removeprefix("[").removesuffix("]").lower()
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"


class SecurityMiddleware:
    """Middleware that refuses foreign requests and adds security headers.

    A page of another site can make a browser send requests to a server on loopback, and with DNS rebinding it can
    even read the answers. A loopback server therefore answers only to loopback names, and no server accepts data that
    a page of another site sends.

    Attributes:
        app: The application.
        loopback: Whether it is bound to loopback.
        token: Token that the API requires, if any.
    """

    def __init__(self, app: ASGIApp, *, loopback: bool, token: str | None) -> None:
        self.app = app
        self.loopback = loopback
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if scope["path"].startswith(_API):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refused = self._refusal(Headers(scope=scope), scope["path"])
        await (refused or self.app)(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        host = headers.get("host", "")
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        if self.loopback and not is_loopback(name):
            return _refused(403, "this server answers only to localhost: begin the address with http://127.0.0.1")
        if headers.get("sec-fetch-site") == "cross-site" and path.startswith(_API):
            return _refused(403, "a page of another site sent this request: open kappatune's own page")
        if self.token and path.startswith(_API):
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
                refused = _refused(401, "this server requires a token: send it as `Authorization: Bearer TOKEN`")
                refused.headers["WWW-Authenticate"] = "Bearer"
                return refused
        return None


def _refused(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
