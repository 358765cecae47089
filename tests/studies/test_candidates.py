from __future__ import annotations

from kappatune.screening import RankedCrystal
from studies.phonons.candidate_choice import N_PER_ANION, N_PER_PROTOTYPE, varied


def ranked(*formulas: str) -> list[RankedCrystal]:
    return [RankedCrystal(id=str(k), formula=formula, kappa_w_mk=0.1 + k) for k, formula in enumerate(formulas)]


def test_each_formula_is_taken_once_the_lowest_first():
    assert [crystal.id for crystal in varied(ranked("CsI", "CsI", "Tl2Se"))] == ["0", "2"]


def test_no_prototype_and_no_anion_is_taken_too_often():
    rows = varied(ranked("CsI", "RbI", "KI", "TlBr", "Cs2S"))
    assert [crystal.formula for crystal in rows] == ["CsI", "RbI", "Cs2S"]
    assert N_PER_PROTOTYPE == 2
    iodides = ["CsI", "RbI", "PbI2", "SnI2", "BiI3", "SbI3", "TlI4"]
    assert len(varied(ranked(*iodides))) == N_PER_ANION
