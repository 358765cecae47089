"""kappa(T) from force constants, by phono3py, on a mesh that is checked for convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kappatune.verification.outcomes import MeshNotConverged
from kappatune.verification.settings import VerifySettings

if TYPE_CHECKING:
    from phono3py import Phono3py

COARSE, FINE = 0.75, 1.25
"""Lengths of the meshes that are compared, relative to each other."""


@dataclass(frozen=True)
class Transport:
    """Lattice thermal conductivity.

    Attributes:
        kappa: (n_temperatures, 6) xx, yy, zz, yz, xz, xy in the axes of the standard cell, W/(m K).
        coherences: (n_temperatures, 6) the part of the coherences; None without them.
        mesh: Points along each reciprocal vector.
        mesh_change: Relative change of kappa at 300 K from the mesh before.
        mode_frequencies: (n_modes,) in rising order, THz.
        cumulative: (n_modes,) mean of xx, yy, zz up to this frequency at 300 K, W/(m K).
    """

    kappa: NDArray[np.float64]
    coherences: NDArray[np.float64] | None
    mesh: tuple[int, int, int]
    mesh_change: float
    mode_frequencies: NDArray[np.float64]
    cumulative: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """(n_temperatures,) mean of xx, yy, zz, W/(m K): that of a polycrystal without grain boundaries."""
        return np.asarray(self.kappa[:, :3].mean(axis=1))


def converged_transport(phonons: Phono3py, settings: VerifySettings) -> Transport:
    """kappa(T) on a mesh whose refinement no longer matters.

    Args:
        phonons: With force constants of second and third order.
        settings: Mesh, solution, temperatures.

    Raises:
        MeshNotConverged: kappa at 300 K still changes by more than the tolerance.
    """
    at_300 = settings.at_300_k()
    length = settings.mesh_length
    before = float(run_transport(phonons, COARSE * length, settings, (300.0,)).mean[0])
    for _ in range(settings.max_refinements + 1):
        transport = run_transport(phonons, length, settings, settings.temperatures_k)
        here = float(transport.mean[at_300])
        change = abs(here - before) / here
        if change <= settings.mesh_tolerance:
            return Transport(**{**vars(transport), "mesh_change": change})
        before, length = here, FINE * length
    raise MeshNotConverged(
        f"mesh not converged: kappa still changes by {change:.0%} at {'x'.join(map(str, transport.mesh))} points, more "
        f"than {settings.mesh_tolerance:.0%}: raise the mesh length"
    )


def run_transport(
    phonons: Phono3py, mesh: float | Sequence[int], settings: VerifySettings, temperatures: tuple[float, ...]
) -> Transport:
    """Conductivity on one mesh.

    Args:
        phonons: With force constants of second and third order.
        mesh: A length, Å, or numbers of points.
        settings: Solution, coherences, isotopes.
        temperatures: K; 300 is among them.
    """
    phonons.mesh_numbers = mesh
    phonons.init_phph_interaction()
    phonons.run_thermal_conductivity(
        temperatures=list(temperatures),
        is_LBTE=settings.solution == "direct",
        is_isotope=settings.isotopes,
        transport_type="SMM19" if settings.wigner else None,
    )
    answer = phonons.thermal_conductivity
    frequencies, modes = np.asarray(answer.frequencies), _mode_kappa(answer, settings)
    at_300 = temperatures.index(300.0)
    by_mode = modes[at_300][..., :3].mean(axis=-1).ravel() / np.prod(answer.mesh_numbers)
    order = np.argsort(frequencies.ravel())
    mesh = tuple(int(n) for n in answer.mesh_numbers)
    kappa = np.array(answer.kappa[0])
    coherences = np.array(answer.kappa_inter[0]) if settings.wigner else None
    if settings.solution == "direct" and coherences is not None:  # there phono3py's kappa is without them
        kappa = np.array(answer.kappa_intra_exact[0]) + coherences
    return Transport(
        kappa=kappa,
        coherences=coherences,
        mesh=(mesh[0], mesh[1], mesh[2]),
        mesh_change=np.inf,
        mode_frequencies=frequencies.ravel()[order],
        cumulative=np.cumsum(by_mode[order]),
    )


def _mode_kappa(answer: Any, settings: VerifySettings) -> NDArray[np.float64]:
    """(n_temperatures, n_q, n_bands, 6) W/(m K) times the number of q-points; each band has half of its coherences."""
    if not settings.wigner:
        return np.asarray(answer.mode_kappa[0])
    matrix = np.asarray(answer.mode_kappa_matrix[0].real)
    own = np.einsum("tqbbx->tqbx", matrix)
    populations = np.asarray(answer.mode_kappa[0]) if settings.solution == "direct" else own
    return populations + matrix.sum(axis=-2) - own
