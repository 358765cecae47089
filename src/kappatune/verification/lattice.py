"""Force constants from forces, and the harmonic crystal: dispersion, density of states, the gate for unstable ones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.verification.cells import ase_cell, pair_distances
from kappatune.verification.forces import Forces
from kappatune.verification.outcomes import ImaginaryModes

if TYPE_CHECKING:
    from phono3py import Phono3py
    from phonopy import Phonopy

POINTS_PER_PATH = 240
"""Points of the dispersion, all segments together."""


@dataclass(frozen=True)
class Dispersion:
    """Frequencies along the path of the Bravais lattice, and their density.

    Attributes:
        distance: (n_points,) along the path, 1/Å.
        frequencies: (n_points, n_bands) THz.
        labels: Names of the points where segments meet.
        label_distances: Where these are, 1/Å.
        dos_frequencies: (n_dos,) THz.
        dos: (n_dos,) states per THz and primitive cell.
    """

    distance: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    labels: tuple[str, ...]
    label_distances: NDArray[np.float64]
    dos_frequencies: NDArray[np.float64]
    dos: NDArray[np.float64]


def set_harmonic_forces(phonons: Phono3py, forces: Forces) -> None:
    """Second-order force constants, with the symmetry of translation and permutation.

    Args:
        phonons: With displacements.
        forces: Of `cells.harmonic_cells`; what remains at rest is taken off.
    """
    phonons.phonon_forces = forces[1:] - forces[0]
    phonons.produce_fc2()
    phonons.symmetrize_fc2()


def set_pair_forces(phonons: Phono3py, forces: Forces, wanted: NDArray[np.bool_]) -> None:
    """Third-order force constants, with the symmetry of translation and permutation.

    Where a pair was not displaced, an element is the mean of those of its six permutations that are known, and zero
    if none is, as in phono3py; there a Python loop over all triples of the supercell takes longer than the forces.

    Args:
        phonons: With displacements and second-order force constants.
        forces: Of `cells.pair_cells`; what remains at rest is taken off.
        wanted: Which of these cells, the one at rest left out, were asked for.
    """
    from phono3py.phonon3.fc3 import set_permutation_symmetry_compact_fc3

    fc2 = phonons.fc2
    phonons.forces = np.where(wanted[:, None, None], forces[1:] - forces[0], 0.0)
    dataset = phonons.dataset
    assert dataset is not None
    cutoff = dataset.pop("cutoff_distance")
    phonons.produce_fc3()
    dataset["cutoff_distance"] = cutoff
    fc3 = phonons.fc3
    assert fc3 is not None
    known = (pair_distances(phonons) < cutoff)[:, :, None, None, None, None]
    sums = np.ascontiguousarray(np.where(known, fc3, 0.0))
    counts = np.ascontiguousarray(np.broadcast_to(known, fc3.shape).astype(np.float64))
    for array in (sums, counts):
        set_permutation_symmetry_compact_fc3(array, phonons.primitive)
    phonons.fc3 = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0.1)
    phonons.symmetrize_fc3()
    phonons.fc2 = fc2


def harmonic_crystal(phonons: Phono3py) -> Phonopy:
    """Phonopy's view of the same second-order force constants."""
    from phonopy import Phonopy

    crystal = Phonopy(
        phonons.unitcell,
        supercell_matrix=phonons.phonon_supercell_matrix,
        primitive_matrix=phonons.primitive_matrix,
        symprec=phonons.symmetry.tolerance,
        log_level=0,
    )
    crystal.force_constants = phonons.fc2
    if phonons.nac_params is not None:
        crystal.nac_params = phonons.nac_params
    return crystal


def lowest_frequency(crystal: Phonopy, mesh_length: float, tolerance_thz: float) -> float:
    """The gate: the lowest frequency of a stable crystal.

    Looked at are the wave vectors that fit into the supercell, where the frequencies are those of the potential, then
    a mesh, where they are interpolated. The three acoustic modes at Gamma are zero and count like any other: the
    tolerance has to let them pass.

    Args:
        crystal: With force constants.
        mesh_length: As in `VerifySettings`, Å.
        tolerance_thz: How far below zero a mode may lie, THz.

    Returns:
        THz; an imaginary frequency counts as negative.

    Raises:
        ImaginaryModes: A mode lies lower.
    """
    from phonopy.harmonic.dynmat_to_fc import get_commensurate_points

    to_primitive = np.linalg.inv(crystal.primitive_matrix) @ crystal.supercell_matrix
    points = get_commensurate_points(np.rint(to_primitive).astype(int))
    crystal.run_qpoints(points)
    exact = crystal.get_qpoints_dict()["frequencies"]
    if exact.min() < -tolerance_thz:
        q = points[int(exact.min(axis=1).argmin())]
        raise ImaginaryModes(
            f"imaginary modes: {int((exact < -tolerance_thz).sum())} of {exact.size}, the lowest at "
            f"{exact.min():.2f} THz, q = ({', '.join(f'{x:.3g}' for x in q)}): to the potential this structure is no "
            "minimum, so it has no conductivity"
        )
    crystal.run_mesh(mesh_length, is_gamma_center=True)
    between = crystal.get_mesh_dict()["frequencies"]
    if between.min() < -tolerance_thz:
        raise ImaginaryModes(
            f"imaginary modes between the wave vectors that the supercell resolves, the lowest at {between.min():.2f} "
            "THz: a larger harmonic supercell may remove them"
        )
    return float(min(exact.min(), between.min()))


def dispersion(crystal: Phonopy, mesh_length: float) -> Dispersion:
    """Frequencies along the path of the Bravais lattice (ASE's), and their density by tetrahedra."""
    from ase.dft.kpoints import parse_path_string

    path = ase_cell(crystal.primitive).cell.bandpath(npoints=0)
    corners = [corner for part in parse_path_string(path.path) for corner in itertools.pairwise(part)]
    lengths = [
        np.linalg.norm((path.special_points[b] - path.special_points[a]) @ np.linalg.inv(crystal.primitive.cell).T)
        for a, b in corners
    ]
    counts = [max(3, round(POINTS_PER_PATH * length / sum(lengths))) for length in lengths]
    segments = [
        np.linspace(path.special_points[a], path.special_points[b], n)
        for (a, b), n in zip(corners, counts, strict=True)
    ]
    crystal.run_band_structure(segments)
    bands = crystal.get_band_structure_dict()
    labels, places = [corners[0][0]], [0.0]
    for k, (start, end) in enumerate(corners):
        if start != labels[-1]:
            labels[-1] += f"|{start}"
        labels.append(end)
        places.append(float(bands["distances"][k][-1]))
    crystal.run_mesh(1.5 * mesh_length, is_gamma_center=True)
    crystal.run_total_dos()
    dos = crystal.get_total_dos_dict()
    return Dispersion(
        distance=np.concatenate(bands["distances"]),
        frequencies=np.concatenate(bands["frequencies"]),
        labels=tuple(labels),
        label_distances=np.array(places),
        dos_frequencies=np.asarray(dos["frequency_points"]),
        dos=np.asarray(dos["total_dos"]),
    )
