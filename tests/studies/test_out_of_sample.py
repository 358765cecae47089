from __future__ import annotations

import numpy as np
import pytest

from kappatune import KappaModel
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal, read_table
from studies.transfer.out_of_sample import Answers, groups, in_learnt_family


@pytest.fixture(scope="module")
def rows() -> list[LabelledCrystal]:
    return read_table(SHIPPED_TABLES["shipped:textbook"], default_fidelity="experiment").rows


@pytest.fixture(scope="module")
def answers(rows) -> Answers:
    return Answers(KappaModel.load("fast"), "dft", rows)


def test_groups_divide_the_crystals(answers):
    found = groups(answers)
    n = len(answers.truth)
    for names in (
        ("inside the domain", "outside the domain"),
        ("κ, low third", "κ, middle third", "κ, high third"),
        [name for name in found if "atoms" in name],
        ("soft", "neither", "stiff"),
    ):
        assert np.sum([found[name] for name in names], axis=0).tolist() == [1] * n
    assert answers.truth[found["κ, low third"]].max() <= answers.truth[found["κ, high third"]].min()


def test_errors_are_those_of_the_rows(answers):
    errors = answers.errors(groups(answers)["all"])
    assert errors.n == len(answers.truth)
    assert errors.mean_abs_log10 == pytest.approx(np.mean(np.abs(np.log10(answers.kappa / answers.truth))))
    assert errors.coverage == np.mean((answers.lower <= answers.truth) & (answers.truth <= answers.upper))
    assert errors.in_domain == answers.inside.mean()


@pytest.mark.parametrize(
    ("species", "space_group", "expected"),
    [("NaCl", 225, True), ("ZnS", 186, True), ("CsCl", 221, False), ("LiAlSi", 216, True), ("LiAlSi", 225, False)],
)
def test_families_are_told_by_formula_and_space_group(species, space_group, expected):
    numbers = {"NaCl": [11, 17], "ZnS": [30, 16], "CsCl": [55, 17], "LiAlSi": [3, 13, 14]}[species]
    cell = Crystal(np.eye(3) * 5.0, np.array(numbers), np.linspace(0, 0.6, len(numbers))[:, None] * np.ones(3), id="x")
    assert in_learnt_family(cell, space_group) is expected
