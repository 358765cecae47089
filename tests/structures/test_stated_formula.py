"""A formula that differs from the atoms: a remark where these are certain, a refusal where some may be missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kappatune
from kappatune.structures.remarks import Remark
from tests.screening.scans import rows_of, run_screen
from tests.structures.written import CIF, crystal, rejection

OPERATIONS = "loop_\n_space_group_symop_operation_xyz\n'x, y, z'\n'-x, -y, -z'\n"


def with_formula(formula: str, z: int | None = 1, operations: str = OPERATIONS, symbol: str = "P -1") -> str:
    """NaCl with two operations, a formula and a number of formulas."""
    stated = f"_chemical_formula_sum '{formula}'\n" + ("" if z is None else f"_cell_formula_units_Z {z}\n")
    return CIF.replace("loop_", stated + operations + "loop_", 1).replace("'P 1'", f"'{symbol}'")


OXYGEN = "O1 O 0.25 0.25 0.25 1\n"
"""A site that the second operation repeats."""

DIFFERS = {
    "an element left out": (with_formula("Na1 Cl1") + OXYGEN, "the file states Na1Cl1, its atoms are Na1Cl1O2"),
    "too few of an element": (with_formula("Na1 Cl1 O1") + OXYGEN, "Na1Cl1O1, its atoms are Na1Cl1O2"),
    "per formula": (with_formula("Cl0.5 Na0.5", z=2) + OXYGEN, "states 2 times Na0.5Cl0.5, its atoms are Na1Cl1O2"),
}
MISSING = {
    "more of an element": with_formula("Na1 Cl2"),
    "another element": with_formula("Na1 Cl1 H4"),
    "twice the atoms": with_formula("Na1 Cl1", z=2) + OXYGEN,
    "Z not given": with_formula("Na1 Cl1", z=None) + OXYGEN,
    "no operations": with_formula("Na1 Cl1", operations="") + OXYGEN,
    "operations of another group": with_formula("Na1 Cl1", symbol="P 4") + OXYGEN,
}


@pytest.mark.parametrize("name", DIFFERS)
def test_a_formula_that_merely_differs_is_a_remark(tmp_path, name):
    text, says = DIFFERS[name]
    (remark,) = crystal(tmp_path, "a.cif", text).remarks
    assert Remark.of(remark) is Remark.FORMULA and says in remark


@pytest.mark.parametrize("name", MISSING)
def test_a_file_that_may_lack_atoms_is_refused(tmp_path, name):
    assert re.search(
        "atom list gives|operations is incomplete or wrong", rejection(tmp_path, "a.cif", MISSING[name]).reason
    )


def test_a_formula_that_agrees_is_no_remark(tmp_path):
    assert crystal(tmp_path, "a.cif", with_formula("Na1 Cl1 O2") + OXYGEN).remarks == ()
    assert crystal(tmp_path, "b.cif", with_formula("Na1 Cl1")).remarks == ()


def test_the_remark_arrives_in_every_row(tmp_path):
    (tmp_path / "a.cif").write_text(DIFFERS["an element left out"][0])
    (row,) = kappatune.predict(tmp_path / "a.cif", "fast")
    assert row.kappa_w_mk is not None and Remark.of(row.remarks[0]) is Remark.FORMULA
    code, stderr = run_screen(
        tmp_path, tmp_path / "a.cif", "--out", tmp_path / "scan", "--model", "fast", "--workers", 1
    )
    assert code == 0, stderr
    (scanned,) = rows_of(tmp_path / "scan")
    assert scanned["remarks"] == [*row.remarks]
    (ranked,) = kappatune.rank(tmp_path / "scan")
    assert ranked.remarks == row.remarks
    page = Path(kappatune.report(tmp_path / "scan", tmp_path / "report.html")).read_text(encoding="utf-8")
    assert "What the numbers do not say" in page and "formula differs: the file states Na1Cl1" in page
