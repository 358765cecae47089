"""What pymatgen, ASE and gemmi write is read back as the same crystal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from kappatune.structures import Crystal, read_content
from kappatune.structures.crystal import neighbour_pairs
from studies.reading.writers import SYMMETRIC as WITH_SYMMETRY
from studies.reading.writers import WRITERS

ELEMENTS = ["Na", "Cl", "Si", "O", "Fe", "Bi", "Te", "H"]
SYMMETRIC = {
    "rocksalt": ("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "diamond": ("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]]),
    "wurtzite": ("P6_3mc", Lattice.hexagonal(3.25, 5.21), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]]),
    "corundum": ("R-3c", Lattice.hexagonal(4.76, 12.99), ["Al", "O"], [[0, 0, 0.3522], [0.3063, 0, 0.25]]),
    "rutile": ("P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]),
    "monoclinic": (
        "P2_1/c",
        Lattice.monoclinic(5.1, 5.2, 5.3, 99.2),
        ["Zr", "O"],
        [[0.27, 0.04, 0.21], [0.07, 0.33, 0.34]],
    ),
}


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    lengths = draw(st.lists(st.floats(4.0, 12.0), min_size=3, max_size=3))
    angles = draw(st.lists(st.floats(65.0, 115.0), min_size=3, max_size=3))
    grid = draw(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=8, unique=True))
    shift = np.array(draw(st.lists(st.floats(-0.09, 0.09), min_size=3, max_size=3)))
    species = draw(st.lists(st.sampled_from(ELEMENTS), min_size=len(grid), max_size=len(grid)))
    return Structure(Lattice.from_parameters(*lengths, *angles), species, np.array(grid) / 3 + shift)


def distances(crystal: Crystal) -> list[tuple[int, int, float]]:
    first, second, distance = neighbour_pairs(crystal, 6.0)
    numbers = crystal.numbers
    return sorted(zip(numbers[first].tolist(), numbers[second].tolist(), distance.tolist(), strict=True))


@pytest.mark.parametrize("writer", [writer for writer in WRITERS if writer not in WITH_SYMMETRY])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(structure=structures())
def test_any_crystal_comes_back(writer: str, structure: Structure) -> None:
    (entry,) = read_content(WRITERS[writer](structure).encode(), writer)
    assert isinstance(entry, Crystal), entry
    assert sorted(entry.numbers.tolist()) == sorted(structure.atomic_numbers)
    assert entry.volume == pytest.approx(structure.volume, rel=1e-4)
    expected = np.array([d for *_, d in sorted(distances(Crystal.from_pymatgen(structure)), key=lambda p: p[2])])
    found = np.array([d for *_, d in sorted(distances(entry), key=lambda p: p[2])])
    shared = min(len(expected), len(found))
    assert abs(len(expected) - len(found)) <= 2 * len(structure)  # pairs at the cutoff itself
    np.testing.assert_allclose(found[:shared], expected[:shared], atol=2e-3)


@pytest.mark.parametrize("kind", SYMMETRIC)
@pytest.mark.parametrize("refined", [True, False])
def test_symmetric_crystals_come_back(kind: str, refined: bool) -> None:
    structure = Structure.from_spacegroup(*SYMMETRIC[kind])
    (entry,) = read_content(str(CifWriter(structure, symprec=0.01, refine_struct=refined)).encode(), "x.cif")
    assert isinstance(entry, Crystal), entry
    assert entry.n_atoms == len(structure)
    assert StructureMatcher(primitive_cell=False, scale=False).fit(entry.to_pymatgen(), structure)


@pytest.mark.parametrize("kind", SYMMETRIC)
@pytest.mark.parametrize("writer", WRITERS)
def test_symmetric_crystals_come_back_from_every_writer(kind: str, writer: str) -> None:
    structure = Structure.from_spacegroup(*SYMMETRIC[kind])
    (entry,) = read_content(WRITERS[writer](structure).encode(), writer)
    assert isinstance(entry, Crystal), entry
    assert entry.n_atoms == len(structure)
    assert StructureMatcher(primitive_cell=False, scale=False).fit(entry.to_pymatgen(), structure)
