"""kappa(T) from force constants, by phono3py, on a mesh that is checked for convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.physics.polycrystal import principal_values
from kappatune.verification.modes import Modes, contributions, lifetimes_of
from kappatune.verification.outcomes import MeshNotConverged, UnphysicalKappa
from kappatune.verification.settings import VerifySettings

if TYPE_CHECKING:
    from phono3py import Phono3py

NM_PER_MICROMETRE = 1000.0
COARSE_MESH = 0.75
"""Length of the first mesh, with which that of the settings is compared, in units of it."""

REFINEMENT = 1.25
"""Factor of the mesh length from one refinement to the next."""

POSSIBLE_KAPPA = (1e-3, 5e3)
"""W/(m K) at 300 K, mean of xx, yy, zz. Diamond has 2,200 and, of one isotope, 3,300; the least of any solid, across
the layers of a disordered WSe2, is 0.05 (Chiritescu et al., Science 315, 351 (2007))."""


@dataclass(frozen=True)
class Transport:
    """Lattice thermal conductivity.

    Attributes:
        kappa: (n_temperatures, 6) xx, yy, zz, yz, xz, xy in the axes of the standard cell, W/(m K).
        coherences: (n_temperatures, 6) contribution of the coherences; None without them.
        mesh: Points along each reciprocal vector.
        mesh_change: Relative change of kappa at 300 K from the previous mesh.
        modes: What each mode adds at 300 K.
    """

    kappa: NDArray[np.float64]
    coherences: NDArray[np.float64] | None
    mesh: tuple[int, int, int]
    mesh_change: float
    modes: Modes

    @property
    def mean(self) -> NDArray[np.float64]:
        """(n_temperatures,) mean of xx, yy, zz, W/(m K)."""
        return np.asarray(self.kappa[:, :3].mean(axis=1))


def converged_transport(phonons: Phono3py, settings: VerifySettings) -> Transport:
    """kappa(T) on a mesh that is refined until kappa at 300 K changes by less than the tolerance.

    Args:
        phonons: With force constants of second and third order.
        settings: Mesh, solution, temperatures.

    Raises:
        MeshNotConverged: kappa at 300 K still changes by more than the tolerance.
        UnphysicalKappa: kappa is not a number, negative in a direction, or beyond all that is known.
    """
    length = settings.mesh_length
    previous = float(run_transport(phonons, COARSE_MESH * length, settings, (300.0,)).mean[0])
    for _ in range(settings.max_refinements + 1):
        transport = run_transport(phonons, length, settings, settings.temperatures_k)
        check_possible(transport.kappa, settings)
        kappa = float(transport.mean[settings.index_of_300_k()])
        change = abs(kappa - previous) / kappa
        if change <= settings.mesh_tolerance:
            return replace(transport, mesh_change=change)
        previous, length = kappa, REFINEMENT * length
    raise MeshNotConverged(
        f"mesh not converged: kappa still changes by {change:.0%} at {'x'.join(map(str, transport.mesh))} points, more "
        f"than {settings.mesh_tolerance:.0%}: use a higher quality, or a larger "
        "`mesh_length` of `VerifySettings`"
    )


def check_possible(kappa: NDArray[np.float64], settings: VerifySettings) -> None:
    """Refuse a kappa that no crystal can have: it comes from force constants that mean nothing.

    Args:
        kappa: (n_temperatures, 6) W/(m K).
        settings: Their temperatures.

    Raises:
        UnphysicalKappa: A value is not a number, negative in a direction, or beyond `POSSIBLE_KAPPA` at 300 K.
    """
    cure = "the supercell may be too small for its force constants, or the potential wrong here: use a higher quality"
    for temperature, tensor in zip(settings.temperatures_k, kappa, strict=True):
        if not np.isfinite(tensor).all():
            raise UnphysicalKappa(f"kappa at {temperature:g} K is not a number: {cure}")
        lowest = float(principal_values(tensor.tolist())[0])
        if lowest < 0.0:
            raise UnphysicalKappa(
                f"kappa at {temperature:g} K is negative, {lowest:.3g} W/(m K), in a direction: {cure}"
            )
    mean = float(kappa[settings.index_of_300_k(), :3].mean())
    low, high = POSSIBLE_KAPPA
    if not low <= mean <= high:
        raise UnphysicalKappa(
            f"kappa at 300 K came out as {mean:.3g} W/(m K), {'below' if mean < low else 'above'} that of any known "
            f"solid: {cure}"
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
        boundary_mfp=None if settings.boundary_nm is None else settings.boundary_nm / NM_PER_MICROMETRE,
        transport_type="SMM19" if settings.wigner else None,
    )
    result, at_300 = phonons.thermal_conductivity, temperatures.index(300.0)
    sums = [part.sum(axis=(1, 2)) for part in contributions(result, lifetimes_of(result, at_300), settings.solution)]
    mesh = tuple(int(n) for n in result.mesh_numbers)
    return Transport(
        kappa=sums[0] + sums[1],
        coherences=sums[1] if settings.wigner else None,
        mesh=(mesh[0], mesh[1], mesh[2]),
        mesh_change=np.inf,
        modes=Modes.of(result, at_300, settings.solution),
    )
