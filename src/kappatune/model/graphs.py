"""Crystals to graphs: periodic neighbours, folded by symmetry, stored once and batched as tensors.

A message-passing network cannot tell two atoms apart that have the same element and, at every
depth, the same neighbours at the same distances. Such atoms are *folded* into one node that
remembers how many it stands for (`multiplicity`), and their equal bonds into one edge (`weight`).
Sums become weighted sums, so that nothing changes in the result, with far fewer edges in a
symmetric crystal. The classes are found by colour refinement
(Weisfeiler and Leman, 1968) on the distances, for many crystals at once.

A crystal none of whose atoms has a neighbour within the cutoff keeps its nodes and has no edges:
hosts give it a finite embedding, and a model gives a reason instead of a number (`CrystalGraphs.n_bonds` is 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kappatune.model.rules import GraphRules
from kappatune.structures.crystal import Crystal, n_translations
from kappatune.structures.dimensionality import dimensions
from kappatune.structures.neighbours import Pairs, periodic_pairs
from kappatune.structures.translations import effective_n_translations

FALL_ANGSTROM = 1.0
"""Over this length before a host's cutoff bonds fall to zero, where the rules say so."""

_CHUNK = 512


@dataclass(frozen=True)
class GraphBatch:
    """Graphs of several crystals as one disjoint graph.

    Attributes:
        numbers: (n_nodes,) int64, atomic numbers.
        crystal: (n_nodes,) int64, crystal each node belongs to.
        multiplicity: (n_nodes,) float32, atoms of the cell a node stands for.
        source: (n_edges,) int64, node of the neighbour.
        target: (n_edges,) int64, node of the centre, ascending.
        distance: (n_edges,) float32, Å.
        weight: (n_edges,) float32, bonds of one centre atom an edge stands for.
        volume_per_atom: (n_crystals,) float32, Å^3.
        n_primitive: (n_crystals,) float32, atoms in the primitive cell.
        bonds_fall: Whether the weights of bonds are to fall to zero before a cutoff (`bond_weights`).
    """

    numbers: Tensor
    crystal: Tensor
    multiplicity: Tensor
    source: Tensor
    target: Tensor
    distance: Tensor
    weight: Tensor
    volume_per_atom: Tensor
    n_primitive: Tensor
    bonds_fall: bool = False

    @property
    def n_crystals(self) -> int:
        """Number of crystals."""
        return len(self.volume_per_atom)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> GraphBatch:
        """The same batch on another device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "bonds_fall"}
        moved = {name: tensor.to(device, non_blocking=non_blocking) for name, tensor in tensors.items()}
        return GraphBatch(**moved, bonds_fall=self.bonds_fall)

    def strained(self, ln_volume: Tensor) -> GraphBatch:
        """The crystals after an isotropic strain, all bonds in proportion.

        Bonds that come within a cutoff by compression are missing, so the rules should let bonds fall smoothly.

        Args:
            ln_volume: (n_crystals,) ln of the volume over that before.
        """
        length = (ln_volume / 3.0).exp()[self.crystal[self.target]]
        volume = self.volume_per_atom * ln_volume.exp()
        return replace(self, distance=self.distance * length, volume_per_atom=volume)

    def bond_weights(self, cutoff: float) -> Tensor:
        """(n_edges,) weights of the edges for a host with this cutoff, Å."""
        return self.weight * envelope(self.distance, cutoff) if self.bonds_fall else self.weight


def envelope(distance: Tensor, cutoff: float, fall: float = FALL_ANGSTROM) -> Tensor:
    """Weights of bonds: 1 up to `fall` Å before the cutoff, then falling to 0 there.

    The polynomial of fifth order whose first and second derivatives vanish at both ends.
    """
    x = ((distance - (cutoff - fall)) / fall).clamp(0.0, 1.0)
    return (1.0 - x) ** 3 * (1.0 + 3.0 * x + 6.0 * x**2)


@dataclass(frozen=True)
class CrystalGraphs:
    """The folded graphs of many crystals, one after the other.

    Attributes:
        cutoff: Å, within which neighbours were taken.
        rules: Rules they were built by.
        node_offsets: (n_crystals + 1,) where each crystal's nodes begin.
        edge_offsets: (n_crystals + 1,) where each crystal's edges begin.
        numbers: (n_nodes,) uint8.
        multiplicity: (n_nodes,) float32.
        source: (n_edges,) int32, counted within the crystal.
        target: (n_edges,) int32, counted within the crystal.
        distance: (n_edges,) float32, Å.
        weight: (n_edges,) float32.
        volume_per_atom: (n_crystals,) float32, Å^3.
        n_primitive: (n_crystals,) float32, atoms in the primitive cell.
        n_bonds: (n_crystals,) int64, directed bonds before folding.
        n_isolated: (n_crystals,) int64, atoms without a neighbour within the cutoff.
        dimension: (n_crystals,) int64, directions along which the bonds run (`structures.dimensionality`).
    """

    cutoff: float
    rules: GraphRules
    node_offsets: NDArray[np.int64]
    edge_offsets: NDArray[np.int64]
    numbers: NDArray[np.uint8]
    multiplicity: NDArray[np.float32]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    distance: NDArray[np.float32]
    weight: NDArray[np.float32]
    volume_per_atom: NDArray[np.float32]
    n_primitive: NDArray[np.float32]
    n_bonds: NDArray[np.int64]
    n_isolated: NDArray[np.int64]
    dimension: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.node_offsets) - 1

    def batch(self, indices: Sequence[int] | NDArray[np.int64] | slice = slice(None)) -> GraphBatch:
        """The crystals at `indices` as one batch of tensors, in that order."""
        chosen = np.arange(len(self))[indices] if isinstance(indices, slice) else np.asarray(indices, dtype=np.int64)
        nodes, n_nodes = _ranges(self.node_offsets, chosen)
        edges, n_edges = _ranges(self.edge_offsets, chosen)
        shift = np.repeat(np.cumsum(n_nodes) - n_nodes, n_edges)
        return GraphBatch(
            numbers=torch.from_numpy(self.numbers[nodes].astype(np.int64)),
            crystal=torch.from_numpy(np.repeat(np.arange(len(chosen)), n_nodes)),
            multiplicity=torch.from_numpy(self.multiplicity[nodes]),
            source=torch.from_numpy(self.source[edges] + shift),
            target=torch.from_numpy(self.target[edges] + shift),
            distance=torch.from_numpy(self.distance[edges]),
            weight=torch.from_numpy(self.weight[edges]),
            volume_per_atom=torch.from_numpy(self.volume_per_atom[chosen]),
            n_primitive=torch.from_numpy(self.n_primitive[chosen]),
            bonds_fall=self.rules.bond_envelope == "smooth",
        )


_NEWEST_RULES = GraphRules()


def build_graphs(
    crystals: Sequence[Crystal], cutoff: float, rules: GraphRules = _NEWEST_RULES, *, fold: bool = True
) -> CrystalGraphs:
    """Build the graphs of many crystals.

    Args:
        crystals: Checked crystals (see `kappatune.structures.check`).
        cutoff: Å.
        rules: Those of the model the graphs are for.
        fold: Fold equivalent atoms; without it every atom is a node (tests compare the two).

    Returns:
        One container for all of them, in the order given.
    """
    chunks = [_build_chunk(crystals[i : i + _CHUNK], cutoff, rules, fold) for i in range(0, len(crystals), _CHUNK)]
    if len(chunks) == 1:
        return chunks[0]
    if not chunks:
        return _build_chunk([], cutoff, rules, fold)
    joined = {
        f.name: np.concatenate([getattr(c, f.name) for c in chunks])
        for f in fields(CrystalGraphs)
        if f.name not in ("cutoff", "rules", "node_offsets", "edge_offsets")
    }
    offsets = {
        name: np.concatenate([[0], np.cumsum(np.concatenate([np.diff(getattr(c, name)) for c in chunks]))])
        for name in ("node_offsets", "edge_offsets")
    }
    return CrystalGraphs(cutoff=cutoff, rules=rules, **offsets, **joined)


def _build_chunk(crystals: Sequence[Crystal], cutoff: float, rules: GraphRules, fold: bool) -> CrystalGraphs:
    n_atoms = np.array([c.n_atoms for c in crystals], dtype=np.int64)
    starts = np.cumsum(n_atoms) - n_atoms
    pairs = [periodic_pairs(c.lattice, c.frac_coords, cutoff) for c in crystals]
    n_bonds = np.array([len(p.centre) for p in pairs], dtype=np.int64)
    shift = np.repeat(starts, n_bonds)
    target = _concatenate([p.centre for p in pairs], np.int64) + shift
    source = _concatenate([p.neighbour for p in pairs], np.int64) + shift
    distance = _concatenate([p.distance for p in pairs], np.float64)
    numbers = _concatenate([c.numbers for c in crystals], np.int64)
    crystal = np.repeat(np.arange(len(crystals)), n_atoms)
    image = np.concatenate([np.empty((0, 3)), *(p.image for p in pairs)])
    dimension = dimensions(crystals, Pairs(target, source, distance, image), crystal, cutoff)

    bonded = np.zeros(len(numbers), dtype=bool)
    bonded[target] = True
    n_isolated = np.bincount(crystal[~bonded], minlength=len(crystals))

    length_bin = np.round(distance / rules.bond_length_tolerance_angstrom).astype(np.uint64)
    if fold:
        node, first = _equivalent_atoms(numbers, crystal, source, target, length_bin)
    else:
        node, first = np.arange(len(numbers)), np.arange(len(numbers))
        length_bin = np.arange(len(distance), dtype=np.uint64)
    multiplicity = np.bincount(node, minlength=len(first)).astype(np.float64)

    bond = np.stack([node[target].astype(np.uint64), node[source].astype(np.uint64), length_bin])
    order = np.lexsort(bond[::-1])
    bond = bond[:, order]
    opens = np.flatnonzero(np.r_[True, (bond[:, 1:] != bond[:, :-1]).any(axis=0)][: len(order)])
    count = np.diff(np.r_[opens, len(order)])
    edge_target = bond[0, opens].astype(np.int64)
    edge_source = bond[1, opens].astype(np.int64)
    length = np.add.reduceat(distance[order], opens) / count if len(opens) else distance

    node_crystal = crystal[first]
    node_offsets = np.searchsorted(node_crystal, np.arange(len(crystals) + 1))
    edge_offsets = np.searchsorted(node_crystal[edge_target], np.arange(len(crystals) + 1))
    own_start = node_offsets[node_crystal[edge_target]] if len(edge_target) else edge_target
    return CrystalGraphs(
        cutoff=cutoff,
        rules=rules,
        node_offsets=node_offsets,
        edge_offsets=edge_offsets,
        numbers=numbers[first].astype(np.uint8),
        multiplicity=multiplicity.astype(np.float32),
        source=(edge_source - own_start).astype(np.int32),
        target=(edge_target - own_start).astype(np.int32),
        distance=length.astype(np.float32),
        weight=(count / multiplicity[edge_target]).astype(np.float32),
        volume_per_atom=np.array([c.volume / c.n_atoms for c in crystals], dtype=np.float32),
        n_primitive=np.array([_n_primitive(c, rules) for c in crystals], dtype=np.float32),
        n_bonds=n_bonds,
        n_isolated=n_isolated,
        dimension=dimension,
    )


def _n_primitive(crystal: Crystal, rules: GraphRules) -> float:
    """Atoms in the primitive cell."""
    if rules.primitive_cell == "smooth":
        return crystal.n_atoms / effective_n_translations(crystal)
    return crystal.n_atoms / n_translations(crystal, rules.primitive_cell_tolerance_angstrom)


def _equivalent_atoms(
    numbers: NDArray[np.int64],
    crystal: NDArray[np.int64],
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    length_bin: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Colour refinement on hashed colours until no class splits any more.

    Returns:
        node (n_atoms,), the class of each atom, numbered in the order of the first atom of each;
        first (n_nodes,), that first atom.
    """
    length_hash = _scramble(length_bin)
    colour = _scramble(numbers.astype(np.uint64) + np.uint64(256) * crystal.astype(np.uint64))
    n_classes = 0
    while True:
        _, first, node = np.unique(colour, return_index=True, return_inverse=True)
        if len(first) == n_classes:
            break
        n_classes = len(first)
        surroundings = np.zeros(len(numbers), dtype=np.uint64)
        np.add.at(surroundings, target, _scramble(length_hash + colour[source] * np.uint64(3)))
        colour = _scramble(colour * np.uint64(7) + surroundings)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[node], np.sort(first)


def _scramble(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A 64-bit mixing function (the finaliser of MurmurHash3, public domain)."""
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(33))
    mixed = mixed * np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    mixed = mixed * np.uint64(0xC4CEB9FE1A85EC53)
    mixed ^= mixed >> np.uint64(33)
    return mixed


def _ranges(offsets: NDArray[np.int64], chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions covered by the chosen segments, and the length of each segment."""
    lengths = offsets[chosen + 1] - offsets[chosen]
    ends = np.cumsum(lengths)
    positions = np.arange(ends[-1] if len(ends) else 0)
    return positions + np.repeat(offsets[chosen] - (ends - lengths), lengths), lengths


def _concatenate(arrays: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *arrays]).astype(dtype, copy=False)
