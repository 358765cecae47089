from __future__ import annotations

import pytest

from kappatune.structures import read_table
from kappatune.training import train
from kappatune.verification.labels import BadLabels, add_labels, check_labels
from kappatune.verification.row import Verification
from tests.training.tiny import recipe, stage, tables, tiny_table


def verified(id: str, kappa: float | None, **others) -> Verification:
    return Verification(id=id, kappa_bte_w_mk=kappa, potential="SevenNet-0", solution="rta", space_group=225, **others)


def test_verified_values_are_one_more_rung(tmp_path):
    path = tmp_path / "mlip.parquet"
    world = tiny_table("dft", 0.6)
    pairs = [(row.crystal, verified(row.crystal.id, row.kappa)) for row in world.rows]
    assert add_labels(path, pairs[:10]) == 10 and add_labels(path, pairs) == len(pairs)
    table = read_table(path)
    assert len(table.rows) == len(pairs) and not table.rejections
    assert {row.fidelity for row in table.rows} == {"mlip"} and "SevenNet-0" in table.rows[0].source
    assert table.rows[3].kappa == world.rows[3].kappa
    plan = recipe(stage("mlip", frozen=["host"]), stage("dft", frozen=["host"]))
    model = train(plan, lambda s: [table] if s.fidelity == "mlip" else tables(s), tmp_path / "run")
    assert model.card.fidelities == ["mlip", "dft"]


def test_rows_without_a_usable_value_are_left_out(tmp_path):
    path = tmp_path / "mlip.parquet"
    crystal = tiny_table("dft").rows[0].crystal
    rows = [
        verified("a", None),
        verified("b", 3.0, potential_srd=-1.7),
        verified("c", 3.0, settings={"boundary_nm": 50.0}),
    ]
    assert add_labels(path, [(crystal, row) for row in rows]) == 0
    assert not path.exists()
    path.write_bytes(b"something else")
    with pytest.raises(BadLabels, match="not a readable Parquet file"):
        check_labels(path)
    with pytest.raises(BadLabels, match=r"\.parquet"):
        check_labels(tmp_path / "labels.csv")
