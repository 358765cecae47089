"""Host files: one safetensors file with the tensors and, in its header, a card that rebuilds the network.

Weights load strictly. A tensor that is missing, unexpected or of another shape is an error that
names it: a silent mismatch would leave a network random and look like a bad result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kappatune.model.hosts import matgl
from kappatune.model.hosts.base import Host
from kappatune.model.hosts.combined import CombinedHost
from kappatune.model.hosts.megnet import MEGNet
from kappatune.model.hosts.registry import BadWeights, host_of
from kappatune.model.upgrades import HOST_UPGRADES, CannotUpgrade, upgraded_card, upgrades_of
from kappatune.storage import ASSETS, atomic_path

HostName = str | Path | Sequence[str | Path]
"""A shipped host's name or the path of a file; or several, to be combined."""

SHIPPED = ASSETS / "hosts"
_CARD = "kappatune_host"


class HostCard(BaseModel):
    """What a host file contains, and how it was made.

    Attributes:
        schema_version: Version of this card.
        name: Name of the host.
        architecture: Key of `ARCHITECTURES`.
        settings: What `Host.from_description` takes.
        source: Where the weights come from.
        licence: Their licence.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    architecture: str
    settings: dict[str, Any]
    source: str
    licence: str


def shipped_hosts() -> list[str]:
    """Names of the hosts that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def load_host(name: HostName) -> Host:
    """Load a host with its weights.

    Args:
        name: A shipped host's name, or a path: a host file of ours or a MEGNet formation-energy
            file as matgl published it; several of them are combined.

    Raises:
        BadWeights: No such host, or tensors that do not fit.
    """
    if not isinstance(name, str | Path):
        return CombinedHost([load_host(part) for part in name]).eval()
    card, tensors = _read(name)
    host = new_host(card)
    load_strictly(host, tensors, str(name))
    return host.eval()


def read_host_card(name: HostName) -> HostCard:
    """The card of a host file, or of several that are combined, without building the network."""
    if isinstance(name, str | Path):
        return _read(name)[0]
    cards = [_read(part)[0] for part in name]
    return HostCard(
        name=" + ".join(card.name for card in cards),
        architecture=CombinedHost.architecture,
        settings={"parts": [{"architecture": card.architecture, "settings": card.settings} for card in cards]},
        source="; ".join(card.source for card in cards),
        licence="; ".join(sorted({card.licence for card in cards})),
    )


def new_host(card: HostCard) -> Host:
    """The network a card describes, with random weights."""
    return host_of(card.architecture, card.settings)


def save_host(host: Host, path: Path, *, name: str, source: str, licence: str) -> None:
    """Write a host file."""
    card = HostCard(name=name, architecture=host.architecture, settings=host.describe(), source=source, licence=licence)
    tensors = {key: value.contiguous() for key, value in host.state_dict().items()}
    with atomic_path(path) as partial:
        save_file(tensors, partial, metadata={_CARD: card.model_dump_json()})


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Load tensors into a module, all of them and no other.

    Raises:
        BadWeights: A tensor is missing, unexpected, of another shape, or not finite.
    """
    expected = module.state_dict()
    faults = [f"missing {name}" for name in expected if name not in tensors]
    faults += [f"unexpected {name}" for name in tensors if name not in expected]
    for name in expected.keys() & tensors.keys():
        if expected[name].shape != tensors[name].shape:
            faults.append(f"{name} has shape {tuple(tensors[name].shape)}, not {tuple(expected[name].shape)}")
        elif not torch.isfinite(tensors[name]).all():
            faults.append(f"{name} holds values that are not finite")
    if faults:
        shown = "; ".join(sorted(faults)[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise BadWeights(f"{origin}: the weights do not fit the network: {shown}")
    module.load_state_dict(dict(tensors), strict=True)


def _read(name: str | Path) -> tuple[HostCard, dict[str, Tensor]]:
    shipped = SHIPPED / f"{name}.safetensors"
    path = shipped if shipped.is_file() else Path(name).expanduser()
    if not path.is_file():
        raise BadWeights(f"no host '{name}': neither a file nor one of the shipped {', '.join(shipped_hosts())}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        raise BadWeights(f"{path}: not a readable safetensors file ({error})") from error
    if _CARD in metadata:
        try:
            stored = json.loads(metadata[_CARD])
            steps = upgrades_of(stored, HOST_UPGRADES)
            for step in steps:
                tensors = step.tensors(tensors)
            return HostCard.model_validate(upgraded_card(stored, steps)), tensors
        except CannotUpgrade as error:
            raise BadWeights(f"{path}: {error}") from error
        except ValueError as error:
            raise BadWeights(f"{path}: its card does not fit its version: {error}") from error
    if matgl.recognises(tensors):
        settings, renamed = matgl.convert(tensors)
        source = f"matgl file {path.name}"
        card = HostCard(
            name=path.stem,
            architecture=MEGNet.architecture,
            settings=settings.model_dump(mode="json"),
            source=source,
            licence="BSD-3-Clause (matgl)",
        )
        return card, renamed
    raise BadWeights(f"{path}: neither a kappatune host file nor a MEGNet of matgl: its header has no card")
