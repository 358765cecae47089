"""Bond geometry: plain numbers about bonds and surroundings, continuous in the positions of the atoms and the volume.

Bonds are not counted up to a limit but weighted. The weight of a bond of length d in the surroundings of its atom is
that of Hoppe's effective coordination number (Z. Kristallogr. 150, 23 (1979)): exp(1 - (d / d_mean)^6), d_mean the
weighted mean length itself. Reduced lengths are in units of the sum of both atoms' covalent radii. All weights fall
smoothly to zero at the cutoff.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from kappatune.model.graphs import GraphBatch, envelope
from kappatune.model.hosts.base import ElementHost, HostSettings
from kappatune.model.hosts.registry import register

ATOM_PROPERTIES = ("covalent_radius", "van_der_waals_radius", "electronegativity", "mass")
"""Columns of the table: Å, Å, Pauling's scale, u."""

SITE_QUANTITIES = (
    "coordination",
    "length",
    "length_spread",
    "electronegativity_difference",
    "mass_ratio",
    "like_neighbours",
    "bond_order",
    "contact",
    "stiffness",
    "frequency",
    "within_1.15",
    "within_1.3",
    "within_1.5",
    "within_1.8",
    "within_2.2",
)
"""What is known of each atom."""

CRYSTAL_QUANTITIES = ("packing", "density", "mass_range", "mass_variance")
"""What is known of the crystal as a whole."""

_FALL_ANGSTROM = 2.0
"""Over this length before the cutoff weights fall to zero."""

_FAR_ANGSTROM = 7.0
"""Length of a bond that every atom has beside its own, so that an atom without neighbours has finite numbers; its
weight is nothing beside that of real neighbours."""

_FAR = 3.0
"""The same in reduced length."""

_NEAREST_POWER = 24
_ROUND_LENGTH_SPREAD = 0.03
_WINDOWS = (1.15, 1.3, 1.5, 1.8, 2.2)
_WINDOW_WIDTH = 0.06
_STIFFNESS_DECAY = 8.0
_BOND_ORDER_LENGTH = 0.37
_CONTACT_DECAY = 8.0
_TINY = 1e-4
_CENTRES = tuple(0.8 + 0.15 * k for k in range(13))
_CENTRE_WIDTH = 0.12
_ION_SHARPNESS = 3.0
_ROUND_SITE_SPREAD = 0.05
_EXTREME_TEMPERATURE = 0.15
_SITE_STATISTICS = 7


class BondSettings(HostSettings):
    """What the table holds, and how far bonds reach.

    Attributes:
        cutoff_angstrom: Å.
    """

    cutoff_angstrom: float = Field(default=5.0, gt=_FALL_ANGSTROM)


@register
class BondGeometry(ElementHost):
    """Statistics of bonds and surroundings, and a radial distribution in reduced lengths. Nothing is trained.

    Embedding: `pooled`, which is for each of `SITE_QUANTITIES` its mean, spread, softened least and largest value, and
    its means over the anions, the cations and the heavy atoms; then `CRYSTAL_QUANTITIES`; then the radial distributions
    of all neighbours, of those weighted by difference of electronegativity, and of those weighted by mass.

    Attributes:
        table: (n_elements, 4) of `ATOM_PROPERTIES`.
    """

    architecture = "bond-geometry"
    settings_type = BondSettings
    settings: BondSettings
    table: Tensor

    def __init__(self, settings: BondSettings) -> None:
        super().__init__(settings)
        self.cutoff_angstrom = settings.cutoff_angstrom
        self.register_buffer("table", torch.ones(len(settings.elements), len(ATOM_PROPERTIES)))
        size = _SITE_STATISTICS * len(SITE_QUANTITIES) + len(CRYSTAL_QUANTITIES) + 3 * len(_CENTRES)
        self.embedding_sizes = {"pooled": size}

    def embed(self, batch: GraphBatch, level: str = "pooled") -> Tensor:
        """Embed crystals as (n_crystals, embedding_sizes[level]) float32."""
        atoms = _Atoms(*self.table[self.element_row[batch.numbers]].unbind(dim=1))
        bonds = _bonds(batch, atoms, self.cutoff_angstrom)
        sites = _site_quantities(batch, atoms, bonds)
        return torch.cat(
            [
                _site_statistics(batch, atoms, sites),
                _crystal_quantities(batch, atoms),
                _radial_distributions(batch, atoms, bonds),
            ],
            dim=1,
        )


class _Atoms(NamedTuple):
    """Properties of the atom at each node, (n_nodes,) each."""

    radius: Tensor
    contact_radius: Tensor
    electronegativity: Tensor
    mass: Tensor


class _Bonds(NamedTuple):
    """What is known of each edge, (n_edges,) each: reduced length, number of bonds with envelope, and differences."""

    length: Tensor
    amount: Tensor
    electronegativity_difference: Tensor
    ln_mass_ratio: Tensor


def _bonds(batch: GraphBatch, atoms: _Atoms, cutoff: float) -> _Bonds:
    target, source = batch.target, batch.source
    return _Bonds(
        length=batch.distance / (atoms.radius[target] + atoms.radius[source]),
        amount=batch.weight * envelope(batch.distance, cutoff, _FALL_ANGSTROM),
        electronegativity_difference=(atoms.electronegativity[target] - atoms.electronegativity[source]).abs(),
        ln_mass_ratio=(atoms.mass[target] / atoms.mass[source]).log().abs(),
    )


def _site_quantities(batch: GraphBatch, atoms: _Atoms, bonds: _Bonds) -> Tensor:
    """(n_nodes, n_quantities) of `SITE_QUANTITIES`."""
    target, n = batch.target, len(batch.numbers)

    def over_bonds(values: Tensor) -> Tensor:
        """Sums over the bonds of each node of (n_edges, k) values."""
        return values.new_zeros(n, values.shape[1]).index_add(0, target, values)

    x, d, amount = bonds.length, batch.distance, bonds.amount
    near = amount * d.pow(-_NEAREST_POWER)
    top, bottom = over_bonds(torch.stack([near * d, near], dim=1)).unbind(dim=1)
    mean = (top + _FAR_ANGSTROM ** (1 - _NEAREST_POWER)) / (bottom + _FAR_ANGSTROM**-_NEAREST_POWER)
    for _ in range(2):
        hoppe = amount * torch.exp(1.0 - (d / mean[target]) ** 6)
        far = torch.exp(1.0 - (_FAR_ANGSTROM / mean) ** 6)
        top, bottom, reduced = over_bonds(torch.stack([hoppe * d, hoppe, hoppe * x], dim=1)).unbind(dim=1)
        mean = (top + far * _FAR_ANGSTROM) / (bottom + far)
    length = (reduced + far * _FAR) / (bottom + far)
    like = (batch.numbers[batch.source] == batch.numbers[target]).to(x.dtype)
    stiff = amount * torch.exp(-_STIFFNESS_DECAY * (x - 1.0))
    radii = atoms.radius[target] + atoms.radius[batch.source]
    contacts = batch.distance / (atoms.contact_radius[target] + atoms.contact_radius[batch.source])
    sums = over_bonds(
        torch.stack(
            [
                hoppe * (x - length[target]).square(),
                hoppe * bonds.electronegativity_difference,
                hoppe * bonds.ln_mass_ratio,
                hoppe * like,
                amount * torch.exp((radii - batch.distance) / _BOND_ORDER_LENGTH),
                amount * torch.exp(_CONTACT_DECAY * (1.0 - contacts)),
                stiff,
                *(amount * torch.sigmoid((limit - x) / _WINDOW_WIDTH) for limit in _WINDOWS),
            ],
            dim=1,
        )
    )
    coordination = bottom + far
    variance, difference, ratio, alike, order, contact, stiffness, *within = sums.unbind(dim=1)
    ln_stiffness = (stiffness + _TINY).log()
    quantities = [
        coordination.log(),
        length,
        _rounded_root(variance / coordination, _ROUND_LENGTH_SPREAD),
        difference / coordination,
        ratio / coordination,
        alike / coordination,
        (order + _TINY).log(),
        (contact + _TINY).log(),
        ln_stiffness,
        ln_stiffness - atoms.mass.log(),
        *(torch.log1p(count) for count in within),
    ]
    return torch.stack(quantities, dim=1)


def _site_statistics(batch: GraphBatch, atoms: _Atoms, sites: Tensor) -> Tensor:
    """(n_crystals, 7 n_quantities) of (n_nodes, n_quantities): see `BondGeometry`."""
    amount = batch.multiplicity[:, None]

    def mean(weights: Tensor, values: Tensor) -> Tensor:
        both = torch.cat([weights * values, weights.expand_as(values)], dim=1)
        total = both.new_zeros(batch.n_crystals, both.shape[1]).index_add(0, batch.crystal, both)
        top, bottom = total.chunk(2, dim=1)
        return top / bottom

    middle = mean(amount, sites)
    apart = sites - middle[batch.crystal]
    spread = _rounded_root(mean(amount, apart.square()), _ROUND_SITE_SPREAD)
    sharpness = apart / (_EXTREME_TEMPERATURE + spread[batch.crystal])
    least = mean(amount * torch.exp(-sharpness), sites)
    largest = mean(amount * torch.exp(sharpness), sites)
    negative = _ION_SHARPNESS * atoms.electronegativity[:, None]
    anions = mean(amount * torch.exp(negative), sites)
    cations = mean(amount * torch.exp(-negative), sites)
    heavy = mean(amount * atoms.mass[:, None], sites)
    return torch.cat([middle, spread, least, largest, anions, cations, heavy], dim=1)


def _crystal_quantities(batch: GraphBatch, atoms: _Atoms) -> Tensor:
    """(n_crystals, 4) of `CRYSTAL_QUANTITIES`."""
    amount = batch.multiplicity
    volumes = 4.0 / 3.0 * torch.pi * atoms.radius**3
    zeros = amount.new_zeros(batch.n_crystals)
    values = torch.stack([amount, amount * volumes, amount * atoms.mass, amount * atoms.mass.square()], dim=1)
    total = values.new_zeros(batch.n_crystals, 4).index_add(0, batch.crystal, values)
    n_atoms, volume, mass, square = total.unbind(dim=1)
    lightest = zeros.scatter_reduce(0, batch.crystal, atoms.mass, "amin", include_self=False)
    heaviest = zeros.scatter_reduce(0, batch.crystal, atoms.mass, "amax", include_self=False)
    return torch.stack(
        [
            (volume / n_atoms / batch.volume_per_atom).log(),
            (mass / n_atoms / batch.volume_per_atom).log(),
            (heaviest / lightest).log(),
            square * n_atoms / mass.square() - 1.0,
        ],
        dim=1,
    )


def _radial_distributions(batch: GraphBatch, atoms: _Atoms, bonds: _Bonds) -> Tensor:
    """(n_crystals, 3 n_centres): ln(1 + neighbours per atom) around each reduced length, by three weights."""
    crystal = batch.crystal[batch.target]
    mass = (atoms.mass[batch.target] * atoms.mass[batch.source]).sqrt()
    totals = torch.stack([batch.multiplicity, batch.multiplicity * atoms.mass], dim=1)
    n_atoms, total_mass = totals.new_zeros(batch.n_crystals, 2).index_add(0, batch.crystal, totals).unbind(dim=1)
    amount = bonds.amount * batch.multiplicity[batch.target]
    weights = torch.stack(
        [amount, amount * bonds.electronegativity_difference, amount * mass * (n_atoms / total_mass)[crystal]], dim=1
    )
    centres = bonds.length.new_tensor(_CENTRES)
    shells = torch.exp(-(((bonds.length[:, None] - centres) / _CENTRE_WIDTH) ** 2))
    both = (weights[:, :, None] * shells[:, None, :]).flatten(start_dim=1)
    total = both.new_zeros(batch.n_crystals, both.shape[1]).index_add(0, crystal, both)
    return torch.log1p(total / n_atoms[:, None])


def _rounded_root(variance: Tensor, width: float) -> Tensor:
    """Root of a variance, with a parabola in place of the kink at zero: small disorder counts by its square."""
    return (variance + width * width).sqrt() - width
