"""What every host offers: crystals in, one vector per crystal out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from kappatune.model.graphs import GraphBatch


class Host(nn.Module, ABC):
    """A pretrained network whose embedding a head is attached to. It knows no targets and no units.

    Attributes:
        architecture: Name under which the class is registered in `kappatune.model.hosts.ARCHITECTURES`.
        cutoff_angstrom: Graphs must be built with this cutoff, Å.
        embedding_sizes: Length of the embedding per level.
    """

    architecture: ClassVar[str]
    cutoff_angstrom: float
    embedding_sizes: dict[str, int]

    @property
    @abstractmethod
    def supported_elements(self) -> frozenset[int]:
        """Atomic numbers this host can embed."""

    @abstractmethod
    def embed(self, batch: GraphBatch, level: str = "pooled") -> Tensor:
        """Embed crystals as (n_crystals, embedding_sizes[level])."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """JSON-ready settings that rebuild the network without its weights."""

    @classmethod
    @abstractmethod
    def from_description(cls, description: dict[str, Any]) -> Host:
        """The inverse of `describe`; weights are random."""

    @property
    def needs_bonds(self) -> bool:
        """Whether the embedding depends on bonds: then that of a crystal without bonds means nothing."""
        return self.cutoff_angstrom > 0

    def fixed_columns(self, level: str) -> range:
        """Columns of an embedding that no training changes, on which corrections from few crystals build.

        All columns, for a host without such ones.
        """
        return range(self.embedding_sizes[level])


class HostSettings(BaseModel):
    """Settings of a host with a row for each element.

    Attributes:
        elements: Atomic number of each row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: tuple[int, ...]


class ElementHost(Host):
    """A host that looks up a row for each element and is rebuilt from its settings.

    Attributes:
        settings_type: Class of its settings.
        settings: What it was built from.
        element_row: (120,) row of each atomic number, -1 without one.
    """

    settings_type: ClassVar[type[HostSettings]]
    settings: HostSettings
    element_row: Tensor

    def __init__(self, settings: HostSettings) -> None:
        super().__init__()
        self.settings = settings
        row = torch.full((120,), -1, dtype=torch.int64)
        row[list(settings.elements)] = torch.arange(len(settings.elements))
        self.register_buffer("element_row", row, persistent=False)

    @property
    def supported_elements(self) -> frozenset[int]:
        """Atomic numbers with a row."""
        return frozenset(self.settings.elements)

    def describe(self) -> dict[str, Any]:
        """Settings from which `from_description` rebuilds the network, without weights and tables."""
        return self.settings.model_dump(mode="json")

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Self:
        """Rebuild from `describe`; weights are random, and tables hold nothing."""
        return cls(cls.settings_type.model_validate(description))
