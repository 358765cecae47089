"""Architectures of hosts by name."""

from __future__ import annotations

from typing import Any, TypeVar

from kappatune.errors import UserError
from kappatune.model.hosts.base import Host

AnyHost = TypeVar("AnyHost", bound=type[Host])

ARCHITECTURES: dict[str, type[Host]] = {}
"""Every host architecture by name; `kappatune.model.hosts` imports them all."""


class BadWeights(UserError):
    """Host weights that do not fit; the message says which tensors."""


def register(host: AnyHost) -> AnyHost:
    """Class decorator that makes an architecture known by its `architecture`."""
    ARCHITECTURES[host.architecture] = host
    return host


def host_of(architecture: str, settings: dict[str, Any]) -> Host:
    """A host with random weights.

    Args:
        architecture: Its name.
        settings: What its `describe` returned.

    Raises:
        BadWeights: There is no such architecture.
    """
    if architecture not in ARCHITECTURES:
        raise BadWeights(f"unknown host architecture '{architecture}': known are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[architecture].from_description(settings)
