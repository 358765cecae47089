"""What every request and answer passes: who may ask, and what a browser may do with the answer."""

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
_WITH_TOKEN = "/api/"


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine alone."""
    bare = host.removeprefix("[").removesuffix("]").lower()
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"


class Guard:
    """Middleware that refuses strangers and adds the security headers.

    A page elsewhere can make a browser ask a server on loopback (DNS rebinding gives it even the answer), so a
    loopback server answers to loopback names alone, and no server takes data that a page of another site sends.

    Attributes:
        app: The application.
        loopback: Whether it is bound to loopback.
        token: Token that the API asks for, if any.
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

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if scope["path"].startswith(_WITH_TOKEN):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refused = self._refusal(Headers(scope=scope), scope["path"])
        await (refused or self.app)(scope, receive, send_guarded)

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        host = headers.get("host", "")
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        if self.loopback and not is_loopback(name):
            return _refused(403, "this server answers to localhost alone: begin the address with http://127.0.0.1")
        if headers.get("sec-fetch-site") == "cross-site" and path.startswith(_WITH_TOKEN):
            return _refused(403, "another site's page asked for this: open kappatune's own page")
        if self.token and path.startswith(_WITH_TOKEN):
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
                refused = _refused(401, "this server asks for a token: send it as `Authorization: Bearer TOKEN`")
                refused.headers["WWW-Authenticate"] = "Bearer"
                return refused
        return None


def _refused(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
