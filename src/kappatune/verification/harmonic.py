"""The harmonic crystal: the gate that stops unstable crystals, dispersion and density of states."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.verification.cell_formats import phonopy_to_ase
from kappatune.verification.mesh import meshes
from kappatune.verification.outcomes import ImaginaryModes

if TYPE_CHECKING:
    from phono3py import Phono3py
    from phonopy import Phonopy

POINTS_PER_PATH = 240
"""Points of the dispersion, all segments together."""

DOS_MESH = 1.5
"""Length of the mesh for the density of states, in units of the mesh length."""


DISPLACEMENT_MESH = 15.0
"""Length of the mesh for thermal displacements, Å."""


@dataclass(frozen=True)
class Dispersion:
    """Frequencies along the path of the Bravais lattice, and the density of states.

    Attributes:
        distance: (n_points,) along the path, 1/Å.
        frequencies: (n_points, n_bands) THz.
        labels: Names of the points where segments meet.
        label_distances: Positions of these points along the path, 1/Å.
        dos_frequencies: (n_dos,) THz.
        dos: (n_dos,) states per THz and primitive cell.
    """

    distance: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    labels: tuple[str, ...]
    label_distances: NDArray[np.float64]
    dos_frequencies: NDArray[np.float64]
    dos: NDArray[np.float64]


def harmonic_crystal(phonons: Phono3py) -> Phonopy:
    """The phonopy object with the same second-order force constants."""
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


def stable_lowest_frequency(crystal: Phonopy, mesh_length: float, tolerance_thz: float) -> float:
    """The lowest frequency of a crystal without imaginary modes.

    Checked are the wave vectors that fit into the supercell, where the frequencies are those of the potential, then the
    mesh of this length on which kappa is computed, where they are interpolated. The three acoustic modes at Gamma count
    like all others; they are zero within the tolerance.

    Args:
        crystal: With force constants.
        mesh_length: As in `VerifySettings`, Å.
        tolerance_thz: How far below zero a mode may lie, THz.

    Returns:
        THz; an imaginary frequency is negative.

    Raises:
        ImaginaryModes: A mode lies lower.
    """
    from phonopy.harmonic.dynmat_to_fc import get_commensurate_points

    to_primitive = np.linalg.inv(crystal.primitive_matrix) @ crystal.supercell_matrix
    points = get_commensurate_points(np.rint(to_primitive).astype(int))
    crystal.run_qpoints(points)
    exact = crystal.qpoints.frequencies
    if exact.min() < -tolerance_thz:
        q = points[int(exact.min(axis=1).argmin())]
        raise ImaginaryModes(
            f"imaginary modes: {int((exact < -tolerance_thz).sum())} of {exact.size}, the lowest at "
            f"{exact.min():.2f} THz, q = ({', '.join(f'{x:.3g}' for x in q)}): with this potential the structure is "
            "not a minimum, so it has no conductivity"
        )
    _, mesh = islice(meshes(crystal, mesh_length), 2)
    crystal.run_mesh(mesh.grid, is_gamma_center=True)
    interpolated = crystal.mesh.frequencies
    if interpolated.min() < -tolerance_thz:
        raise ImaginaryModes(
            f"imaginary modes between the wave vectors that fit into the supercell, the lowest at "
            f"{interpolated.min():.2f} THz: a higher quality, which has a larger supercell, may remove them"
        )
    return float(min(exact.min(), interpolated.min()))


def largest_displacement(crystal: Phonopy) -> float:
    """The largest mean-square displacement of an atom along any direction at 300 K, Å^2.

    Quantum harmonic oscillators, on a mesh that is shifted off Gamma, where the displacement diverges.

    Args:
        crystal: With force constants.
    """
    shift = [0.5, 0.5, 0.5]
    crystal.run_mesh(DISPLACEMENT_MESH, shift, is_mesh_symmetry=False, with_eigenvectors=True, is_gamma_center=True)
    matrices = crystal.run_thermal_displacement_matrices(temperatures=[300.0]).thermal_displacement_matrices
    return float(np.linalg.eigvalsh(np.asarray(matrices)[0]).max())


def compute_dispersion(crystal: Phonopy, mesh_length: float) -> Dispersion:
    """Frequencies along the path of the Bravais lattice (ASE's), and the density of states by tetrahedra.

    Args:
        crystal: With force constants.
        mesh_length: As in `VerifySettings`, Å.
    """
    from ase.dft.kpoints import parse_path_string

    path = phonopy_to_ase(crystal.primitive).cell.bandpath(npoints=0)
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
    bands = crystal.band_structure
    labels, label_distances = [corners[0][0]], [0.0]
    for k, (start, end) in enumerate(corners):
        if start != labels[-1]:
            labels[-1] += f"|{start}"
        labels.append(end)
        label_distances.append(float(bands.distances[k][-1]))
    crystal.run_mesh(DOS_MESH * mesh_length, is_gamma_center=True)
    crystal.run_total_dos()
    dos = crystal.total_dos
    return Dispersion(
        distance=np.concatenate(bands.distances),
        frequencies=np.concatenate(bands.frequencies),
        labels=tuple(labels),
        label_distances=np.array(label_distances),
        dos_frequencies=np.asarray(dos.frequency_points),
        dos=np.asarray(dos.dos),
    )
