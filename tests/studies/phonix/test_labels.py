from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from kappatune.structures import Crystal
from kappatune.structures.table import LabelledCrystal
from studies.phonix.labels import labels_of, prototype, read_labels
from studies.transfer.research_tables import MissingResearchTable
from tests.studies.phonix.synthetic import row, synthetic_labels


def test_prototype_is_anonymous_formula_space_group_and_number_of_sites():
    assert prototype(row("NaCl", "rocksalt", 7.0, "NaCl")) == "AB 225 2"


def test_prototype_of_a_row_without_symmetry_is_found_by_search():
    known = row("ZnS", "zincblende", 30.0, "ZnS")
    doubled = known.crystal.to_pymatgen().make_supercell([2, 1, 1])
    bare = LabelledCrystal(Crystal.from_pymatgen(doubled), 30.0, "experiment")
    assert prototype(bare) == prototype(known) == "AB 216 2"


def test_family_is_the_tables_own_else_anion_and_prototype():
    labels = synthetic_labels()
    assert labels.families[labels.rows_of("L96")].tolist() == ["rocksalt", "rocksalt", "tetrahedral"]
    assert labels.families[0] == "F AB 225 2"
    assert set(labels.formulas[labels.tetrahedral]) == {"ZnS", "ZnSe", "ZnTe", "CdS", "CdSe", "CdTe"}


def test_rows_keep_their_set_and_value():
    labels = synthetic_labels()
    assert [len(labels.rows_of(name)) for name in ("Phonix", "L96", "HH143", "textbook")] == [26, 3, 1, 2]
    twice = labels.kappa[labels.rows_of("L96")] / labels.kappa[np.isin(labels.formulas, ["NaCl", "MgO", "ZnS"])][:3]
    assert np.allclose(twice, 2.0)


def _write(folder, name, rows, **columns):
    table = pd.DataFrame(
        {
            "id": [r.crystal.id for r in rows],
            "species": [["Na", "Cl"]] * len(rows),
            "lattice": [r.crystal.lattice.tolist() for r in rows],
            "frac_coords": [r.crystal.frac_coords.tolist() for r in rows],
            "kappa_w_mk_300k": [r.kappa for r in rows],
            "fidelity": "dft",
            "spacegroup": 225,
            "n_sites": 2,
            **columns,
        }
    )
    table.to_parquet(folder / name)


def test_tables_are_read_from_a_folder(tmp_path):
    nacl = [row("NaCl", "rocksalt", 7.0, "mp-1")]
    _write(tmp_path, "phonix.parquet", nacl)
    _write(tmp_path, "l96.parquet", nacl, family="wurtzite")
    with pytest.raises(MissingResearchTable, match=r"hh143\.parquet"):
        read_labels(tmp_path)
    _write(tmp_path, "hh143.parquet", nacl, family="half-Heusler")
    labels = read_labels(tmp_path)
    assert labels.families[:3].tolist() == ["Cl AB 225 2", "tetrahedral", "half-Heusler"]
    assert labels.prototypes[:3].tolist() == ["AB 225 2"] * 3
    assert len(labels.rows_of("textbook")) > 30
    assert json.dumps(labels.formulas[labels.rows_of("Phonix")].tolist()) == '["NaCl"]'


def test_sets_of_no_rows_are_no_fault():
    assert labels_of({"Phonix": [], "L96": [row("NaCl", "rocksalt", 7.0, "a")]}, {}).set_of.tolist() == ["L96"]
