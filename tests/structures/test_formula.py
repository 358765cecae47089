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
        "CuFeS2 Cu5FeS4 CuFe2S3 Cu2FeSnS4 Cu2MnSnSe4 Cu3VS4 Cu3NbSe4 Cu3SbSe4 Cu3AsS4 Cu12Sb4S13 CuCrSe2 AgCrSe2 "
        "CuCo2S4 CdCr2Se4 HgCr2Se4 FeCr2S4 Tl3VSe4 TlCuCl3 TlCu2Te2 AgBiSe2 CuInSe2 PbSb2S4 SnSb2Te4 Ge2Sb2Te5 PbSnS2 "
        "BiSbTe3 K2CuVS4 BaCu2S2 CuYS2 Ta2NiSe5 Fe3GeTe2 CrGeTe3 CoAsS IrSbS Ag8GeTe6 In2ZrBr6",
        "CuFeO2 CuCrO2 AgCrO2 CuYO2 PbTiO3 PbZrO3 BiFeO3 BiVO4 BiNbO4 InMnO3 GaFeO3 LaAlO3 GdFeO3 YMnO3 FeTiO3 NiTiO3 "
        "FeCr2O4 CoFe2O4 NiFe2O4 CuFe2O4 MnFe2O4 NiCo2O4 ZnCr2O4 MgFe2O4 ZnGa2O4 Zn2TiO4 Ni2SiO4 ZrSiO4 ZnWO4 PbMoO4 "
        "CuWO4 FeVO4 Sr2FeMoO6 La2NiMnO6 La2CuO4 EuDy2O4 BiB3O6 Bi4Ge3O12 Bi4Ti3O12 SrBi2Ta2O9 CaCu3Ti4O12 La2O2S "
        "Bi2O2Se BiCuSeO LaFeAsO",
        "CaZn2Sb2 YbMg2Bi2 BaFe2As2 CaAl2Si2 LaFe4Sb12 YbCo4Sb12 MnBi2Te4 CsBi4Te6 BaZn2As2 ZnGeP2 CdSnAs2 CuGe2P3 "
        "ZnSnN2 CuTaN2 Fe2VAl Fe2TiSn Co2MnSi Co2MnGa Ni2MnGa Cu2MnAl Mn2VAl ZrCoSb",
        "Ca3(PO4)2 Ca(NO3)2 CaMg(CO3)2 YAl3(BO3)4 Mg(BH4)2 NaOH Ca(OH)2 Al(OH)3 KH2PO4 H3PO4 H3BO3 BaB2O4 ZrW2O8",
    ],
    ids=["binary", "ternary", "molecules", "oxo-anions", "chalcogenides", "oxides", "alloys", "parentheses"],
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
        assert Composition(formula(counts)).get_el_amt_dict().keys() == counts.keys()


def test_rows_show_the_usual_formula_and_models_know_it_by_their_own():
    crystal = rocksalt(82, 52, 6.462)
    assert (crystal.formula, crystal.formula_key) == ("PbTe", "TePb")
    (row,) = kappatune.predict(crystal, "fast")
    assert row.formula == "PbTe"
    assert (
        isinstance(crystal, Crystal) and crystal.formula_key in kappatune.KappaModel.load("fast").card.formulas["agl"]
    )
