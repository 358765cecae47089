from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kappatune.model.folds import group_folds
from studies.transfer.splits import anion, one_group_out, paper_split, split_by_test_rows


@given(st.lists(st.sampled_from("ABCDEFG"), min_size=2, max_size=60), st.integers(2, 6), st.integers(0, 5))
def test_folds_part_no_group_and_test_every_row_once(groups, n_folds, seed):
    tested = []
    for train, test in group_folds(groups, n_folds, seed):
        assert not {groups[i] for i in train} & {groups[i] for i in test}
        assert len(train) + len(test) == len(groups)
        tested += test.tolist()
    assert sorted(tested) == list(range(len(groups)))


def test_paper_split_is_the_documented_permutation():
    train, test = paper_split(95, 1)
    assert train[:3].tolist() == np.random.RandomState(1).permutation(95)[:3].tolist()
    assert (len(train), len(test)) == (76, 19)


def test_stored_split_drops_what_is_absent():
    train, test = split_by_test_rows([0, 3, 99], places=[5, 3, 0, 7])
    assert test.tolist() == [1, 2] and train.tolist() == [0, 3]


def test_one_group_out_leaves_small_groups_alone():
    splits = one_group_out(["O"] * 5 + ["S"] * 2, smallest=3)
    assert list(splits) == ["O"] and splits["O"][0].tolist() == [5, 6]


def test_anion_is_the_most_electronegative():
    assert [anion(f) for f in ("NaCl", "GaAs", "LiCdAs", "BaSb2O6", "Si")] == ["Cl", "As", "As", "O", "Si"]
