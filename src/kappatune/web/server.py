"""The server: its socket, its start, and the address to open."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from kappatune.errors import UserError
from kappatune.processes import use_one_thread
from kappatune.progress import Message, OnProgress
from kappatune.web.app import create_app
from kappatune.web.security import is_loopback
from kappatune.web.service import Compute, open_service

_MAX_CONNECTIONS = 512
_KEEP_ALIVE_S = 15
_SHUTDOWN_TIMEOUT_S = 5


class CannotListen(UserError):
    """The server cannot listen at an address."""


class _Server(uvicorn.Server):
    """Calls `on_started` once it accepts requests, and `on_stopping` before it waits for open ones to end."""

    on_started: Callable[[], None]
    on_stopping: Callable[[], None]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_stopping()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_started()


def run_server(
    host: str,
    port: int,
    *,
    model: str,
    scan: Path | None,
    labels: Path | None,
    token: str | None,
    keep: Path | None,
    compute: Compute | None,
    on_progress: OnProgress,
) -> None:
    """Serve until interrupted.

    Raises:
        UserError: The model, the scan or the labels cannot be read, or the server cannot listen at the address.
    """
    with bind_socket(host, port) as listener:
        use_one_thread()
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
        if not is_loopback(host) and not token:
            warning = f"kappatune: anyone who can reach {host}:{port} can use this server; --token restricts it"
            on_progress(Message(warning))
        on_progress(Message(f"kappatune: loading the model {model} and the labelled crystals"))
        if compute is not None:
            on_progress(Message(f"kappatune: loading the potential {compute.calculator}; jobs are in {compute.folder}"))
        service = open_service(model, scan=scan, labels=labels, keep=keep, compute=compute)
        app = create_app(service, loopback=is_loopback(host), token=token)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
        )
        server = _Server(config)
        started = Message(f"kappatune: open {_address(listener, token)} (Ctrl+C stops it)")
        server.on_started = lambda: on_progress(started)
        server.on_stopping = service.streams.end
        server.run(sockets=[listener])


def bind_socket(host: str, port: int) -> socket.socket:
    """A socket bound to the address.

    Raises:
        CannotListen: The address is in use, or is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        advice = "give another --port" if port else "give another --host"
        raise CannotListen(f"cannot listen at {host}:{port} ({error.strerror or error}): {advice}") from error
    return listener


def _address(listener: socket.socket, token: str | None) -> str:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104 - only compared
    return f"http://{shown}:{port}/" + ("#token=YOUR-TOKEN" if token else "")
