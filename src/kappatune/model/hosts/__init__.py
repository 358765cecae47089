"""Hosts: pretrained networks that embed crystals. One file per architecture.

To add one: a file with a class that derives from `Host` and is decorated with `register`, its import here, and a test
class that inherits `HostContract` of `tests/model/hosts/host_contract.py`.
"""

from kappatune.model.hosts.base import Host
from kappatune.model.hosts.bonds import BondGeometry
from kappatune.model.hosts.combined import CombinedHost
from kappatune.model.hosts.elements import ElementStatistics
from kappatune.model.hosts.megnet import MEGNet
from kappatune.model.hosts.registry import ARCHITECTURES, BadWeights, register
from kappatune.model.hosts.weights import (
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
    "BondGeometry",
    "CombinedHost",
    "ElementStatistics",
    "Host",
    "HostCard",
    "MEGNet",
    "load_host",
    "load_strictly",
    "new_host",
    "read_host_card",
    "register",
    "save_host",
    "shipped_hosts",
]
