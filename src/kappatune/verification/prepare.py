"""From a standard cell to supercells with displaced atoms: what the cost is estimated from and the forces are for."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from kappatune.errors import UserError, install_hint
from kappatune.structures import Crystal
from kappatune.structures.crystal import neighbour_pairs
from kappatune.verification.cell_formats import ase_to_phonopy, phonopy_to_ase
from kappatune.verification.forces import cell_hash
from kappatune.verification.outcomes import TooLarge
from kappatune.verification.settings import VerifySettings
from kappatune.verification.snapshots import are_worthwhile, displace_all_atoms
from kappatune.verification.standard_cell import IDEAL_SYMPREC, StandardCell

if TYPE_CHECKING:
    from ase import Atoms
    from phono3py import Phono3py
    from phonopy.structure.atoms import PhonopyAtoms

GAP_WINDOW = 0.1
"""How far, relative to it, the pair cutoff may move to lie in a gap between neighbour distances."""


Displacements = Literal["pairs", "snapshots"]
"""What is displaced for third order: pairs of atoms, or all atoms at random."""


class NoPhono3py(UserError):
    """phono3py is not installed."""


def require_phono3py() -> None:
    """Check that phono3py is installed.

    Raises:
        NoPhono3py: It is not.
    """
    if importlib.util.find_spec("phono3py") is None:
        raise NoPhono3py(f"kappa from phonons needs phono3py: {install_hint('phonons')}")


@dataclass(frozen=True)
class PreparedCrystal:
    """A crystal with its supercells and displacements, before any force is known.

    Attributes:
        cell: Its standard cells.
        phono3py: The object of phono3py, with displacements and without forces.
        third_order: Which displacements third order follows from.
        pair_cutoff: Largest distance between two displaced atoms, Å; None for snapshots.
        single_cells: The harmonic supercell at rest, then with each displaced atom.
        displaced_cells: The other supercell at rest, then with each displaced pair, None for one beyond the cutoff, or
            each snapshot.
        n_forces: Force calculations in all; a cell that occurs twice counts once.
        n_forces_of_pairs: How many displaced pairs take.
    """

    cell: StandardCell
    phono3py: Phono3py
    third_order: Displacements
    pair_cutoff: float | None
    single_cells: tuple[Atoms, ...]
    displaced_cells: tuple[Atoms | None, ...]
    n_forces: int
    n_forces_of_pairs: int

    @property
    def n_cells(self) -> int:
        """Cells with and without displacements; one that occurs twice counts twice."""
        return len(self.single_cells) + sum(cell is not None for cell in self.displaced_cells)

    @property
    def supercell_half_height(self) -> float:
        """Half the smallest height of the supercell for third order, Å: pairs beyond it meet their own images."""
        return float(0.5 / np.linalg.norm(np.linalg.inv(self.phono3py.supercell.cell), axis=0).max())

    @property
    def supercell_label(self) -> str:
        """Repetitions and atoms of the supercell for third order, as `2x2x2, 64 atoms`."""
        return _label(self.phono3py.supercell_matrix, self.phono3py.supercell, self.cell.conventional)

    @property
    def harmonic_supercell_label(self) -> str:
        """The same of the harmonic supercell."""
        phonons = self.phono3py
        return _label(phonons.phonon_supercell_matrix, phonons.phonon_supercell, self.cell.conventional)


def prepare(cell: StandardCell, settings: VerifySettings) -> PreparedCrystal:
    """Choose supercells and displacements.

    Args:
        cell: The crystal, relaxed or not.
        settings: Sizes of the supercells, length and reach of the displacements.

    Raises:
        TooLarge: There would be more force calculations than `max_forces`.
    """
    from phono3py import Phono3py

    repeated, matrix, harmonic_matrix = choose_supercells(cell, settings)
    phonons = Phono3py(
        ase_to_phonopy(repeated),
        supercell_matrix=matrix,
        primitive_matrix="P" if repeated is cell.primitive else cell.dataset.international[0],
        phonon_supercell_matrix=harmonic_matrix,
        symprec=IDEAL_SYMPREC,
        log_level=0,
    )
    cutoff = choose_pair_cutoff(cell.primitive, settings)
    if settings.third_order == "pairs" and (n_least := fewest_pairs(phonons, cutoff)) > settings.max_forces:
        raise _too_large(f"at least {n_least:,}", phonons, settings)
    phonons.generate_displacements(distance=settings.displacement, cutoff_pair_distance=cutoff)
    single_cells = tuple(
        phonopy_to_ase(single) for single in (phonons.phonon_supercell, *phonons.phonon_supercells_with_displacements)
    )
    displaced_cells = _displaced_cells(phonons)
    n_forces = n_forces_of_pairs = _n_forces(single_cells, displaced_cells)
    third_order: Displacements = "pairs"
    n_others = _n_forces(single_cells, displaced_cells[:1])
    if settings.third_order == "fewest forces" and are_worthwhile(phonons, n_forces_of_pairs, n_others):
        third_order = "snapshots"
        displace_all_atoms(phonons, settings.displacement)
        displaced_cells = _displaced_cells(phonons)
        n_forces = _n_forces(single_cells, displaced_cells)
    if n_forces > settings.max_forces:
        raise _too_large(f"{n_forces:,}", phonons, settings)
    return PreparedCrystal(
        cell,
        phonons,
        third_order,
        cutoff if third_order == "pairs" else None,
        single_cells,
        displaced_cells,
        n_forces,
        n_forces_of_pairs,
    )


def fewest_pairs(phonons: Phono3py, cutoff: float) -> int:
    """A lower bound of the displaced pairs, known long before they are: of a thousand atoms there may be millions.

    Each displacement of a first atom has at least one pair for the second atoms within the cutoff that the symmetry of
    the first atom's site makes equivalent.

    Args:
        phonons: With the supercell for third order.
        cutoff: Of the pairs, Å.
    """
    from phonopy.harmonic.displacement import get_least_displacements

    supercell, symmetry = phonons.supercell, phonons.symmetry
    pairs = np.unique(neighbour_pairs(Crystal.from_ase(phonopy_to_ase(supercell)), cutoff)[:2], axis=1)
    n_near = 1 + np.bincount(pairs[0, pairs[0] != pairs[1]], minlength=len(supercell))
    first_atoms = [displacement[0] for displacement in get_least_displacements(symmetry, is_diagonal=False)]
    return sum(math.ceil(n_near[atom] / len(symmetry.get_site_symmetry(atom))) for atom in first_atoms)


def _too_large(n_forces: str, phonons: Phono3py, settings: VerifySettings) -> TooLarge:
    return TooLarge(
        f"{n_forces} force calculations of {len(phonons.supercell)} atoms, more than max_forces = "
        f"{settings.max_forces:,}: use a lower quality or a shorter pair cutoff, or allow more in `VerifySettings`"
    )


def _displaced_cells(phonons: Phono3py) -> tuple[Atoms | None, ...]:
    return tuple(
        None if cell is None else phonopy_to_ase(cell)
        for cell in (phonons.supercell, *phonons.supercells_with_displacements)
    )


def _n_forces(single_cells: tuple[Atoms, ...], displaced_cells: tuple[Atoms | None, ...]) -> int:
    return len({cell_hash(atoms) for atoms in (*single_cells, *displaced_cells) if atoms is not None})


def choose_supercells(
    cell: StandardCell, settings: VerifySettings
) -> tuple[Atoms, NDArray[np.int64], NDArray[np.int64]]:
    """The cell to repeat, and the matrices, (3, 3), that make the supercells for third and for second order of it.

    The conventional cell is repeated as often as makes the supercell as round as the symmetry of the lattice and the
    number of atoms allow (phonopy's `estimate_supercell_matrix`). An order for which the conventional cell alone has
    more atoms than allowed gets the primitive cell.
    """
    fits = len(cell.conventional) <= settings.max_atoms
    if fits or len(cell.primitive) == len(cell.conventional):
        third, second = (_roundest_repeats(cell, n) for n in (settings.max_atoms, settings.max_harmonic_atoms))
        return cell.conventional, third, second
    one = np.eye(3, dtype=np.int64)
    if len(cell.conventional) > settings.max_harmonic_atoms:
        return cell.primitive, one, one
    conventional = np.rint(np.linalg.solve(cell.primitive.cell.T, cell.conventional.cell.T)).astype(np.int64)
    return cell.primitive, one, conventional @ _roundest_repeats(cell, settings.max_harmonic_atoms)


def _roundest_repeats(cell: StandardCell, max_atoms: int) -> NDArray[np.int64]:
    """(3, 3) diagonal: how often the conventional cell is repeated along each vector."""
    from phonopy.structure.cells import estimate_supercell_matrix

    return np.diag(estimate_supercell_matrix(cell.dataset, max_num_atoms=max_atoms)).astype(np.int64)


def choose_pair_cutoff(primitive: Atoms, settings: VerifySettings) -> float:
    """The largest distance between two displaced atoms, Å (see `VerifySettings.reach`)."""
    if settings.pair_cutoff is not None:
        return settings.pair_cutoff
    wanted = settings.reach * (primitive.get_volume() / len(primitive)) ** (1 / 3)
    low, high = (1 - GAP_WINDOW) * wanted, (1 + GAP_WINDOW) * wanted
    distances = neighbour_pairs(Crystal.from_ase(primitive), high)[2]
    edges = np.unique([low, *distances[distances > low], high])
    widest = int(np.argmax(np.diff(edges)))
    return float(edges[widest : widest + 2].mean())


def _label(matrix: NDArray[np.int64], supercell: PhonopyAtoms, conventional: Atoms) -> str:
    repeats = np.diag(matrix)
    if np.count_nonzero(matrix) > len(matrix):  # of the primitive cell, along the conventional vectors
        repeats = np.rint(np.linalg.norm(supercell.cell, axis=1) / conventional.cell.lengths())
    return f"{'x'.join(str(int(n)) for n in repeats)}, {len(supercell)} atoms"
