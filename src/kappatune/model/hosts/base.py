"""What every host offers: crystals in, one vector per crystal out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

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
