"""MEGNet (Chen et al., Chem. Mater. 31, 3564 (2019)) in plain PyTorch, on folded graphs.

Two published families of weights share this network. They differ in what `MEGNetSettings` holds:
the Gaussians, the element table, the Set2Set variant and whether an update ends with its activation.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal, NamedTuple, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from kappatune.model.graphs import GraphBatch
from kappatune.model.hosts.base import ElementHost, HostSettings
from kappatune.model.hosts.registry import register

_DIM = 32
_HIDDEN = 64
_READOUT = 16
_ELEMENT = 16
_STATE = 2

_FEWEST_BONDS = 0.5
"""Where bonds fall to zero at the cutoff and less than this is left, the mean over bonds fades too."""

_NO_BOND = 1e-30


class MEGNetSettings(HostSettings):
    """What distinguishes one MEGNet from another.

    Attributes:
        cutoff_angstrom: Neighbours are taken within this distance, Å.
        n_gaussians: Gaussians that expand a distance, evenly from 0 to `gaussian_stop_angstrom`.
        gaussian_stop_angstrom: Centre of the last Gaussian, Å.
        gaussian_exponent: a of exp(-a (d - centre)^2), 1/Å^2.
        set2set: `lstm` carries hidden and cell state (32 wide); `keras` is the original layer, whose
            cell state is never carried, with hard-sigmoid gates (16 wide).
        set2set_steps: How often Set2Set attends.
        activate_last: Whether an update function ends with its activation.
        property: What the published read-out predicts.
        unit: Its unit.
        property_mean: Added to the scaled read-out, in `unit`.
        property_std: Multiplies the read-out, in `unit`.
    """

    cutoff_angstrom: float = Field(gt=0)
    n_gaussians: int = Field(default=100, gt=1)
    gaussian_stop_angstrom: float = Field(default=5.0, gt=0)
    gaussian_exponent: float = Field(gt=0)
    set2set: Literal["lstm", "keras"]
    set2set_steps: int = Field(default=2, ge=1)
    activate_last: bool
    property: str
    unit: str
    property_mean: float = 0.0
    property_std: float = 1.0


@register
class MEGNet(ElementHost):
    """The MEGNet graph network.

    Embeddings: `pooled` is what Set2Set and the state give before the read-out layers (160 numbers,
    or 96 with the `keras` Set2Set); `readout` is the 16-vector before the last layer.
    """

    architecture = "megnet"
    settings_type = MEGNetSettings
    settings: MEGNetSettings
    centres: Tensor

    def __init__(self, settings: MEGNetSettings) -> None:
        super().__init__(settings)
        self.cutoff_angstrom = settings.cutoff_angstrom
        centres = torch.linspace(0.0, settings.gaussian_stop_angstrom, settings.n_gaussians)
        self.register_buffer("centres", centres, persistent=False)
        set2set = LstmSet2Set if settings.set2set == "lstm" else KerasSet2Set

        self.element = nn.Embedding(len(settings.elements), _ELEMENT)
        self.encode_edge = _mlp(settings.n_gaussians, _HIDDEN, _DIM)
        self.encode_node = _mlp(_ELEMENT, _HIDDEN, _DIM)
        self.encode_state = _mlp(_STATE, _HIDDEN, _DIM)
        self.blocks = nn.ModuleList([MEGNetBlock(k > 0, settings.activate_last) for k in range(3)])
        self.pool_nodes = set2set(settings.set2set_steps)
        self.pool_edges = set2set(settings.set2set_steps)
        self.embedding_sizes = {"pooled": 2 * self.pool_nodes.size + _DIM, "readout": _READOUT}
        self.readout = _mlp(self.embedding_sizes["pooled"], _DIM, _READOUT)
        self.last = nn.Linear(_READOUT, 1)

    def embed(self, batch: GraphBatch, level: str = "pooled") -> Tensor:
        """Embed crystals.

        Args:
            batch: Graphs built with `cutoff_angstrom`; every element supported.
            level: `pooled` or `readout`.

        Returns:
            (n_crystals, embedding_sizes[level]) float32.
        """
        n = batch.n_crystals
        edge_crystal = batch.crystal[batch.target]
        weight = batch.bond_weights(self.cutoff_angstrom)
        in_crystal = batch.multiplicity[batch.target] * weight
        fewest = _FEWEST_BONDS if batch.bonds_fall else 0.0
        shares = Shares(
            edge_in_node=_share(weight, batch.target, len(batch.numbers), fewest),
            edge_in_crystal=_share(in_crystal, edge_crystal, n, fewest),
            node_in_crystal=_share(batch.multiplicity, batch.crystal, n),
            edge_crystal=edge_crystal,
        )
        difference = batch.distance[:, None] - self.centres
        gaussians = torch.exp((-self.settings.gaussian_exponent * difference.square()).clamp(min=-80.0))

        node = _activated(self.encode_node, self.element(self.element_row[batch.numbers]))
        edge = _activated(self.encode_edge, gaussians)
        state = _activated(self.encode_state, edge.new_zeros(n, _STATE))
        for block in self.blocks:
            node, edge, state = block(node, edge, state, batch, shares)
        pooled = torch.cat(
            [
                self.pool_nodes(node, batch.crystal, batch.multiplicity, n),
                self.pool_edges(edge, edge_crystal, in_crystal, n, fewest),
                state,
            ],
            dim=1,
        )
        return pooled if level == "pooled" else _activated(self.readout, pooled)

    def predict_property(self, batch: GraphBatch) -> Tensor:
        """The property the network was pretrained on.

        Returns:
            (n_crystals,) in `settings.unit`.
        """
        scaled: Tensor = self.last(self.embed(batch, "readout"))[:, 0]
        return self.settings.property_mean + self.settings.property_std * scaled


class Shares(NamedTuple):
    """Weights of the means that a block takes.

    Attributes:
        edge_in_node: (n_edges, 1) share of an edge in its target's edges.
        edge_in_crystal: (n_edges, 1) share of an edge in its crystal's edges.
        node_in_crystal: (n_nodes, 1) share of a node in its crystal's nodes.
        edge_crystal: (n_edges,) crystal each edge belongs to.
    """

    edge_in_node: Tensor
    edge_in_crystal: Tensor
    node_in_crystal: Tensor
    edge_crystal: Tensor


class MEGNetBlock(nn.Module):
    """Dense layers, then the updates of edges, nodes and state, each added to what came in."""

    def __init__(self, dense: bool, activate_last: bool) -> None:
        super().__init__()
        self.activate_last = activate_last
        if dense:
            self.dense_edge = _mlp(_DIM, _HIDDEN, _DIM)
            self.dense_node = _mlp(_DIM, _HIDDEN, _DIM)
            self.dense_state = _mlp(_DIM, _HIDDEN, _DIM)
        self.dense = dense
        self.update_edge = _mlp(4 * _DIM, _HIDDEN, _HIDDEN, _DIM)
        self.update_node = _mlp(3 * _DIM, _HIDDEN, _HIDDEN, _DIM)
        self.update_state = _mlp(3 * _DIM, _HIDDEN, _HIDDEN, _DIM)

    def forward(
        self, node_in: Tensor, edge_in: Tensor, state_in: Tensor, batch: GraphBatch, shares: Shares
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Update (n_nodes, 32), (n_edges, 32) and (n_crystals, 32) features."""
        node, edge, state = node_in, edge_in, state_in
        if self.dense:
            node = _activated(self.dense_node, node)
            edge = _activated(self.dense_edge, edge)
            state = _activated(self.dense_state, state)
        # The first linear layer on [source, target, edge, state] is applied part by part: nodes and
        # states are far fewer than edges.
        first = _linear(self.update_edge, 0)
        of_source, of_target, of_edge, of_state = torch.split(first.weight, _DIM, dim=1)
        at_target = linear(node, of_target, first.bias) + linear(state, of_state)[batch.crystal]
        edge = linear(edge, of_edge) + _gather(linear(node, of_source), batch.source)
        edge = self._rest(self.update_edge, edge + _gather(at_target, batch.target))

        to_node = _sum(edge * shares.edge_in_node, batch.target, len(node))
        first = _linear(self.update_node, 0)
        of_node, of_edges, of_state = torch.split(first.weight, _DIM, dim=1)
        node = linear(node, of_node, first.bias) + linear(to_node, of_edges)
        node = self._rest(self.update_node, node + linear(state, of_state)[batch.crystal])

        n = len(state)
        mean_edge = _sum(edge * shares.edge_in_crystal, shares.edge_crystal, n)
        mean_node = _sum(node * shares.node_in_crystal, batch.crystal, n)
        state = self._rest(
            self.update_state, _linear(self.update_state, 0)(torch.cat([state, mean_edge, mean_node], dim=1))
        )
        return node + node_in, edge + edge_in, state + state_in

    def _rest(self, layers: nn.ModuleList, x: Tensor) -> Tensor:
        for layer in list(layers)[1:]:
            x = layer(softplus2(x))
        return softplus2(x) if self.activate_last else x


class LstmSet2Set(nn.Module):
    """Set2Set (Vinyals et al., arXiv 1511.06391) with an LSTM."""

    size = 2 * _DIM

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.lstm = nn.LSTMCell(self.size, _DIM)

    def forward(self, features: Tensor, crystal: Tensor, multiplicity: Tensor, n: int, fewest: float = 0.0) -> Tensor:
        """Pool (n_items, 32) features into (n_crystals, 64)."""
        query = features.new_zeros(n, self.size)
        hidden = cell = features.new_zeros(n, _DIM)
        for _ in range(self.steps):
            hidden, cell = self.lstm(query, (hidden, cell))
            query = torch.cat([hidden, _attend(features, hidden, crystal, multiplicity, fewest)], dim=1)
        return query


class KerasSet2Set(nn.Module):
    """Set2Set as the original MEGNet computes it: features projected to 16, cell state never carried."""

    size = 2 * _READOUT

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.project = nn.Linear(_DIM, _READOUT)
        self.gates = nn.Linear(self.size, 4 * _READOUT)

    def forward(self, features: Tensor, crystal: Tensor, multiplicity: Tensor, n: int, fewest: float = 0.0) -> Tensor:
        """Pool (n_items, 32) features into (n_crystals, 32)."""
        memory = self.project(features)
        query = features.new_zeros(n, self.size)
        for _ in range(self.steps):
            gate_in, _, candidate, gate_out = self.gates(query).chunk(4, dim=1)
            hidden = _hard_sigmoid(gate_out) * torch.tanh(_hard_sigmoid(gate_in) * torch.tanh(candidate))
            query = torch.cat([hidden, _attend(memory, hidden, crystal, multiplicity, fewest)], dim=1)
        return query


def softplus2(x: Tensor) -> Tensor:
    """ln(1 + e^x) - ln 2, zero at x = 0."""
    return softplus(x) - math.log(2.0)


def _mlp(*sizes: int) -> nn.ModuleList:
    return nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(sizes)])


def _linear(layers: nn.ModuleList, index: int) -> nn.Linear:
    return cast(nn.Linear, layers[index])


def _activated(layers: nn.ModuleList, x: Tensor) -> Tensor:
    for layer in layers:
        x = softplus2(layer(x))
    return x


def _hard_sigmoid(x: Tensor) -> Tensor:
    return (0.2 * x + 0.5).clamp(0.0, 1.0)


def _gather(values: Tensor, index: Tensor) -> Tensor:
    return values.index_select(0, index)


def _sum(values: Tensor, index: Tensor, n: int) -> Tensor:
    return values.new_zeros(n, *values.shape[1:]).index_add(0, index, values)


def _share(amount: Tensor, group: Tensor, n: int, fewest: float = 0.0) -> Tensor:
    """(n_items, 1) share of each item in its group's total, or in `fewest` if that is more."""
    return (amount / _sum(amount, group, n).clamp(min=fewest)[group])[:, None]


def _attend(features: Tensor, query: Tensor, crystal: Tensor, multiplicity: Tensor, fewest: float) -> Tensor:
    """Softmax attention within each crystal, an item counting `multiplicity` times.

    Where all items together count less than `fewest` times, the result fades with them.
    """
    score = (features * _gather(query, crystal)).sum(dim=1)
    top = score.new_full((len(query),), -torch.inf).scatter_reduce(0, crystal, score.detach(), "amax")
    raw = multiplicity * torch.exp(score - top[crystal])
    attended = _sum(features * _share(raw, crystal, len(query), _NO_BOND if fewest else 0.0), crystal, len(query))
    if not fewest:
        return attended
    return attended * (_sum(multiplicity, crystal, len(query)) / fewest).clamp(max=1.0)[:, None]
