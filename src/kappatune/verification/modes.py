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
        lifetimes: (n_q, n_bands) ps, by all scattering together; nan where nothing scatters.
        mean_free_paths: (n_q, n_bands) nm; nan where nothing scatters. Of the direct solution, its own.
        kappa: (n_q, n_bands, 6) contributions of each star of modes, W/(m K); their sum is kappa. A coherence between
            two bands counts half for each.
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
        linewidth = _linewidth(result, at_300, speed)
        with np.errstate(divide="ignore"):
            lifetimes = np.where(linewidth > 0, 1.0 / (4 * np.pi * linewidth), np.nan)
        if solution == "direct":
            flight = np.linalg.norm(np.asarray(result.mfp)[0, at_300], axis=-1)
        else:
            flight = speed * lifetimes
        populations, coherences = _contributions(result, at_300, solution)
        n_points = np.prod(result.mesh_numbers)
        return cls(
            qpoints=np.asarray(result.qpoints),
            weights=np.asarray(result.grid_weights),
            frequencies=np.asarray(result.frequencies),
            velocities=velocities,
            heat_capacities=np.asarray(result.mode_heat_capacities)[at_300],
            lifetimes=lifetimes,
            mean_free_paths=np.where(linewidth > 0, flight * NM_PER_ANGSTROM, np.nan),
            kappa=(populations + coherences) / n_points,
            populations=populations / n_points,
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
        lowest = float(values[values > 0].min())
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


def _linewidth(result: Any, at_300: int, speed: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_q, n_bands) THz: half widths of all scattering, as phono3py adds them."""
    width: NDArray[np.float64] = np.asarray(result.gamma)[0, at_300].copy()
    if result.gamma_isotope is not None:
        width += np.asarray(result.gamma_isotope)[0]
    if result.boundary_mfp is not None:
        width += speed / (4 * np.pi * result.boundary_mfp * 1e4)
    return width


def _contributions(result: Any, at_300: int, solution: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n_q, n_bands, 6) of populations and of coherences, W/(m K) times the number of q-points."""
    if not hasattr(result, "mode_kappa_matrix"):
        populations = np.asarray(result.mode_kappa)[0, at_300]
        return populations, np.zeros_like(populations)
    matrix = np.asarray(result.mode_kappa_matrix)[0, at_300].real
    own = np.einsum("qbbx->qbx", matrix)
    populations = np.asarray(result.mode_kappa)[0, at_300] if solution == "direct" else own
    return populations, matrix.sum(axis=-2) - own
