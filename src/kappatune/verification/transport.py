"""kappa(T) from force constants, by phono3py, on a mesh that is checked for convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kappatune.verification.outcomes import MeshNotConverged
from kappatune.verification.settings import VerifySettings

if TYPE_CHECKING:
    from phono3py import Phono3py

COARSE_MESH = 0.75
"""Length of the first mesh, with which that of the settings is compared, in units of it."""

REFINEMENT = 1.25
"""Factor of the mesh length from one refinement to the next."""


@dataclass(frozen=True)
class Transport:
    """Lattice thermal conductivity.

    Attributes:
        kappa: (n_temperatures, 6) xx, yy, zz, yz, xz, xy in the axes of the standard cell, W/(m K).
        coherences: (n_temperatures, 6) contribution of the coherences; None without them.
        mesh: Points along each reciprocal vector.
        mesh_change: Relative change of kappa at 300 K from the previous mesh.
        mode_frequencies: (n_modes,) in ascending order, THz.
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
    """kappa(T) on a mesh that is refined until kappa at 300 K changes by less than the tolerance.

    Args:
        phonons: With force constants of second and third order.
        settings: Mesh, solution, temperatures.

    Raises:
        MeshNotConverged: kappa at 300 K still changes by more than the tolerance.
    """
    length = settings.mesh_length
    previous = float(run_transport(phonons, COARSE_MESH * length, settings, (300.0,)).mean[0])
    for _ in range(settings.max_refinements + 1):
        transport = run_transport(phonons, length, settings, settings.temperatures_k)
        kappa = float(transport.mean[settings.index_of_300_k()])
        change = abs(kappa - previous) / kappa
        if change <= settings.mesh_tolerance:
            return replace(transport, mesh_change=change)
        previous, length = kappa, REFINEMENT * length
    raise MeshNotConverged(
        f"mesh not converged: kappa still changes by {change:.0%} at {'x'.join(map(str, transport.mesh))} points, more "
        f"than {settings.mesh_tolerance:.0%}: increase the mesh length"
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
    result = phonons.thermal_conductivity
    frequencies, modes = np.asarray(result.frequencies), _mode_kappa(result, settings)
    at_300 = temperatures.index(300.0)
    by_mode = modes[at_300][..., :3].mean(axis=-1).ravel() / np.prod(result.mesh_numbers)
    order = np.argsort(frequencies.ravel())
    mesh = tuple(int(n) for n in result.mesh_numbers)
    kappa = np.array(result.kappa[0])
    coherences = np.array(result.kappa_inter[0]) if settings.wigner else None
    if settings.solution == "direct" and coherences is not None:  # phono3py leaves them out of kappa here
        kappa = np.array(result.kappa_intra_exact[0]) + coherences
    return Transport(
        kappa=kappa,
        coherences=coherences,
        mesh=(mesh[0], mesh[1], mesh[2]),
        mesh_change=np.inf,
        mode_frequencies=frequencies.ravel()[order],
        cumulative=np.cumsum(by_mode[order]),
    )


def _mode_kappa(result: Any, settings: VerifySettings) -> NDArray[np.float64]:
    """(n_temperatures, n_q, n_bands, 6) W/(m K) times the number of q-points.

    A coherence between two bands counts half for each of them.
    """
    if not settings.wigner:
        return np.asarray(result.mode_kappa[0])
    matrix = np.asarray(result.mode_kappa_matrix[0].real)
    own = np.einsum("tqbbx->tqbx", matrix)
    populations = np.asarray(result.mode_kappa[0]) if settings.solution == "direct" else own
    return np.asarray(populations + matrix.sum(axis=-2) - own)
