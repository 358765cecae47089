from __future__ import annotations

import math

import numpy as np
import pytest

from kappatune.structures.table import LabelledTable
from kappatune.training.recipe import read_recipe
from studies.phonix import agl_folds
from studies.phonix.agl_rung import IN_FOLDS, AglPredictions
from tests.studies.phonix.synthetic import synthetic_labels

ROWS = list(synthetic_labels().rows)
TABLE = LabelledTable(name="aflow.parquet", rows=ROWS, rejections=[], sha256="")


def test_each_row_is_predicted_once_by_members_that_never_saw_its_formula(monkeypatch, tmp_path):
    recipe = read_recipe("fast")
    trained, tested = [], []

    def member(recipe, stage, table, seed, folder):
        trained.append((seed, folder))
        return {row.crystal.formula_key for row in table.rows}

    def predictions(members, rows):
        assert len(members) == len(recipe.seeds)
        for seen in members:
            assert not seen & {row.crystal.formula_key for row in rows}
        tested.extend(row.crystal.id for row in rows)
        ln_kappa = np.log([row.kappa for row in rows]) + math.log(2)
        return AglPredictions(ln_kappa, ln_kappa * 0, ln_kappa * 0, np.array(1.0), np.array(len(members[0])))

    monkeypatch.setattr(agl_folds, "trained_member", member)
    monkeypatch.setattr(AglPredictions, "of", staticmethod(predictions))
    found = agl_folds.evaluation_in_folds(recipe, TABLE, tmp_path)
    assert sorted(tested) == sorted(row.crystal.id for row in ROWS)
    assert len({folder for _, folder in trained}) == len(trained)
    assert (found.protocol, found.name, found.n) == (IN_FOLDS, f"fast {IN_FOLDS}", len(ROWS))
    assert found.mean_abs_ln == pytest.approx(math.log(2))
    assert found.spearman == pytest.approx(1.0)
