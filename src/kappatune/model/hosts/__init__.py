"""Hosts: pretrained graph networks. One file per architecture, registered in `ARCHITECTURES`."""

from kappatune.model.hosts.base import Host
from kappatune.model.hosts.combined import CombinedHost
from kappatune.model.hosts.elements import ElementStatistics
from kappatune.model.hosts.megnet import MEGNet
from kappatune.model.hosts.weights import (
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
