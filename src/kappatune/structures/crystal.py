"""A crystal as kappatune sees it, and the checks that every crystal passes before anything else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kappatune.errors import UserError
from kappatune.structures.formula import formula_key, symbol_counts, usual_formula
from kappatune.structures.neighbours import periodic_pairs

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

MIN_DISTANCE_ANGSTROM = 0.5
"""Two atoms closer than this overlap: the shortest bond known, H-H in H2, is 0.74 Å."""

MIN_VOLUME_PER_ATOM = 1.0
"""Å^3. The densest crystal at ambient pressure, diamond, has 5.7 Å^3 per atom."""

OCCUPANCY_TOLERANCE = 0.001 + 1e-9
"""Occupancies so near to 1 are whole atoms; several ions of one element that share a site fill it together."""

MAX_ATOMIC_NUMBER = 118
_ATOMIC_NUMBERS = frozenset(range(1, MAX_ATOMIC_NUMBER + 1))
MAX_VOLUME_PER_ATOM = 10_000.0
"""Å^3. With the two limits below, it bounds the memory of the search for neighbours."""

MAX_CELL_LENGTH_ANGSTROM = 1000.0
MIN_CELL_HEIGHT_ANGSTROM = 0.01

_FEW_ATOMS = 64
_PROBES = 4
_ALL_PAIRS = 10_000
_ONES = np.ones(3)


class BadCrystal(UserError):
    """A crystal that cannot be used; the message names the site and says what to do."""


class OverlappingAtoms(BadCrystal):
    """Two atoms of a crystal are one position, or closer than any bond.

    Attributes:
        first: Index of one of them.
        second: Index of the other; the same where an atom overlaps with its own image.
        distance: Å.
    """

    def __init__(self, message: str, first: int, second: int, distance: float) -> None:
        super().__init__(message)
        self.first, self.second, self.distance = first, second, distance


@dataclass(frozen=True)
class Crystal:
    """An ordered, periodic crystal.

    Attributes:
        lattice: (3, 3) row vectors, Å.
        numbers: (n_atoms,) atomic numbers.
        frac_coords: (n_atoms, 3) fractional coordinates.
        id: The name that follows the crystal into every result.
        file: The file it was read from, if any.
        remarks: What reading it found to say (`structures.remarks`).
    """

    lattice: NDArray[np.float64]
    numbers: NDArray[np.int64]
    frac_coords: NDArray[np.float64]
    id: str = ""
    file: str | None = None
    remarks: tuple[str, ...] = ()

    def named(self, id: str, file: str | None) -> Crystal:
        """The same crystal under another name; several times as fast as `dataclasses.replace`."""
        return Crystal(self.lattice, self.numbers, self.frac_coords, id, file, self.remarks)

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.numbers)

    @cached_property
    def volume(self) -> float:
        """Volume of the cell, Å^3."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def cartesian(self) -> NDArray[np.float64]:
        """(n_atoms, 3) Cartesian coordinates, Å."""
        return self.frac_coords @ self.lattice

    @cached_property
    def formula(self) -> str:
        """Reduced formula as the field writes it (`PbTe`)."""
        return usual_formula(self._symbol_counts)

    @cached_property
    def formula_key(self) -> str:
        """Reduced formula by which models and splits group crystals; its order of elements is another (`TePb`)."""
        return formula_key(self._symbol_counts)

    @cached_property
    def _symbol_counts(self) -> dict[str, float]:
        return symbol_counts(self.numbers)

    def to_pymatgen(self) -> Structure:
        """The same crystal as a pymatgen ``Structure``."""
        from pymatgen.core import Structure

        return Structure(self.lattice, self.numbers.tolist(), self.frac_coords)

    @classmethod
    def from_pymatgen(cls, structure: Structure, id: str = "", file: str | None = None) -> Crystal:
        """Take a pymatgen ``Structure``.

        Raises:
            BadCrystal: A site is partially occupied, shared, or not an element.
        """
        numbers = []
        for index, site in enumerate(structure, 1):
            elements = {getattr(species, "element", species) for species in site.species}
            if len(elements) != 1 or abs(sum(site.species.values()) - 1) > OCCUPANCY_TOLERANCE:
                raise BadCrystal(
                    f"site {index} is disordered ({site.species_string}): "
                    "replace it by an ordered approximant (for example with pymatgen's "
                    "OrderDisorderedStructureTransformation)"
                )
            element = elements.pop()
            symbol = getattr(element, "name", getattr(element, "symbol", str(element)))
            numbers.append(atomic_number(symbol, index))
        return cls(
            lattice=np.ascontiguousarray(structure.lattice.matrix, dtype=np.float64),
            numbers=np.array(numbers, dtype=np.int64),
            frac_coords=np.ascontiguousarray(structure.frac_coords, dtype=np.float64).reshape(-1, 3),
            id=id,
            file=file,
        )

    @classmethod
    def from_ase(cls, atoms: Atoms, id: str = "", file: str | None = None) -> Crystal:
        """Take ASE ``Atoms``.

        Raises:
            BadCrystal: The atoms are not periodic in all three directions, or a site is not an element.
        """
        if not all(atoms.pbc):
            raise BadCrystal(
                "the atoms are not periodic in all three directions: give a lattice "
                '(in extxyz: Lattice="..." and pbc="T T T")'
            )
        for site, symbol in enumerate(atoms.symbols, 1):
            atomic_number(symbol, site)
        lattice = np.array(atoms.cell.array, dtype=np.float64)
        _check_lattice(lattice, max(len(atoms), 1))
        return cls(
            lattice=lattice,
            numbers=np.array(atoms.numbers, dtype=np.int64),
            frac_coords=np.array(atoms.get_scaled_positions(wrap=False), dtype=np.float64),
            id=id,
            file=file,
        )


@dataclass(frozen=True)
class Rejection:
    """An input that could not be read or used: it keeps its place, and says why.

    Attributes:
        id: The name the crystal would have had.
        reason: What is wrong, where, and what to do.
        file: The file it was read from, if any.
        formula: Reduced formula, where it could still be read.
    """

    id: str
    reason: str
    file: str | None = None
    formula: str | None = field(default=None)


def check(crystal: Crystal) -> Crystal:
    """Refuse what is not a crystal.

    Returns:
        The same crystal.

    Raises:
        BadCrystal: No atoms; non-finite or flat cell; non-finite coordinates; overlapping atoms.
    """
    if crystal.n_atoms == 0:
        raise BadCrystal("the crystal has no atoms: check that the file is complete")
    if crystal.frac_coords.shape != (crystal.n_atoms, 3):
        raise BadCrystal(
            f"{crystal.n_atoms} atoms but coordinates of shape {crystal.frac_coords.shape}: give three per atom"
        )
    if not _ATOMIC_NUMBERS.issuperset(crystal.numbers.tolist()):
        raise BadCrystal("an atomic number is not that of an element: correct it")
    heights = _check_lattice(crystal.lattice, crystal.n_atoms)
    if np.count_nonzero(np.isfinite(crystal.frac_coords)) < crystal.frac_coords.size:
        site = int(np.flatnonzero(~np.isfinite(crystal.frac_coords).all(axis=1))[0])
        raise BadCrystal(
            f"site {site + 1} ({_symbol(crystal, site)}) has a coordinate that is not a number: correct it"
        )
    if min(heights) > 2 * MIN_DISTANCE_ANGSTROM and crystal.n_atoms <= _FEW_ATOMS and _are_apart(crystal):
        return crystal
    first, second, distances = neighbour_pairs(crystal, MIN_DISTANCE_ANGSTROM)
    if len(distances):
        closest = int(np.argmin(distances))
        i, j = int(first[closest]), int(second[closest])
        raise OverlappingAtoms(
            f"site {i + 1} ({_symbol(crystal, i)}) and site {j + 1} ({_symbol(crystal, j)}) are "
            f"{distances[closest]:.2f} Å apart: remove the duplicate or correct the coordinates",
            i,
            j,
            float(distances[closest]),
        )
    return crystal


def _are_apart(crystal: Crystal) -> bool:
    """Whether no atoms overlap, in a cell so thick that the nearest image of an atom is the one in the cell around."""
    apart = crystal.frac_coords[:, None] - crystal.frac_coords
    apart -= np.rint(apart)
    apart = apart.reshape(-1, 3) @ crystal.lattice
    near = (apart * apart) @ _ONES < MIN_DISTANCE_ANGSTROM**2 + 1e-6
    return bool(np.count_nonzero(near) == crystal.n_atoms)


def _volume_and_heights(a: list[float], b: list[float], c: list[float]) -> tuple[float, list[float]]:
    """Volume, Å^3, and distances of the planes that bound a cell, Å."""
    faces = [_cross(b, c), _cross(c, a), _cross(a, b)]
    volume = abs(a[0] * faces[0][0] + a[1] * faces[0][1] + a[2] * faces[0][2])
    return volume, [volume / math.hypot(*face) if any(face) else 0.0 for face in faces]


def _cross(a: list[float], b: list[float]) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def checked(crystal: Crystal) -> Crystal | Rejection:
    """The same crystal, or why it cannot be used."""
    try:
        return check(crystal)
    except BadCrystal as error:
        return Rejection(crystal.id, str(error), crystal.file, crystal.formula if crystal.n_atoms else None)


def check_angles(alpha: float, beta: float, gamma: float) -> None:
    """Refuse angles that no cell has.

    Args:
        alpha: Between the second and the third vector, degrees.
        beta: Between the first and the third.
        gamma: Between the first and the second.

    Raises:
        BadCrystal: A cell with these angles has no volume.
    """
    angles = [math.radians(angle) for angle in (alpha, beta, gamma)]
    cosines = [math.cos(angle) for angle in angles]
    if max(angles) >= math.pi or 1 - sum(c * c for c in cosines) + 2 * math.prod(cosines) <= 1e-9:
        raise BadCrystal("the cell angles describe a cell without volume: correct them")


def neighbour_pairs(
    crystal: Crystal, cutoff: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """All directed pairs of atoms within a cutoff, periodic images included.

    Args:
        crystal: The crystal.
        cutoff: Å.

    Returns:
        Centre (n_pairs,), neighbour (n_pairs,), distance (n_pairs,) in Å.
    """
    return periodic_pairs(crystal.lattice, crystal.frac_coords, cutoff)[:3]


def n_translations(crystal: Crystal, tolerance: float = 0.01) -> int:
    """Pure translations that map the crystal onto itself: 1 for a primitive cell.

    The number decides how many atoms the primitive cell has, on which the acoustic Debye temperature
    depends. Only the shifts between atoms of the rarest element can be translations, and a few of its
    atoms refute most of them, which makes this much faster than a full symmetry search.

    Args:
        crystal: A checked crystal.
        tolerance: How far from its image an atom may lie, Å.
    """
    elements, counts = np.unique(crystal.numbers, return_counts=True)
    if math.gcd(*counts.tolist()) == 1:
        return 1
    sites = [crystal.frac_coords[crystal.numbers == z] for z in elements[np.argsort(counts)]]
    shifts = sites[0][1:] - sites[0][0]
    for probe in sites[0][1 : 1 + _PROBES]:
        shifts = shifts[_lands(probe + shifts, sites[0], crystal.lattice, tolerance)]
    return 1 + sum(all(_lands(s + shift, s, crystal.lattice, tolerance).all() for s in sites) for shift in shifts)


def _lands(
    points: NDArray[np.float64], sites: NDArray[np.float64], lattice: NDArray[np.float64], tolerance: float
) -> NDArray[np.bool_]:
    """Whether each fractional point lies on one of the fractional sites, periodic images included."""
    if len(points) * len(sites) <= _ALL_PAIRS:
        apart = points[:, None] - sites[None]
        apart = (apart - np.round(apart)) @ lattice
        return np.asarray(np.einsum("ijk,ijk->ij", apart, apart).min(axis=1) < tolerance**2)
    from scipy.spatial import cKDTree

    inside = sites % 1.0 % 1.0  # a tiny negative number becomes 1.0 first, which is outside the box
    _, nearest = cKDTree(inside, boxsize=1.0).query(points % 1.0 % 1.0)
    apart = points - inside[nearest]
    return np.asarray(np.linalg.norm((apart - np.round(apart)) @ lattice, axis=1) < tolerance)


def _check_lattice(lattice: NDArray[np.float64], n_atoms: int) -> list[float]:
    """Refuse what is not a cell; the distances of its planes, Å."""
    entries = lattice.ravel().tolist()
    if lattice.shape != (3, 3) or not all(map(math.isfinite, entries)):
        raise BadCrystal("the cell has an entry that is not a number: correct the lattice vectors")
    longest = max(map(abs, entries))
    if longest > MAX_CELL_LENGTH_ANGSTROM:
        raise BadCrystal(
            f"the cell extends over {longest:.3g} Å, more than {MAX_CELL_LENGTH_ANGSTROM:g}: "
            "check the lattice vectors and their unit (Å)"
        )
    volume, heights = _volume_and_heights(entries[:3], entries[3:6], entries[6:])
    per_atom = volume / n_atoms
    if not MIN_VOLUME_PER_ATOM <= per_atom <= MAX_VOLUME_PER_ATOM:
        raise BadCrystal(
            f"the cell has {per_atom:.3g} Å^3 per atom, no crystal has less than {MIN_VOLUME_PER_ATOM:g} "
            f"or more than {MAX_VOLUME_PER_ATOM:g}: check the lattice vectors and their unit (Å)"
        )
    if min(heights) < MIN_CELL_HEIGHT_ANGSTROM:
        raise BadCrystal(f"the cell is {min(heights):.2g} Å thin: correct the lattice vectors")
    return heights


def _symbol(crystal: Crystal, site: int) -> str:
    return element_symbol(int(crystal.numbers[site]))


@cache
def element_symbol(number: int) -> str:
    """Chemical symbol of an atomic number."""
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])


@cache
def _numbers_by_symbol() -> dict[str, int]:
    from ase.data import atomic_numbers

    return {symbol: number for symbol, number in atomic_numbers.items() if number}


def number_of_element(symbol: str) -> int | None:
    """Atomic number of a chemical symbol, None for what is not an element."""
    return _numbers_by_symbol().get(symbol)


def atomic_number(symbol: str, site: int) -> int:
    """Atomic number of a chemical symbol.

    Raises:
        BadCrystal: The symbol of this site (counted from 1) is not an element.
    """
    if symbol in ("D", "T"):
        raise BadCrystal(
            f"site {site} is {symbol}, an isotope of hydrogen, and isotopes are not modelled: write it as H to continue"
        )
    number = _numbers_by_symbol().get(symbol)
    if number is None:
        raise BadCrystal(f"site {site} is '{symbol}', which is not a chemical element: correct its symbol")
    return number
