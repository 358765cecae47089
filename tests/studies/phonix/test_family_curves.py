from __future__ import annotations

import numpy as np
import pytest
import torch

from studies.phonix.curve_learners import ArmInputs
from studies.phonix.curve_models import after_stage, plain_recipe
from studies.phonix.family_curves import FEW, FamilyCell, cell_name, family_cell, largest_families
from studies.phonix.family_curves_section import FamilyCurves, family_section, family_sentence
from tests.studies.phonix.synthetic import row, synthetic_labels

ROWS = [r for r in synthetic_labels().rows if r.crystal.id.startswith("mp-")]
FORMULAS = np.array([r.crystal.formula_key for r in ROWS])
OXIDES, HALIDES = "O AB 225 2", "F AB 225 2"


def test_the_largest_families_come_first_and_none_of_their_formulas_is_learnt():
    rows = [*ROWS, row("MgO", "zincblende", 9.0, "mp-99")]
    formulas = np.array([r.crystal.formula_key for r in rows])
    families = largest_families(rows)
    tested = [len(family.test) for family in families]
    assert tested == sorted(tested, reverse=True) and {family.part for family in families} >= {OXIDES, HALIDES}
    for family in families:
        assert not set(formulas[family.train]) & set(formulas[family.test])
    oxides = next(family for family in families if family.part == OXIDES)
    assert set(formulas[oxides.test]) == {"MgO", "CaO", "SrO", "BaO"}
    assert len(oxides.train) == len(rows) - 5, "the other crystal of MgO is not learnt either"


def test_a_cell_learns_no_value_of_its_family():
    family = largest_families(ROWS)[0]
    values = torch.from_numpy(np.random.default_rng(1).normal(size=(len(ROWS), 5)))
    inputs = ArmInputs(values, (range(5),), torch.zeros(len(ROWS)).double())
    first = family_cell("trees", inputs, ROWS, family, 12, 2)
    assert first.name == cell_name(family.part, "trees", 12, 2) == f"{family.part}, trees, 00012, 2"
    assert (first.n_tested, first.n_known) == (len(family.test), len(family.train))
    others = [
        row(f, "rocksalt", 1e6 * r.kappa if k in family.test else r.kappa, r.crystal.id)
        for k, (f, r) in enumerate(zip(FORMULAS, ROWS, strict=True))
    ]
    moved = family_cell("trees", inputs, others, family, 12, 2)
    assert moved.bias_log10 == pytest.approx(first.bias_log10 - 6.0)


def test_a_model_whose_stage_saw_a_tested_formula_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "studies.phonix.curve_models.KappaModel.load",
        lambda _: type("Model", (), {"card": type("Card", (), {"formulas": {"agl": ["NaCl", "MgO"]}})})(),
    )
    (tmp_path / "card.json").write_text("{}")
    recipe = plain_recipe(tmp_path, pretrained=False)
    table = pytest.fail  # the stored model is read, not trained again
    assert after_stage(recipe, table, frozenset(["CaO"]).__contains__, tmp_path)
    with pytest.raises(ValueError, match="has seen MgO, which is tested"):
        after_stage(recipe, table, frozenset(["MgO"]).__contains__, tmp_path)


def cells_of(arm, few, everything, families=(OXIDES, HALIDES)):
    """Errors that grow by 0.1 from one family to the next."""
    return [
        FamilyCell(
            arm=arm,
            n=n,
            draw=draw,
            family=family,
            n_known=500 + k,
            n_tested=20 - k,
            mean_abs_log10=error + 0.1 * k + 0.01 * (draw - 2),
            bias_log10=0.0,
            spearman=None,
            seconds=0.0,
            date="2026-01-01",
            versions={},
        )
        for k, family in enumerate(families)
        for n, error in ((FEW, few), (500 + k, everything))
        for draw in (1, 2, 3)
    ]


def test_the_section_shows_each_family_and_which_gains_are_seen():
    cells = cells_of("trees", 0.4, 0.3) + cells_of("trees-agl", 0.3, 0.3) + cells_of("agl", 0.2, 0.2)[:-1]
    curves = FamilyCurves(cells)
    assert curves.arms == ["trees", "trees-agl"] and curves.families == [OXIDES, HALIDES]
    text = "\n\n".join(family_section(curves))
    few, everything = text.split("with all labels:")
    assert f"| {OXIDES} | 20 | 100 | 0.400 | 0.300 |" in few
    assert f"| {HALIDES} | 19 | 501 | 0.400 | 0.400 |" in everything
    assert "| mean of families |  |  | 0.450 ± 0.635 | 0.350 ± 0.635 |" in few
    gains = "+0.100 (+0.100 to +0.100), 2 of 2, ± 0.000 | +0.000 (+0.000 to +0.000), 0 of 2, ± 0.000"
    assert f"| trees with the AGL rung, over trees | {gains} |" in text
    assert "*network, AGL*" in text.split("Not computed yet: ")[1]
    (sentence,) = family_sentence(curves)
    gained, lost = sentence.split("; a mean loss ")
    assert "with 100 labels for *trees with the AGL rung* over *trees* (0.100); with all labels for no pair" in gained
    assert lost == "with 100 labels for no pair; with all labels for no pair."


def test_a_mean_loss_is_named_and_the_draws_have_an_interval_of_their_own():
    worse = [
        cell.model_copy(update={"mean_abs_log10": cell.mean_abs_log10 + 0.03 * cell.draw})
        for cell in cells_of("trees-agl", 0.4, 0.3)
    ]
    curves = FamilyCurves(cells_of("trees", 0.4, 0.3) + worse)
    (sentence,) = family_sentence(curves)
    assert "a mean loss with 100 labels for *trees with the AGL rung* over *trees* (0.060)" in sentence
    assert "-0.060 (-0.060 to -0.060), 0 of 2, ± 0.075" in family_section(curves)[-1]


def test_without_cells_there_is_no_section():
    assert family_section(FamilyCurves([])) == family_sentence(FamilyCurves([])) == []
