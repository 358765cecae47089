"""Born charges from a file, rotated into the axes and sorted into the order of the standard cell."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import spglib
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from kappatune.errors import UserError
from kappatune.structures import Crystal
from kappatune.verification.cell_formats import ase_to_phonopy, crystal_to_ase

if TYPE_CHECKING:
    from phono3py import Phono3py
    from phonopy.harmonic.dynamical_matrix import NacParams

SUFFIX = ".born"
"""`mgo.born` beside `mgo.cif` belongs to it."""

USUAL_FACTOR = Hartree * Bohr
"""e^2 / (4 pi epsilon_0), eV Å, where the first line of a file is not a number, as in those that `phonopy-vasp-born`
writes: then phonopy takes the conversion of its calculator, and VASP, like us, has charges in e, lengths in Å and
energies in eV."""

SAME_SITE = 0.3
"""Å. No site moves this far in a relaxation, and no two sites are this close."""


class BadBorn(UserError):
    """A BORN file that cannot be read or does not fit the crystal."""


def born_file(crystal: Crystal, given: Path | None) -> Path | None:
    """The BORN file of a crystal: the given one, or else the one beside its structure file.

    Raises:
        BadBorn: The given file does not exist.
    """
    if given is not None:
        if not given.is_file():
            raise BadBorn(f"{given}: there is no such file of Born charges")
        return given
    if crystal.file is None:
        return None
    beside = Path(crystal.file).with_suffix(SUFFIX)
    return beside if beside.is_file() else None


def read_born(path: Path, crystal: Crystal, phonons: Phono3py, symprec: float) -> NacParams:
    """Born charges and dielectric tensor of the primitive cell of a phonon calculation.

    The file is in phonopy's format: it lists the symmetry-independent atoms of the primitive cell that phonopy finds
    in the crystal as given, in the Cartesian axes of that cell. Its first line is the conversion of units, or else
    text. The standard cell may have other axes, and has another origin and order.

    Args:
        path: The file.
        crystal: The crystal as given.
        phonons: Of the same crystal, standardised and relaxed.
        symprec: Distance within which the symmetry of the crystal as given holds, Å.

    Raises:
        BadBorn: It cannot be read or does not fit.
    """
    from phonopy import Phonopy
    from phonopy.file_IO import parse_BORN

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cell = Phonopy(
                ase_to_phonopy(crystal_to_ase(crystal)), primitive_matrix="auto", symprec=symprec, log_level=0
            ).primitive
            born = parse_BORN(cell, symprec=symprec, filename=path)
            dataset = spglib.get_symmetry_dataset(
                (crystal.lattice, crystal.frac_coords, crystal.numbers), symprec=symprec
            )
    except Exception as error:
        raise BadBorn(f"{path}: not a BORN file of {crystal.formula} ({type(error).__name__}: {error})") from error
    in_given = cell.positions @ np.linalg.inv(crystal.lattice)
    in_standard = in_given @ np.asarray(dataset.transformation_matrix).T + np.asarray(dataset.origin_shift)
    to_relaxed = np.asarray(dataset.std_lattice) @ _to_unit_cell(dataset.std_lattice, phonons)
    order = _matching(in_standard @ to_relaxed, cell.numbers, phonons)
    if order is None:
        raise BadBorn(
            f"{path}: the sites of the relaxed {crystal.formula} cannot be matched with those of the cell as given"
        )
    turn = np.asarray(dataset.std_rotation_matrix)
    return {
        "factor": USUAL_FACTOR,
        **born,
        "born": np.array([turn @ born["born"][k] @ turn.T for k in order], dtype="double", order="C"),
        "dielectric": np.array(turn @ born["dielectric"] @ turn.T, dtype="double", order="C"),
    }


def _to_unit_cell(std_lattice: NDArray[np.float64], phonons: Phono3py) -> NDArray[np.float64]:
    """The linear map from the standard axes before the relaxation to those after it, Cartesian both."""
    whole = np.rint(np.asarray(std_lattice) @ np.linalg.inv(phonons.primitive.cell))
    return np.asarray(np.linalg.inv(std_lattice) @ whole @ phonons.primitive.cell)


def _matching(positions: NDArray[np.float64], numbers: NDArray[np.int64], phonons: Phono3py) -> list[int] | None:
    """For each atom of the primitive cell the index of its position, up to a shift of the origin."""
    primitive = phonons.primitive
    inverse = np.linalg.inv(primitive.cell)
    for start in np.flatnonzero(numbers == primitive.numbers[0]):
        apart = (positions - positions[start])[None] - (primitive.positions - primitive.positions[0])[:, None]
        apart = apart @ inverse
        distance = np.linalg.norm((apart - np.rint(apart)) @ primitive.cell, axis=2)
        distance[numbers[None] != primitive.numbers[:, None]] = np.inf
        order = distance.argmin(axis=1)
        if distance.min(axis=1).max() < SAME_SITE and len(set(order.tolist())) == len(order):
            return [int(k) for k in order]
    return None
