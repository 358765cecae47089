"""Listening: the socket, the server on it, and the address for people."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from kappatune.errors import UserError
from kappatune.processes import use_one_thread
from kappatune.web.app import create_app
from kappatune.web.guard import is_loopback
from kappatune.web.service import open_service

_MOST_CONNECTIONS = 512
_KEEP_ALIVE_S = 15
_LAST_WORDS_S = 5


class CannotListen(UserError):
    """The address cannot be listened at."""


class _Server(uvicorn.Server):
    """Says where it is once it is there."""

    announce: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.announce()


def listen(
    host: str,
    port: int,
    *,
    model: str,
    scan: Path | None,
    labels: Path | None,
    token: str | None,
    say: Callable[[str], None],
) -> None:
    """Serve until interrupted.

    Raises:
        UserError: Something cannot be read, or the address cannot be listened at.
    """
    with bound(host, port) as listener:
        use_one_thread()
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
        if not is_loopback(host) and not token:
            say(f"kappatune: whoever reaches {host}:{port} can use this server; --token asks them for a word")
        say(f"kappatune: loading the model {model} and the labelled crystals")
        app = create_app(open_service(model, scan=scan, labels=labels), loopback=is_loopback(host), token=token)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_LAST_WORDS_S,
        )
        server = _Server(config)
        server.announce = lambda: say(f"kappatune: open {_address(listener, token)} (Ctrl+C ends it)")
        server.run(sockets=[listener])


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to the address.

    Raises:
        CannotListen: It is in use, or no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        advice = "give another --port" if port else "give another --host"
        raise CannotListen(f"cannot listen at {host}:{port} ({error.strerror or error}): {advice}") from error
    return listener


def _address(listener: socket.socket, token: str | None) -> str:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + ("#token=YOUR-TOKEN" if token else "")
