"""Statistics of elemental properties over a crystal's atoms: features of the composition alone."""

from __future__ import annotations

import torch
from torch import Tensor

from kappatune.model.graphs import GraphBatch
from kappatune.model.hosts.base import ElementHost, HostSettings
from kappatune.model.hosts.registry import register


class ElementSettings(HostSettings):
    """What the table holds.

    Attributes:
        properties: Name of each column.
    """

    properties: tuple[str, ...]


@register
class ElementStatistics(ElementHost):
    """Mean, standard deviation, minimum and maximum of each elemental property over the atoms of a crystal.

    Nothing is trained: the table of properties takes the place of weights. Bonds play no part.
    Embedding: `pooled`, the four statistics one after the other.

    Attributes:
        table: (n_elements, n_properties) properties, each scaled to zero mean and unit spread over the elements.
    """

    architecture = "element-statistics"
    cutoff_angstrom = 0.0
    settings_type = ElementSettings
    settings: ElementSettings
    table: Tensor

    def __init__(self, settings: ElementSettings) -> None:
        super().__init__(settings)
        self.register_buffer("table", torch.zeros(len(settings.elements), len(settings.properties)))
        self.embedding_sizes = {"pooled": 4 * len(settings.properties)}

    def embed(self, batch: GraphBatch, level: str = "pooled") -> Tensor:
        """Embed crystals as (n_crystals, 4 n_properties) float32."""
        values = self.table[self.element_row[batch.numbers]]
        amount = batch.multiplicity[:, None]
        zeros = values.new_zeros(batch.n_crystals, values.shape[1])
        n_atoms = zeros[:, :1].index_add(0, batch.crystal, amount)
        mean = zeros.index_add(0, batch.crystal, amount * values) / n_atoms
        square = (values - mean[batch.crystal]).square()
        spread = (zeros.index_add(0, batch.crystal, amount * square) / n_atoms).sqrt()
        where = batch.crystal[:, None].expand_as(values)
        minimum = zeros.scatter_reduce(0, where, values, "amin", include_self=False)
        maximum = zeros.scatter_reduce(0, where, values, "amax", include_self=False)
        return torch.cat([mean, spread, minimum, maximum], dim=1)
