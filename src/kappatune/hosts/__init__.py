"""Hosts: pretrained graph networks. One file per architecture, registered in `ARCHITECTURES`."""

from kappatune.hosts.base import Host
from kappatune.hosts.combined import CombinedHost
from kappatune.hosts.elements import ElementStatistics
from kappatune.hosts.megnet import MEGNet
from kappatune.hosts.weights import (
    ARCHITECTURES,
    BadWeights,
    HostCard,
    load_host,
    load_strictly,
    new_host,
    read_host_card,
    save_host,
    shipped_hosts,
)

__all__ = [
    "ARCHITECTURES",
    "BadWeights",
    "CombinedHost",
    "ElementStatistics",
    "Host",
    "HostCard",
    "MEGNet",
    "load_host",
    "load_strictly",
    "new_host",
    "read_host_card",
    "save_host",
    "shipped_hosts",
]
