"""Formulas: one as the field writes it, and one by which crystals are grouped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition

import kappatune
from kappatune.structures import Crystal
from kappatune.structures.crystal import MAX_ATOMIC_NUMBER
from kappatune.structures.formula import formula_key, symbol_counts, usual_formula
from tests.builders import rocksalt


@pytest.mark.parametrize(
    "formulas",
    [
        "NaCl Si LiZnP TiO2 Bi2Te3 BaTiO3 PbTe SnTe PbSe GeTe SnSe HgTe SiC BAs InSb Mg2Sn CoSb3 Yb14MnSb11 KHS",
        "CuGaTe2 AgGaTe2 CuInTe2 AgSbTe2 Cu2ZnSnS4 CsPbI3 ZrNiSn TiNiSn HfNiPb NbFeSb CuAl2 FeAl LiFePO4 BaClF BiOCl",
        "MgAl2O4 H2O O2 CH4 NH3 NH4Cl CO2 C2H6O SO2 OF2 Ar XeF2 Li2O2",
        "KClO4 NaClO3 KIO3 NaNO3 CaCO3 NaHCO3 HNO3 LaOCl",
    ],
    ids=["binary", "ternary", "molecules", "oxo-anions"],
)
def test_a_formula_is_written_as_the_field_writes_it(formulas):
    for formula in formulas.split():
        counts = Composition(formula).get_el_amt_dict()
        assert usual_formula(counts) == formula == usual_formula({symbol: 4 * n for symbol, n in counts.items()})


@given(st.lists(st.integers(1, MAX_ATOMIC_NUMBER), min_size=1, max_size=12))
def test_both_formulas_have_the_atoms_and_not_their_order(numbers):
    counts = symbol_counts(np.array(numbers))
    for formula in (usual_formula, formula_key):
        whole = Composition(formula(counts))
        assert whole.fractional_composition.almost_equals(Composition(counts).fractional_composition)
        assert formula(symbol_counts(np.array(numbers[::-1]))) == formula(counts)


def test_rows_show_the_usual_formula_and_models_know_it_by_their_own():
    crystal = rocksalt(82, 52, 6.462)
    assert (crystal.formula, crystal.formula_key) == ("PbTe", "TePb")
    (row,) = kappatune.predict(crystal, "fast")
    assert row.formula == "PbTe"
    assert (
        isinstance(crystal, Crystal) and crystal.formula_key in kappatune.KappaModel.load("fast").card.formulas["agl"]
    )
