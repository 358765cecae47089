"""Nequix in plain PyTorch: Koker, Kotak and Smidt, arXiv:2508.16067 (2025).

An equivariant message-passing network. The features of an atom are, for each degree l = 0, 1, 2, ..., several vectors
of 2 l + 1 components with the natural parity (-1)^l; a tensor of them has the shape (n_atoms, 2 l + 1, multiplicity).
Each convolution couples the features of an atom's neighbours with the spherical harmonics of the bonds.

The neighbours of an atom are padded to one number for all atoms, so that the sum over them is a product of matrices:
messages are summed before they are coupled to their final degree, which makes them small enough to stay in the cache.
"""

from __future__ import annotations

import math
import re
from itertools import product
from typing import NamedTuple, cast

import torch
from e3nn import o3
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import one_hot, silu

SILU_NORM = 0.5964586854233045
"""Root mean square of SiLU over a normal distribution, by which Nequix divides: the mean over the 1,000,001 equally
likely points that its package takes, 1e-5 below the integral."""

_NORM_EPSILON = 1e-12


class NequixSettings(BaseModel):
    """The head of a weights file: what defines the network. Fields of the training are ignored.

    Attributes:
        atomic_numbers: Elements, in the order of the weights.
        cutoff: Å.
        lmax: Largest degree of the spherical harmonics.
        hidden_irreps: Multiplicity of each degree, for example `128x0e + 64x1o`.
        n_layers: Convolutions.
        radial_basis_size: Bessel functions of a distance.
        radial_mlp_size: Width of the layers that turn them into weights.
        radial_mlp_layers: How many such layers there are before the last.
        radial_polynomial_p: Power of the envelope that ends at the cutoff.
        avg_n_neighbors: Neighbours of an atom in the training data; sums over neighbours are divided by its root.
        scale: Factor of the energies, eV.
        shift: Added to the energy of each atom, eV.
        index_weights: Whether there are weights per element; such files are not supported.
        layer_norm: Whether features are normalised; files without are not supported.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    atomic_numbers: tuple[int, ...] = Field(min_length=1)
    cutoff: float = Field(gt=0)
    lmax: int = Field(ge=0, le=6)
    hidden_irreps: str
    n_layers: int = Field(ge=1)
    radial_basis_size: int = Field(ge=1)
    radial_mlp_size: int = Field(ge=1)
    radial_mlp_layers: int = Field(ge=1)
    radial_polynomial_p: float = Field(gt=0)
    avg_n_neighbors: float = Field(gt=0)
    scale: float
    shift: float
    index_weights: bool
    layer_norm: bool

    @field_validator("hidden_irreps")
    @classmethod
    def _has_natural_parity(cls, irreps: str) -> str:
        if 0 not in multiplicities(irreps):
            raise ValueError("there are no scalars (0e) to compute an energy from")
        return irreps

    @field_validator("index_weights")
    @classmethod
    def _has_no_weights_per_element(cls, value: bool) -> bool:
        if value:
            raise ValueError("weights per element are not supported")
        return value

    @field_validator("layer_norm")
    @classmethod
    def _is_normalised(cls, value: bool) -> bool:
        if not value:
            raise ValueError("a network without normalised layers is not supported")
        return value


class Neighbours(NamedTuple):
    """The atoms of one or several crystals with their neighbours, each atom with the same number m of places for them.

    Attributes:
        species: (n,) index of each atom's element.
        neighbour: (n, m) index of the neighbour; any in a place that is empty.
        vector: (n, m, 3) from the atom to the neighbour, Å; longer than the cutoff in a place that is empty.
    """

    species: Tensor
    neighbour: Tensor
    vector: Tensor


class Coupling(NamedTuple):
    """Features of degree `l_in` and harmonics of degree `l_bond` give messages of degree `l_out`."""

    l_in: int
    l_bond: int
    l_out: int

    @property
    def matrix(self) -> Tensor:
        """(2 l_out + 1, (2 l_bond + 1) (2 l_in + 1)) coefficients."""
        coefficients = o3.wigner_3j(*self).permute(2, 1, 0) * math.sqrt(2 * self.l_out + 1)
        result: Tensor = coefficients.reshape(2 * self.l_out + 1, -1)
        return result


class Convolution(nn.Module):
    """Messages from the neighbours, a linear layer, normalisation, and a gate. The weights are zero until loaded."""

    def __init__(self, settings: NequixSettings, mul_in: dict[int, int], mul_out: dict[int, int]) -> None:
        super().__init__()
        self.mul_out = mul_out
        self.n_gates = sum(mul for degree, mul in mul_out.items() if degree > 0)
        self.inverse_root = settings.avg_n_neighbors**-0.5
        self.couplings = [
            Coupling(l_in, l_bond, l_out)
            for l_out in mul_out
            for l_in, l_bond in product(mul_in, range(settings.lmax + 1))
            if abs(l_in - l_bond) <= l_out <= l_in + l_bond and (l_in + l_bond + l_out) % 2 == 0
        ]
        for k, coupling in enumerate(self.couplings):
            self.register_buffer(f"matrix_{k}", coupling.matrix, persistent=False)
        self.mul_of_coupling = [mul_in[coupling.l_in] for coupling in self.couplings]
        collected = {
            degree: sum(mul_in[coupling.l_in] for coupling in self.couplings if coupling.l_out == degree)
            for degree in mul_out
        }
        width = {degree: mul + (self.n_gates if degree == 0 else 0) for degree, mul in mul_out.items()}
        sizes = [settings.radial_basis_size, *[settings.radial_mlp_size] * settings.radial_mlp_layers]
        sizes.append(sum(self.mul_of_coupling))
        self.radial = nn.ParameterList([_weights(sizes[k], sizes[k + 1]) for k in range(len(sizes) - 1)])
        self.before = _by_degree({degree: (mul, mul) for degree, mul in mul_in.items()})
        self.after = _by_degree({degree: (collected[degree], width[degree]) for degree in mul_out})
        self.skip = _by_degree({degree: (mul_in[degree], width[degree]) for degree in mul_out if degree in mul_in})
        self.norm = _by_degree({degree: (width[degree],) for degree in mul_out})

    def forward(
        self, features: dict[int, Tensor], harmonics: list[Tensor], radial: Tensor, atoms: Neighbours
    ) -> dict[int, Tensor]:
        """Features after the convolution.

        Args:
            features: (n, 2 l + 1, multiplicity) by degree.
            harmonics: (n, 2 l + 1, m) by degree.
            radial: (n m, radial_basis_size).
            atoms: Who neighbours whom.
        """
        collected = self._collect(features, harmonics, radial, atoms)
        mixed = {}
        for degree, messages in collected.items():
            mixed[degree] = _linear(messages, self.after[str(degree)]) * self.inverse_root
            if str(degree) in self.skip:
                mixed[degree] = mixed[degree] + _linear(features[degree], self.skip[str(degree)])
        return self._gate(self._normalise(mixed))

    def parameters_in_file_order(self) -> list[nn.Parameter]:
        """All parameters in the order in which a weights file holds them."""
        found = list(self.radial)
        for group in (self.before, self.after, self.skip, self.norm):
            found += group.values()
        return found

    def _collect(
        self, features: dict[int, Tensor], harmonics: list[Tensor], radial: Tensor, atoms: Neighbours
    ) -> dict[int, Tensor]:
        """Messages summed over the neighbours of each atom, by degree."""
        n, m = atoms.neighbour.shape
        for layer in self.radial[:-1]:
            radial = silu(radial @ layer)
        weights = (radial @ self.radial[-1]).split(self.mul_of_coupling, dim=1)
        sender = atoms.neighbour.reshape(-1)
        sent = {degree: _linear(x, self.before[str(degree)]).index_select(0, sender) for degree, x in features.items()}
        collected: dict[int, list[Tensor]] = {degree: [] for degree in self.mul_out}
        for k, (l_in, l_bond, l_out) in enumerate(self.couplings):
            weighted = (sent[l_in] * weights[k][:, None, :]).view(n, m, -1)
            products = torch.bmm(harmonics[l_bond], weighted).view(n, -1, self.mul_of_coupling[k])
            collected[l_out].append(getattr(self, f"matrix_{k}") @ products)
        return {degree: torch.cat(parts, dim=2) for degree, parts in collected.items()}

    def _normalise(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        squares = [x.square().sum(dim=(1, 2)) / (2 * degree + 1) ** 2 for degree, x in features.items()]
        factor = (torch.stack(squares).mean(dim=0) + _NORM_EPSILON).rsqrt()[:, None, None]
        return {degree: x * self.norm[str(degree)] * factor for degree, x in features.items()}

    def _gate(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        """Scalars through SiLU; the last of them are the gates of the vectors."""
        scalars, gates = (silu(features[0]) / SILU_NORM).split([self.mul_out[0], self.n_gates], dim=2)
        higher = {degree: mul for degree, mul in self.mul_out.items() if degree > 0}
        by_degree = gates.split(list(higher.values()), dim=2) if higher else ()
        return {0: scalars} | {degree: features[degree] * gate for degree, gate in zip(higher, by_degree, strict=True)}


class NequixNetwork(nn.Module):
    """Energies of atoms from their neighbours. The weights are zero until loaded.

    Args:
        settings: The head of the weights file.
    """

    def __init__(self, settings: NequixSettings) -> None:
        super().__init__()
        self.settings = settings
        n_species = len(settings.atomic_numbers)
        hidden = multiplicities(settings.hidden_irreps)
        inner = [hidden] * (settings.n_layers - 1)
        ins, outs = [{0: n_species}, *inner], [*inner, {0: hidden[0]}]
        self.atom_energies = _weights(n_species)
        self.layers = nn.ModuleList([Convolution(settings, a, b) for a, b in zip(ins, outs, strict=True)])
        self.readout = _weights(hidden[0], 1)

    def forward(self, atoms: Neighbours) -> Tensor:
        """(n,) energy of each atom, eV."""
        vectors = atoms.vector.reshape(-1, 3)
        radial = self._radial_basis(vectors.norm(dim=1, keepdim=True))
        degrees = list(range(self.settings.lmax + 1))
        harmonics = o3.spherical_harmonics(degrees, vectors, normalize=True, normalization="component")
        of_atom = harmonics.view(*atoms.neighbour.shape, -1).transpose(1, 2)
        by_degree = list(of_atom.split([2 * degree + 1 for degree in degrees], dim=1))
        features = {0: one_hot(atoms.species, len(self.settings.atomic_numbers)).to(vectors.dtype)[:, None, :]}
        for layer in self.layers:
            features = layer(features, by_degree, radial, atoms)
        energies = _linear(features[0], self.readout)[:, 0, 0]
        return energies * self.settings.scale + self.settings.shift + self.atom_energies[atoms.species]

    def _radial_basis(self, distance: Tensor) -> Tensor:
        """(n_bonds, radial_basis_size) Bessel functions that end smoothly at the cutoff."""
        cutoff, p = self.settings.cutoff, self.settings.radial_polynomial_p
        x = distance / cutoff
        order = torch.arange(1, self.settings.radial_basis_size + 1, dtype=x.dtype, device=x.device)
        bessel = 2 / cutoff * torch.sin(math.pi * order * x) / distance
        envelope = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
        return bessel * envelope * (x < 1)

    def parameters_in_file_order(self) -> list[nn.Parameter]:
        """All parameters in the order in which a weights file holds them."""
        found = [self.atom_energies]
        for layer in self.layers:
            found += cast(Convolution, layer).parameters_in_file_order()
        return [*found, self.readout]


def multiplicities(irreps: str) -> dict[int, int]:
    """Multiplicity of each degree, from `128x0e + 64x1o + 32x2e`.

    Raises:
        ValueError: It is not of that form, not in the order of the degrees, or of another than the natural parity.
    """
    found: dict[int, int] = {}
    for part in irreps.split("+"):
        match = re.fullmatch(r"\s*([1-9]\d{0,4})x(\d)([eo])\s*", part)
        if match is None or (match[3] == "o") != (int(match[2]) % 2 == 1) or int(match[2]) <= max(found, default=-1):
            raise ValueError(f"'{irreps}' is not a list of irreps of natural parity, in order, as '128x0e + 64x1o'")
        found[int(match[2])] = int(match[1])
    return found


def _weights(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape), requires_grad=False)


def _by_degree(shapes: dict[int, tuple[int, ...]]) -> nn.ParameterDict:
    return nn.ParameterDict({str(degree): _weights(*shape) for degree, shape in shapes.items()})


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    return x @ (weight / math.sqrt(len(weight)))
