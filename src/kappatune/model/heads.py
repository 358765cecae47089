"""Heads: from a host's embedding to kappa, one head per rung.

There are two compositions:

- `direct`: each rung's head gives scaled kappa itself (the paper's way).
- `debye`: the `agl` head gives the Debye temperature, the Grüneisen parameter and the moduli, and
  kappa follows by the Slack formula (`kappatune.physics.slack`), as AFLOW's AGL values do; the head of
  any other rung gives the correction to that kappa. A correction never changes the `agl` rung.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import numpy as np
import torch
from ase.data import atomic_masses
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from kappatune.model.graphs import GraphBatch
from kappatune.model.hosts import Host
from kappatune.physics.slack import GRUNEISEN_RANGE, ln_slack_kappa

Target = Literal["ln", "log10_1p"]
Composition = Literal["direct", "debye"]
Property = Literal["debye_temperature_k", "gruneisen", "bulk_modulus_gpa", "shear_modulus_gpa"]

PROPERTIES: tuple[Property, ...] = ("debye_temperature_k", "gruneisen", "bulk_modulus_gpa", "shear_modulus_gpa")
"""What the `agl` head of a `debye` network gives, in this order."""

BASE_FIDELITY = "agl"
"""The rung whose kappa is the Slack formula itself."""

_N_DESCRIPTORS = 3
_MAX_INPUT_SIGMAS = 5.0
_MASSES = torch.tensor(atomic_masses, dtype=torch.float32)
_SMALLEST_KAPPA = 1e-4
_LARGEST_KAPPA = 1e5


class Standardisation(BaseModel):
    """Mean and standard deviation of one quantity over the training data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float = Field(allow_inf_nan=False)
    std: float = Field(gt=0, allow_inf_nan=False)


class TargetScaler(BaseModel):
    """The one scale of all rungs: y = (t(kappa) - mean) / std.

    Every stage and every prediction uses the same scaler, which is stored with the model: decoding with the scaler of
    another stage would shift kappa by a constant factor, and nothing else would show it.

    Attributes:
        transform: t; `ln` is ln(kappa), `log10_1p` is log10(kappa + 1) as in the paper.
        mean: Mean of t over the training data of the first stage.
        std: Standard deviation of t over the same.
        properties: Mean and standard deviation of each transformed property (see `transform_properties`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    transform: Target
    mean: float = Field(allow_inf_nan=False)
    std: float = Field(gt=0, allow_inf_nan=False)
    properties: dict[Property, Standardisation] = {}

    @classmethod
    def fit(
        cls, kappa: NDArray[np.float64], transform: Target, properties: NDArray[np.float64] | None = None
    ) -> TargetScaler:
        """Fit to training data.

        Args:
            kappa: (n,) W/(m K), all > 0.
            transform: t.
            properties: (n, 4) transformed `PROPERTIES`, NaN where unknown.
        """
        y = np.log(kappa) if transform == "ln" else np.log10(kappa + 1.0)
        standardisations = {}
        for name, values in zip(PROPERTIES, [] if properties is None else properties.T, strict=False):
            known = values[np.isfinite(values)]
            standardisations[name] = (
                Standardisation(mean=float(known.mean()), std=float(known.std()) or 1.0)
                if len(known)
                else Standardisation(mean=0.0, std=1.0)
            )
        return cls(transform=transform, mean=float(y.mean()), std=float(y.std()) or 1.0, properties=standardisations)

    def encode(self, kappa: Tensor) -> Tensor:
        """Kappa in W/(m K) to the scale the network is trained on."""
        return ((kappa.log() if self.transform == "ln" else (kappa + 1.0).log10()) - self.mean) / self.std

    def decode(self, scaled: Tensor) -> Tensor:
        """The inverse of `encode`: W/(m K), at most 10^5, fifty times diamond; with `log10_1p` it may be negative."""
        y = scaled * self.std + self.mean
        if self.transform == "ln":
            return y.clamp(max=math.log(_LARGEST_KAPPA)).exp()
        return 10.0 ** y.clamp(max=math.log10(_LARGEST_KAPPA)) - 1.0

    def ln_kappa(self, scaled: Tensor) -> Tensor:
        """Ln of the decoded kappa, with kappa at least 10^-4 W/(m K)."""
        return self.decode(scaled).clamp(min=_SMALLEST_KAPPA).log()

    def encode_properties(self, transformed: Tensor) -> Tensor:
        """Transformed properties (n, 4) to zero mean and unit spread."""
        mean, std = self._standardisations(transformed)
        return (transformed - mean) / std

    def decode_properties(self, scaled: Tensor) -> Tensor:
        """The inverse of `encode_properties`."""
        mean, std = self._standardisations(scaled)
        return scaled * std + mean

    def _standardisations(self, like: Tensor) -> tuple[Tensor, Tensor]:
        standardisations = [self.properties[name] for name in PROPERTIES]
        return like.new_tensor([s.mean for s in standardisations]), like.new_tensor([s.std for s in standardisations])


class Head(nn.Module):
    """A multilayer perceptron with ReLU on the standardised input.

    Attributes:
        centre: (d,) mean of the input over the training crystals the head first saw.
        spread: (d,) its standard deviation there; never zero.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, size_in: int, widths: Sequence[int], size_out: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(size_in))
        self.register_buffer("spread", torch.ones(size_in))
        sizes = [size_in, *widths, size_out]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(sizes)])

    def standardise(self, inputs: Tensor) -> None:
        """Take centre and spread from the (n, d) inputs of training crystals."""
        self.centre.copy_(inputs.mean(dim=0))
        self.spread.copy_(inputs.std(dim=0).clamp(min=1e-3))

    def standardised(self, inputs: Tensor) -> Tensor:
        """(n, d) inputs in standard deviations from the centre."""
        return (inputs - self.centre) / self.spread

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, d) to (n, size_out)."""
        return self.of_standardised(self.standardised(inputs))

    def of_standardised(self, x: Tensor) -> Tensor:
        """(n, d) standardised inputs to (n, size_out)."""
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        last: Tensor = self.layers[-1](x)
        return last


class Correction(Head):
    """The head of a correction, which starts at zero: what is to be added, and the ln of its standard deviation.

    An input farther than five standard deviations from the centre counts as five, so that the correction stays bounded
    far from the training crystals.
    """

    def __init__(self, size_in: int, widths: Sequence[int]) -> None:
        super().__init__(size_in, widths, 2)
        last = cast(nn.Linear, self.layers[-1])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    @property
    def is_new(self) -> bool:
        """Whether it still is zero everywhere, so that its standard deviation means nothing."""
        return not cast(nn.Linear, self.layers[-1]).weight.any()

    def standardised(self, inputs: Tensor) -> Tensor:
        """(n, d) inputs in standard deviations from the centre, at most five."""
        return super().standardised(inputs).clamp(-_MAX_INPUT_SIGMAS, _MAX_INPUT_SIGMAS)


class NetworkOutputs(NamedTuple):
    """What a network predicts for n crystals.

    Attributes:
        scaled: (n,) kappa on the scale of `TargetScaler`.
        properties: (n, 4) transformed `PROPERTIES`; None if the composition has none.
        spread: (n,) standard deviation of `scaled` that the correction itself estimates, on the same scale; None
            without a correction.
    """

    scaled: Tensor
    properties: Tensor | None = None
    spread: Tensor | None = None


class KappaNetwork(nn.Module):
    """A host and its heads: one member of an ensemble.

    Attributes:
        host: Gives the embedding.
        heads: One `Head` per fidelity, by name.
        level: Which of the host's embeddings the heads take.
        widths: Hidden layers of the heads.
        composition: How kappa comes from the heads.
        scaler: The scale of the targets.
    """

    def __init__(
        self,
        host: Host,
        *,
        level: str,
        widths: Sequence[int],
        composition: Composition,
        scaler: TargetScaler,
        fidelities: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if level not in host.embedding_sizes:
            raise ValueError(f"the host offers the embeddings {', '.join(host.embedding_sizes)}, not '{level}'")
        self.host = host
        self.level = level
        self.widths = tuple(widths)
        self.composition = composition
        self.scaler = scaler
        self.heads = nn.ModuleDict({fidelity: self.new_head(fidelity) for fidelity in fidelities})

    @property
    def embedding_size(self) -> int:
        """Length of the host's embedding, without the descriptors."""
        return self.host.embedding_sizes[self.level]

    def new_head(self, fidelity: str) -> Head:
        """A head with random weights for one rung."""
        size = self.embedding_size
        if self.composition == "direct":
            return Head(size, self.widths, 1)
        if fidelity == BASE_FIDELITY:
            return Head(size + _N_DESCRIPTORS, self.widths, len(PROPERTIES))
        n_fixed = len(self.host.fixed_columns(self.level))
        return Correction(n_fixed + _N_DESCRIPTORS + len(PROPERTIES) + 1, self.widths)

    def features(self, batch: GraphBatch) -> Tensor:
        """(n, d) input of the heads: the embedding, in `debye` followed by `descriptors`."""
        embedding = self.host.embed(batch, self.level)
        return embedding if self.composition == "direct" else torch.cat([embedding, descriptors(batch)], dim=1)

    def head_inputs(self, features: Tensor, fidelity: str) -> Tensor:
        """The input of one rung's head, from the features.

        The `agl` head takes all of them. A correction takes the columns that no training changes
        (`Host.fixed_columns`), the descriptors, and the predictions of the `agl` rung.
        """
        if self.composition == "direct" or fidelity == BASE_FIDELITY:
            return features
        base = self._debye(features)
        properties = self.scaler.encode_properties(cast(Tensor, base.properties))
        fixed = self.host.fixed_columns(self.level)
        parts = [features[:, fixed.start : fixed.stop], features[:, -_N_DESCRIPTORS:], properties, base.scaled[:, None]]
        return torch.cat(parts, dim=1)

    def forward(self, crystals: GraphBatch | Tensor, fidelity: str) -> NetworkOutputs:
        """Predictions of one rung, from graphs or from features computed before."""
        features = crystals if isinstance(crystals, Tensor) else self.features(crystals)
        if self.composition == "direct":
            return NetworkOutputs(self.heads[fidelity](features)[:, 0])
        base = self._debye(features)
        if fidelity == BASE_FIDELITY:
            return base
        correction, ln_spread = self.heads[fidelity](self.head_inputs(features, fidelity)).unbind(dim=1)
        return NetworkOutputs(base.scaled + correction, base.properties, ln_spread.exp())

    def _debye(self, features: Tensor) -> NetworkOutputs:
        ln_mass, ln_volume, ln_n = features[:, -_N_DESCRIPTORS:].unbind(dim=1)
        properties = self.scaler.decode_properties(self.heads[BASE_FIDELITY](features))
        ln_theta = properties[:, 0] - 0.5 * ln_mass + ln_volume / 6.0
        ln_kappa = ln_slack_kappa(ln_theta, properties[:, 1].clamp(*GRUNEISEN_RANGE), ln_mass, ln_volume, ln_n)
        return NetworkOutputs((ln_kappa - self.scaler.mean) / self.scaler.std, properties)


def descriptors(batch: GraphBatch) -> Tensor:
    """(n, 3): ln of mean mass (u), volume per atom (Å^3) and atoms in the primitive cell."""
    zeros = batch.multiplicity.new_zeros(batch.n_crystals)
    masses = _MASSES.to(batch.multiplicity.device)[batch.numbers]
    mass = zeros.index_add(0, batch.crystal, batch.multiplicity * masses)
    n_atoms = zeros.index_add(0, batch.crystal, batch.multiplicity)
    return torch.stack([mass / n_atoms, batch.volume_per_atom, batch.n_primitive], dim=1).log()


def transform_properties(properties: Tensor, descriptors: Tensor) -> Tensor:
    """Properties to what the `agl` head predicts.

    A Debye temperature goes as sqrt(B v^(1/3) / m), so mass and volume are divided out and the head is
    left with the stiffness: ln theta + ln(m)/2 - ln(v)/6; the Grüneisen parameter stays; moduli by ln.

    Args:
        properties: (n, 4) `PROPERTIES` in their units, NaN where unknown.
        descriptors: (n, 3) of `descriptors`.

    Returns:
        (n, 4); NaN where unknown or not positive.
    """
    positive = torch.where(properties > 0, properties, torch.nan)
    ln_mass, ln_volume = descriptors[:, 0], descriptors[:, 1]
    stiffness = positive[:, 0].log() + 0.5 * ln_mass - ln_volume / 6.0
    return torch.stack([stiffness, positive[:, 1], positive[:, 2].log(), positive[:, 3].log()], dim=1)


def debye_temperature(properties: Tensor, descriptors: Tensor) -> Tensor:
    """(n,) Debye temperature of the primitive cell, K, from `NetworkOutputs.properties`."""
    return (properties[:, 0] - 0.5 * descriptors[:, 0] + descriptors[:, 1] / 6.0).exp()


def strained_targets(ln_kappa: Tensor, transformed: Tensor, ln_volume: Tensor) -> tuple[Tensor, Tensor]:
    """Targets of the `agl` rung after an isotropic strain, from those before.

    The Debye temperature follows the Grüneisen parameter g, ln theta = -g ln V, which is taken as constant; moduli
    follow theta^2 V^(-1/3) at fixed Poisson ratio, as in the Debye model; kappa follows by the Slack formula.

    Args:
        ln_kappa: (n,) ln of kappa in W/(m K).
        transformed: (n, 4) transformed `PROPERTIES`, NaN where unknown.
        ln_volume: (n,) ln of the volume over that before; it must be zero where g is NaN.

    Returns:
        The same, strained.
    """
    gruneisen = transformed[:, 1].nan_to_num()
    stiffness = -(gruneisen + 1.0 / 6.0) * ln_volume
    moduli = -(2.0 * gruneisen + 1.0 / 3.0) * ln_volume
    zero = torch.zeros_like(stiffness)
    return (
        ln_kappa + (1.0 / 3.0 - 3.0 * gruneisen) * ln_volume,
        transformed + torch.stack([stiffness, zero, moduli, moduli], dim=1),
    )
