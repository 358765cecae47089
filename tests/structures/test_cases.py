"""Small files that 0.1.0 read as another crystal, or refused though their meaning is clear (`cases/`).

Each stands beside a clean file of the same crystal; where the meaning is not clear, the refusal names the fault.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from kappatune.model.kappa_model import KappaModel
from kappatune.structures import Crystal, Rejection, read_content, read_crystals

CASES = Path(__file__).parent / "cases"
SAME = {
    "01-wo3-P21n-with-number.cif": ("clean-wo3.cif", "WO3", 32),
    "03-wo3-hall-and-number.cif": ("clean-wo3.cif", "WO3", 32),
    "04-si-origin2-colon-with-number.cif": ("clean-si.cif", "Si", 8),
    "06-anatase-origin2-with-number.cif": ("clean-anatase.cif", "TiO2", 12),
    "07-spinel-origin2-with-number.cif": ("clean-spinel.cif", "MgAl2O4", 56),
    "09-bi2te3-R-axes-bare-symbol.cif": ("clean-bi2te3-rhombohedral.cif", "Bi2Te3", 5),
    "10-bi2te3-R-axes-with-formula.cif": ("clean-bi2te3-rhombohedral.cif", "Bi2Te3", 5),
    "11-calcite-R-axes.cif": ("clean-calcite.cif", "CaCO3", 10),
    "13-neg-scale-cartesian.vasp": ("clean-mgo.vasp", "MgO", 2),
    "15-identity-left-out.cif": ("clean-sio2-4ops.cif", "SiO2", 12),
    "21-dotted-space-group-tags.cif": ("clean-mgo.cif", "MgO", 8),
    "30-vasp4-symbols-in-line-1.vasp": ("clean-mgo.vasp", "MgO", 2),
    "31-latin-1-author-name.cif": ("clean-mgo.cif", "MgO", 8),
    "32-mgo.mcif": ("clean-mgo.cif", "MgO", 8),
    "SPOSCAR": ("clean-mgo.vasp", "MgO", 2),
    "34-si-colon2-no-number.cif": ("clean-si.cif", "Si", 8),
    "35-si-Z-no-number.cif": ("clean-si.cif", "Si", 8),
    "37-mgo-F-m-3-m-old-symbol.cif": ("clean-mgo.cif", "MgO", 8),
    "39-mgo-name_H-M_ref.cif": ("clean-mgo.cif", "MgO", 8),
    "40-zno-three-digit-thirds.cif": ("clean-zno.cif", "ZnO", 4),
    "41-al2o3-three-digit-thirds.cif": ("clean-al2o3.cif", "Al2O3", 30),
    "43-attached-hydrogens-unknown.cif": ("clean-mgo.cif", "MgO", 8),
    "44-occupancy-dot.cif": ("clean-mgo.cif", "MgO", 8),
    "48-capital-tags.cif": ("clean-mgo.cif", "MgO", 8),
    "50-dotted-cif2-names.cif": ("clean-mgo.cif", "MgO", 8),
    "51-cell-in-a-loop.cif": ("clean-mgo.cif", "MgO", 8),
    "53-no-label-column.cif": ("clean-mgo.cif", "MgO", 8),
    "54-three-scale-factors.vasp": ("clean-mgo.vasp", "MgO", 2),
    "56-saved-optimade-answer.json": ("clean-mgo.json", "MgO", 2),
}
FEW_DIGITS = {
    "13-neg-scale-cartesian.vasp": 1e-3,
    "40-zno-three-digit-thirds.cif": 0.02,
    "41-al2o3-three-digit-thirds.cif": 0.02,
}
"""Largest relative difference of kappa: the volume of the first is rounded up by a part in 8,000."""
REFUSED = {
    "16-centring-left-out.cif": r"give 6 atoms .* contradicts 'C c' and Z = 4 of Cs2 Ti: list all operations",
    "18-generators-only.cif": r"3 operations form no group.* contradicts 'F m -3 m' and Z = 4 of Mg O",
    "19-identity-only-under-Fm-3m.cif": r"give 2 atoms .* contradicts 'F m -3 m' and Z = 4 of Mg O",
    "20-no-symmetry-Z4.cif": r"gives no symmetry, and its 2 atoms contradict Z = 4 of Mg O: list the symmetry",
    "23-type-symbol-H2O.cif": r"site 2 \('A1'\) is 'H2O', a group of atoms",
    "24-type-symbol-CO3.cif": r"site 2 \('A1'\) is 'CO3', a group of atoms",
    "26-type-symbol-Si0.5Al0.5.cif": r"site 2 \('A1'\) is 'Si0.5Al0.5', a site shared by several elements",
}


def only(name: str) -> Crystal:
    (entry,) = read_crystals([CASES / name])
    assert isinstance(entry, Crystal), entry
    return entry


@pytest.mark.parametrize("name", SAME)
def test_the_crystal_is_that_of_the_clean_file(name: str) -> None:
    clean, formula, n_atoms = SAME[name]
    crystal = only(name)
    assert (crystal.formula, crystal.n_atoms) == (formula, n_atoms)
    matcher = StructureMatcher(ltol=0.01, stol=0.02, primitive_cell=False, scale=False)
    assert matcher.fit(crystal.to_pymatgen(), only(clean).to_pymatgen())


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_fault(name: str) -> None:
    (entry,) = read_crystals([CASES / name])
    assert isinstance(entry, Rejection) and re.search(REFUSED[name], entry.reason), entry


def test_several_poscars_in_one_file_are_several_rows() -> None:
    entries = list(read_crystals([CASES / "28-two-poscars-in-one-file.vasp"]))
    assert [(e.id[-2:], e.formula) for e in entries] == [("#1", "MgO"), ("#2", "NaCl")]


@pytest.mark.parametrize(("name", "n_atoms"), [("46-mixed-valence-Fe2Fe3.cif", 8), ("47-mixed-valence.json", 2)])
def test_ions_of_one_element_fill_a_site_together(name: str, n_atoms: int) -> None:
    assert (only(name).formula, only(name).n_atoms) == ("FeO", n_atoms)


@pytest.mark.parametrize("name", [*SAME, *REFUSED, "28-two-poscars-in-one-file.vasp"])
def test_content_alone_gives_the_same(name: str) -> None:
    by_name = list(read_crystals([CASES / name]))
    by_content = list(read_content((CASES / name).read_bytes(), "pasted"))
    assert [e.formula for e in by_name] == [e.formula for e in by_content]
    assert [getattr(e, "reason", None) for e in by_name] == [getattr(e, "reason", None) for e in by_content]


def test_the_conductivity_is_that_of_the_clean_file() -> None:
    model = KappaModel.load("fast")
    rows = model.predict([only(name) for name in SAME])
    clean = model.predict([only(name) for name, *_ in SAME.values()])
    for name, row, right in zip(SAME, rows, clean, strict=True):
        assert row.kappa_w_mk == pytest.approx(right.kappa_w_mk, rel=FEW_DIGITS.get(name, 1e-4)), name


def test_every_case_is_tested() -> None:
    tested = {
        *SAME,
        *REFUSED,
        "28-two-poscars-in-one-file.vasp",
        "46-mixed-valence-Fe2Fe3.cif",
        "47-mixed-valence.json",
    }
    assert {path.name for path in CASES.iterdir() if not path.name.startswith("clean-")} == tested
    for path in CASES.glob("clean-*"):
        only(path.name)
