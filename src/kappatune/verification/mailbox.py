"""Messages from the actors of a cluster to the command that started them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError


class Mailbox:
    """Messages of the actors to the command that started them. It may be lost with its node: then there are no more."""

    def __init__(self) -> None:
        self.actor = _MAILBOX.remote()
        self.sent: list[Any] = []

    def send(self, message: Any) -> None:
        """Send a message, without waiting for its arrival."""
        self.sent = [self.actor.put.remote(message)]

    def wait(self, timeout_s: float) -> None:
        """Wait until the last message has arrived, or the time is over."""
        if self.sent:
            ray.wait(self.sent, timeout=timeout_s)

    def take(self) -> list[Any]:
        """All messages that have arrived since the last call."""
        with suppress(RayError):
            messages: list[Any] = ray.get(self.actor.take.remote())
            return messages
        return []


class _Mailbox:
    def __init__(self) -> None:
        self.messages: list[Any] = []

    def put(self, message: Any) -> None:
        self.messages.append(message)

    def take(self) -> list[Any]:
        taken, self.messages = self.messages, []
        return taken


_MAILBOX: Any = ray.remote(num_cpus=0)(_Mailbox)
