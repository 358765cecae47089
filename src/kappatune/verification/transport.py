"""kappa(T) from force constants, by phono3py, on a mesh that is checked for convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.physics.polycrystal import principal_values
from kappatune.verification.mesh import meshes
from kappatune.verification.modes import Modes, contributions, lifetimes_of
from kappatune.verification.outcomes import MeshNotConverged, UnphysicalKappa
from kappatune.verification.settings import VerifySettings

if TYPE_CHECKING:
    from phono3py import Phono3py
    from phonopy.structure.atoms import PhonopyAtoms

NM_PER_MICROMETRE = 1000.0

POSSIBLE_KAPPA = (1e-3, 5e3)
"""W/(m K) at 300 K, mean of xx, yy, zz. Diamond has 2,200 and, of one isotope, 3,300; the least of any solid, across
the layers of a disordered WSe2, is 0.05 (Chiritescu et al., Science 315, 351 (2007))."""


@dataclass(frozen=True)
class Transport:
    """Lattice thermal conductivity.

    Attributes:
        kappa: (n_temperatures, 6) xx, yy, zz, yz, xz, xy in the axes of the standard cell, W/(m K).
        coherences: (n_temperatures, 6) contribution of the coherences; None without them.
        mesh: Points along each reciprocal vector, of the primitive or the conventional cell (`Mesh`).
        mesh_change: Change of kappa at 300 K from the previous mesh (`relative_change`).
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
    """kappa(T) on a mesh that is refined until kappa at 300 K changes by no more than the tolerance.

    Args:
        phonons: With force constants of second and third order.
        settings: Mesh, solution, temperatures.

    Raises:
        MeshNotConverged: kappa at 300 K still changes by more than the tolerance.
        UnphysicalKappa: kappa is not a number, negative in a direction, or beyond all that is known.
    """
    first, *refined = islice(meshes(phonons, settings.mesh_length), settings.max_refinements + 2)
    previous = run_transport(phonons, first.grid, settings, (300.0,)).kappa[0]
    for mesh in refined:
        found = run_transport(phonons, mesh.grid, settings, settings.temperatures_k)
        check_possible(found.kappa, settings)
        kappa = found.kappa[settings.index_of_300_k()]
        points = (int(mesh.numbers[0]), int(mesh.numbers[1]), int(mesh.numbers[2]))
        transport = replace(found, mesh=points, mesh_change=relative_change(previous, kappa))
        if transport.mesh_change <= settings.mesh_tolerance:
            return transport
        previous = kappa
    raise MeshNotConverged(
        f"mesh not converged: kappa still changes by {transport.mesh_change:.0%} at "
        f"{'x'.join(map(str, transport.mesh))} points, more than {settings.mesh_tolerance:.0%}: use a higher quality, "
        "or a larger `mesh_length` of `VerifySettings`"
    )


def relative_change(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """How much kappa changes from one mesh to the next.

    Args:
        before: (6,) xx, yy, zz, yz, xz, xy.
        after: The same on the finer mesh.

    Returns:
        The relative change of the mean of xx, yy and zz, or the largest change of one of them in units of the largest
        of them, whichever is more.
    """
    change = np.abs(after[:3] - before[:3])
    return float(max(abs(after[:3].mean() - before[:3].mean()) / after[:3].mean(), change.max() / after[:3].max()))


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


def without_natural_isotopes(cell: PhonopyAtoms) -> tuple[str, ...]:
    """Elements of a cell that have no natural isotopes, as technetium."""
    from phonopy.structure.atomic_data import get_atomic_data

    known = get_atomic_data().isotope_data
    return tuple(sorted({symbol for symbol in cell.symbols if not known.get(symbol)}))


def natural_mass_variances(cell: PhonopyAtoms) -> NDArray[np.float64]:
    """(n_atoms,) relative variances of the masses; zero for an element without natural isotopes."""
    from phono3py.other.isotope import get_mass_variances

    pure = dict.fromkeys(without_natural_isotopes(cell), ((0, 1.0, 1.0),))
    return np.asarray(get_mass_variances(cell, isotope_data=pure))


def run_transport(
    phonons: Phono3py,
    mesh: float | Sequence[int] | NDArray[np.int64],
    settings: VerifySettings,
    temperatures: tuple[float, ...],
) -> Transport:
    """Conductivity on one mesh.

    Args:
        phonons: With force constants of second and third order.
        mesh: A length, Å, numbers of points, or the matrix of a generalised regular grid.
        settings: Solution, coherences, isotopes.
        temperatures: K; 300 is among them.
    """
    phonons.mesh_numbers = mesh
    phonons.init_phph_interaction()
    phonons.run_thermal_conductivity(
        temperatures=list(temperatures),
        is_LBTE=settings.solution == "direct",
        is_isotope=settings.isotopes,
        mass_variances=natural_mass_variances(phonons.primitive) if settings.isotopes else None,
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
