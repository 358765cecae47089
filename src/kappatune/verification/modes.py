"""The phonon modes of a crystal at 300 K: what each carries, how long it lives and how far it flies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from phonopy.phonon.grid import BZGrid

NM_PER_ANGSTROM = 0.1
LONGEST_LIFETIME_PS = 1e5
"""Of a mode at 300 K. A longer one means that no two others on the mesh have its energy, as where N3 or HF2 ions
stretch far above all other modes: what limits it is not computed. In diamond the longest is 200 ps at `quick`."""

WIDEST_CURVE = 1e6
"""Largest over smallest value of a curve with equal ratios: modes at rest would begin it at a path of 1e-16 nm."""

N_CURVE_POINTS = 200
"""Points of a cumulative curve."""


@dataclass(frozen=True)
class Modes:
    """Modes on the irreducible points of the mesh, at 300 K.

    Attributes:
        qpoints: (n_q, 3) fractional.
        weights: (n_q,) points of the whole mesh that each stands for.
        frequencies: (n_q, n_bands) THz.
        velocities: (n_q, n_bands, 3) group velocities, THz Å (100 m/s).
        heat_capacities: (n_q, n_bands) eV/K, of one mode.
        lifetimes: (n_q, n_bands) ps, by all scattering together; nan where none is found (`LONGEST_LIFETIME_PS`).
        mean_free_paths: (n_q, n_bands) nm; nan where no scattering is found. Of the direct solution, its own.
        kappa: (n_q, n_bands, 6) contributions of each star of modes, W/(m K); their sum is kappa. A coherence between
            two bands counts half for each. Zero where no scattering is found.
        populations: (n_q, n_bands, 6) the same without coherences.
        grid: phonopy's description of the mesh.
    """

    qpoints: NDArray[np.float64]
    weights: NDArray[np.int64]
    frequencies: NDArray[np.float64]
    velocities: NDArray[np.float64]
    heat_capacities: NDArray[np.float64]
    lifetimes: NDArray[np.float64]
    mean_free_paths: NDArray[np.float64]
    kappa: NDArray[np.float64]
    populations: NDArray[np.float64]
    grid: BZGrid

    @classmethod
    def of(cls, result: Any, at_300: int, solution: str) -> Modes:
        """The modes of a conductivity that phono3py computed.

        Args:
            result: phono3py's `RTACalculator` or `LBTECalculator`.
            at_300: Position of 300 K among its temperatures.
            solution: `rta` or `direct`.
        """
        velocities = np.asarray(result.group_velocities)
        speed = np.linalg.norm(velocities, axis=-1)
        lifetimes = lifetimes_of(result, at_300)
        if solution == "direct":
            flight = np.linalg.norm(np.asarray(result.mfp)[0, at_300], axis=-1)
        else:
            flight = speed * lifetimes
        populations, coherences = (part[at_300] for part in contributions(result, lifetimes, solution))
        return cls(
            qpoints=np.asarray(result.qpoints),
            weights=np.asarray(result.grid_weights),
            frequencies=np.asarray(result.frequencies),
            velocities=velocities,
            heat_capacities=np.asarray(result.mode_heat_capacities)[at_300],
            lifetimes=lifetimes,
            mean_free_paths=np.where(np.isnan(lifetimes), np.nan, flight * NM_PER_ANGSTROM),
            kappa=populations + coherences,
            populations=populations,
            grid=result.bz_grid,
        )

    @property
    def mean_kappa(self) -> NDArray[np.float64]:
        """(n_q, n_bands) mean of xx, yy, zz, W/(m K)."""
        return np.asarray(self.kappa[..., :3].mean(axis=-1))

    @property
    def mean_populations(self) -> NDArray[np.float64]:
        """(n_q, n_bands) the same without coherences."""
        return np.asarray(self.populations[..., :3].mean(axis=-1))

    @property
    def lowest_frequency_thz(self) -> float:
        """The lowest frequency on the mesh, Gamma left out."""
        return float(self.frequencies[np.any(self.qpoints != 0.0, axis=1)].min())

    @cached_property
    def by_frequency(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Curve of kappa by frequency, THz."""
        return self.cumulative(self.frequencies, self.mean_kappa)

    @cached_property
    def by_mean_free_path(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Curve of kappa by mean free path, nm, without coherences."""
        return self.cumulative(self.mean_free_paths, self.mean_populations, logarithmic=True)

    def cumulative(
        self, values: NDArray[np.float64], kappa: NDArray[np.float64], *, logarithmic: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What modes up to a value carry together, by the tetrahedron method, as `phono3py-kaccum` has it.

        Args:
            values: (n_q, n_bands) frequency, mean free path or lifetime; nan counts as zero.
            kappa: (n_q, n_bands) contributions.
            logarithmic: Whether the points of the curve have equal ratios, not equal steps.

        Returns:
            (n_points,) values in ascending order, and (n_points,) what modes up to each carry.
        """
        from phonopy.phonon.grid import get_ir_grid_points
        from phonopy.phonon.spectrum import TetrahedronDOSAccumulator

        values = np.nan_to_num(values, nan=0.0)
        top = float(values.max()) * (1 + 1e-9)
        lowest = max(float(values[values > 0].min()), top / WIDEST_CURVE)
        points = np.geomspace(lowest, top, N_CURVE_POINTS) if logarithmic else np.linspace(0, top, N_CURVE_POINTS)
        irreducible, _, mapping = get_ir_grid_points(self.grid)
        sums = TetrahedronDOSAccumulator(
            values,
            self.grid,
            mode_property=kappa[None, :, :, None],
            ir_grid_points=irreducible,
            ir_grid_map=mapping,
            sampling_points=points,
        ).result.cumulative
        return points, np.asarray(sums)[0, :, 0] * np.prod(self.grid.D_diag)

    @property
    def unscattered_share(self) -> float:
        """Part of the heat capacity at 300 K in modes for which no scattering is found."""
        return self.average(np.isnan(self.lifetimes).astype(float))

    def average(self, values: NDArray[np.float64]) -> float:
        """Mean of a property of modes, each counted by its heat capacity.

        Args:
            values: (n_q, n_bands).
        """
        weights = self.weights[:, None] * self.heat_capacities
        return float((weights * values).sum() / weights.sum())


def value_at_half(values: NDArray[np.float64], sums: NDArray[np.float64]) -> float:
    """The value up to which modes carry half of kappa, on a curve of `Modes.cumulative`."""
    return float(np.interp(0.5 * sums[-1], sums, values))


def lifetimes_of(result: Any, at: int) -> NDArray[np.float64]:
    """(n_q, n_bands) ps, from the half widths of all scattering, as phono3py adds them; nan where none is found.

    Args:
        result: phono3py's `RTACalculator` or `LBTECalculator`.
        at: Position of the temperature.
    """
    width: NDArray[np.float64] = np.asarray(result.gamma)[0, at].copy()
    if result.gamma_isotope is not None:
        width += np.asarray(result.gamma_isotope)[0]
    if result.boundary_mfp is not None:
        speed = np.linalg.norm(np.asarray(result.group_velocities), axis=-1)
        width += speed / (4 * np.pi * result.boundary_mfp * 1e4)
    is_scattered = width * 4 * np.pi * LONGEST_LIFETIME_PS > 1.0
    return np.asarray(np.divide(1.0, 4 * np.pi * width, where=is_scattered, out=np.full_like(width, np.nan)))


def contributions(
    result: Any, lifetimes: NDArray[np.float64], solution: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each star of modes adds to kappa at each temperature, by populations and by coherences.

    Args:
        result: phono3py's `RTACalculator` or `LBTECalculator`.
        lifetimes: (n_q, n_bands) of `lifetimes_of`, at 300 K: modes without one add nothing at any temperature.
        solution: `rta` or `direct`.

    Returns:
        Two arrays (n_temperatures, n_q, n_bands, 6), W/(m K).
    """
    if hasattr(result, "mode_kappa_matrix"):
        matrix = np.asarray(result.mode_kappa_matrix)[0].real
        own = np.einsum("tqbbx->tqbx", matrix)
        populations = np.asarray(result.mode_kappa)[0] if solution == "direct" else own
        coherences = matrix.sum(axis=-2) - own
    else:
        populations = np.asarray(result.mode_kappa)[0]
        coherences = np.zeros_like(populations)
    is_scattered = ~np.isnan(lifetimes)[..., None]
    n_points = np.prod(result.mesh_numbers)
    return np.where(is_scattered, populations / n_points, 0.0), np.where(is_scattered, coherences / n_points, 0.0)
