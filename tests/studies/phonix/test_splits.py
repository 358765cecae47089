from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from studies.phonix.splits import (
    anion_splits,
    family_splits,
    fold_of,
    formula_splits,
    low_split,
    prototype_splits,
    random_splits,
    tetrahedral_split,
)
from tests.studies.phonix.synthetic import synthetic_labels

LABELS = synthetic_labels()
GROUPED = {
    "formula": list(formula_splits(LABELS)),
    "prototype": list(prototype_splits(LABELS)),
    "anion": list(anion_splits(LABELS)),
    "low": [low_split(LABELS)],
    "tetrahedral": [tetrahedral_split(LABELS)],
    "family": list(family_splits(LABELS, smallest=4)),
}


def test_folds_never_change():
    assert [fold_of(name) for name in ("MgO", "NaCl", "PbTe", "AB 225 2")] == [0, 0, 0, 4]


@pytest.mark.parametrize("protocol", GROUPED)
def test_no_tested_formula_is_trained_on_or_may_be_seen(protocol):
    for split in GROUPED[protocol]:
        tested = set(LABELS.formulas[split.test])
        assert tested == split.unseen
        assert not tested & set(LABELS.formulas[split.train])
        assert protocol == "formula" or "textbook" not in LABELS.set_of[split.test]
        assert len(split.train)


@pytest.mark.parametrize("protocol", ["formula", "prototype", "anion"])
def test_folds_test_every_row_once_and_the_textbook_values_by_formula(protocol):
    tested = Counter(int(i) for split in GROUPED[protocol] for i in split.test)
    assert set(tested.values()) == {1}
    expected = np.ones(len(LABELS.rows), bool) if protocol == "formula" else LABELS.set_of != "textbook"
    assert sorted(tested) == np.flatnonzero(expected).tolist()


def test_a_file_of_a_split_is_named_for_its_rows():
    names = [split.file_name for splits in GROUPED.values() for split in splits]
    assert len(set(names)) == len(names)
    assert [s.file_name for s in formula_splits(LABELS)] == [s.file_name for s in GROUPED["formula"]]
    assert GROUPED["low"][0].file_name.startswith("0.8-")


def test_whole_prototypes_anions_and_families_are_left_out():
    for protocol, group in (("prototype", LABELS.prototypes), ("anion", LABELS.anions), ("family", LABELS.families)):
        for split in GROUPED[protocol]:
            assert not set(group[split.test]) & set(group[split.train])


def test_random_folds_keep_other_rows_of_a_formula():
    splits = list(random_splits(LABELS))
    assert sorted(int(i) for split in splits for i in split.test) == LABELS.rows_of("Phonix").tolist()
    assert all(not split.unseen and len(split.train) + len(split.test) == len(LABELS.rows) for split in splits)
    of_nacl = next(s for s in splits if "NaCl" in LABELS.formulas[s.test])
    assert "NaCl" in LABELS.formulas[of_nacl.train]


def test_low_values_are_tested_and_high_ones_trained_on():
    split = GROUPED["low"][0]
    assert LABELS.kappa[split.test].max() <= 0.8 < LABELS.kappa[split.train].min()


def test_nothing_tetrahedral_is_trained_on():
    split = GROUPED["tetrahedral"][0]
    assert not LABELS.tetrahedral[split.train].any() and LABELS.tetrahedral[split.test].all()


def test_largest_family_comes_first():
    sizes = [np.isin(LABELS.families, split.part).sum() for split in GROUPED["family"]]
    assert sizes == sorted(sizes, reverse=True) and min(sizes) >= 4
