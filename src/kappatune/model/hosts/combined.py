"""Several hosts as one: their embeddings side by side, each from the bonds within its own cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from kappatune.model.graphs import GraphBatch
from kappatune.model.hosts.base import Host
from kappatune.model.hosts.registry import host_of, register


@register
class CombinedHost(Host):
    """Several hosts that embed the same crystals.

    The graphs are built once, with the largest cutoff; a host with a shorter one gets fewer of the bonds.
    Embeddings: the levels that all parts offer.

    Attributes:
        parts: The hosts; a recipe freezes the first by `host.parts.0`.
    """

    architecture = "combined"

    def __init__(self, parts: Sequence[Host]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.cutoff_angstrom = max(part.cutoff_angstrom for part in parts)
        shared = [level for level in parts[0].embedding_sizes if all(level in p.embedding_sizes for p in parts)]
        self.embedding_sizes = {level: sum(p.embedding_sizes[level] for p in parts) for level in shared}

    @property
    def hosts(self) -> list[Host]:
        """The parts, in order."""
        return [part for part in self.parts if isinstance(part, Host)]

    @property
    def supported_elements(self) -> frozenset[int]:
        """Atomic numbers that every part can embed."""
        return frozenset.intersection(*(part.supported_elements for part in self.hosts))

    def describe(self) -> dict[str, Any]:
        """Architecture and settings of each part."""
        return {"parts": [{"architecture": p.architecture, "settings": p.describe()} for p in self.hosts]}

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> CombinedHost:
        """The inverse of `describe`; weights are random."""
        return cls([host_of(part["architecture"], part["settings"]) for part in description["parts"]])

    def fixed_columns(self, level: str) -> range:
        """Columns of the first parts in a row without weights to train; without such a part, all of them."""
        start = stop = 0
        for part in self.hosts:
            size = part.embedding_sizes[level]
            if not list(part.parameters()):
                stop = max(start, stop) + size
            elif stop > start:
                break
            else:
                start += size
        return range(start, stop) if stop > start else range(start)

    def embed(self, batch: GraphBatch, level: str = "pooled") -> Tensor:
        """Embed crystals as (n_crystals, embedding_sizes[level])."""
        within = {self.cutoff_angstrom: batch}
        embeddings = []
        for part in self.hosts:
            cutoff = part.cutoff_angstrom
            if cutoff not in within:
                within[cutoff] = bonds_within(batch, cutoff)
            embeddings.append(part.embed(within[cutoff], level))
        return torch.cat(embeddings, dim=1)


def bonds_within(batch: GraphBatch, cutoff_angstrom: float) -> GraphBatch:
    """The same crystals with the bonds of at most `cutoff_angstrom`, Å."""
    near = batch.distance <= cutoff_angstrom
    edges = {name: getattr(batch, name)[near] for name in ("source", "target", "distance", "weight")}
    return replace(batch, **edges)
