from __future__ import annotations

import csv
import math
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.core import Lattice, Structure

import kappatune
from kappatune import KappaModel
from kappatune.demo import VALUES
from kappatune.model.bundle import SHIPPED
from kappatune.model.device import BadDevice
from kappatune.model.kappa_model import UnknownFidelity
from kappatune.model.prediction import Prediction
from kappatune.structures import Crystal, Rejection
from tests.builders import low_symmetry, rocksalt, supercell, zincblende
from tests.frozen.test_frozen import V0_1_0

SMALL = V0_1_0 / "bundles" / "debye-trees"


@pytest.fixture(scope="module")
def model():
    return KappaModel.load()


def textbook_rows():
    with VALUES.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def numbers(rows):
    return np.array([[r.kappa_w_mk, r.lower_w_mk, r.upper_w_mk, r.debye_temperature_k, r.gruneisen] for r in rows])


def test_textbook_crystals_come_out_right(model):
    """Computed values of these formulas were learnt from; a factor of 1.6 is the accuracy of such data."""
    shown = [row for row in textbook_rows() if row["set"] == "shown"]
    rows = model.predict([VALUES.parent / row["file"] for row in shown])
    assert [row.formula for row in rows][:3] == ["C", "Si", "Ge"]
    factor = np.abs(np.log([r.kappa_w_mk / float(s["kappa"]) for r, s in zip(rows, shown, strict=True)]))
    assert np.exp(np.median(factor)) < 1.6
    by_id = {row.id: row.kappa_w_mk for row in rows}
    assert by_id["C"] > by_id["Si"] > by_id["GaAs"] > by_id["NaCl"] > by_id["CsI"]


def test_every_textbook_value_names_its_crystal(model):
    table = textbook_rows()
    assert len({row["id"] for row in table}) == len(table) >= 35
    assert {path.stem for path in VALUES.parent.glob("*.cif")} == {row["id"] for row in table}
    for row, predicted in zip(table, model.predict([VALUES.parent / row["file"] for row in table]), strict=True):
        assert predicted.reason is None and predicted.id == row["id"] == Path(row["file"]).stem
        assert set(re.findall("[A-Z][a-z]?", predicted.formula)) == set(row["species"].split())
        assert row["set"] in ("shown", "learned") and row["fidelity"] == "experiment"


@pytest.mark.parametrize("row", textbook_rows(), ids=lambda row: row["id"])
def test_every_textbook_value_cites_a_paper_or_handbook_that_states_it(row):
    assert not re.search(r"http|www|\.com\b|data sheet|Wikipedia|news", row["source"])
    assert row["seen_in"] and (not row["url"] or row["url"].startswith("http"))
    assert not row["doi"] or re.fullmatch(r"10\.\d{4,9}/\S+", row["doi"])
    kappa = float(row["kappa"])
    if row["id"] == "NaCl":
        c0, c1, c2, c3 = (float(c) for c in re.findall(r"\d\.\d+(?:e-\d)?", row["quoted"]))
        stated = [c0 - c1 * 26.85 + c2 * 26.85**2 - c3 * 26.85**3]
    else:
        stated = [float(n) for n in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", row["quoted"])]
    if "mean of the three directions" in row["note"]:
        assert min(stated) < kappa < 100 * max(stated)
    else:  # in W/(m K), in W/(cm K), or the reciprocal
        units = [value for n in stated if n for value in (n, 100 * n, 1 / n)]
        assert any(value == pytest.approx(kappa, rel=6e-3) for value in units)


def test_debye_temperatures_and_gruneisen_parameters(model):
    rows = model.predict([zincblende(14, 14, 5.431), rocksalt(12, 8, 4.212), rocksalt(11, 17, 5.64)])
    # Measured: 645, 950 and 321 K.
    assert [row.debye_temperature_k for row in rows] == pytest.approx([645, 950, 321], rel=0.25)
    assert all(1.5 < row.gruneisen < 3 for row in rows)


def test_agl_is_another_rung(model):
    crystal = zincblende(14, 14, 5.431)
    (agl,), (dft,) = model.predict(crystal, fidelity="agl"), model.predict(crystal, fidelity="dft")
    assert agl.kappa_w_mk < dft.kappa_w_mk / 2, "AGL is known to give silicon far too little"
    assert agl.debye_temperature_k == dft.debye_temperature_k
    assert model.predict(crystal) == [dft]
    with pytest.raises(UnknownFidelity, match="'mlip': it knows agl, dft, experiment"):
        model.predict(crystal, fidelity="mlip")


def test_answers_do_not_depend_on_how_a_crystal_is_written(model):
    base = [rocksalt(12, 8, 4.212), zincblende(31, 33, 5.653), low_symmetry()]
    rng = np.random.default_rng(2)
    expected = numbers(model.predict(base))
    for change in (
        lambda c: supercell(c, (2, 1, 2)),
        lambda c: Crystal(c.lattice, c.numbers, c.frac_coords + rng.normal(size=3)),
        lambda c: Crystal(c.lattice, c.numbers[::-1].copy(), c.frac_coords[::-1].copy()),
    ):
        assert numbers(model.predict([change(c) for c in base])) == pytest.approx(expected, rel=1e-4)
    alone = numbers([model.predict(c)[0] for c in base])
    assert alone == pytest.approx(expected, rel=1e-4)


def test_pymatgen_ase_and_files_agree(model, tmp_path):
    structure = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0, 0, 0]])
    structure.to(filename=str(tmp_path / "si.cif"))
    rows = model.predict([structure, bulk("Si", a=5.431), zincblende(14, 14, 5.431, "mine"), tmp_path / "si.cif"])
    assert [row.id for row in rows] == ["1", "2", "mine", "si"]
    assert len({round(row.kappa_w_mk, 3) for row in rows}) == 1
    assert rows[3].file == str(tmp_path / "si.cif")


def test_every_input_has_its_row_in_order(model):
    disordered = Structure(Lattice.cubic(5.0), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    inputs = [
        rocksalt(12, 8, 4.212, "good"),
        disordered,
        Crystal(np.eye(3) * 20.0, np.array([14]), np.zeros((1, 3)), id="lonely"),
        rocksalt(84, 8, 5.6, "polonium"),
        Rejection("refused", "because", "f.cif"),
        Crystal(np.zeros((3, 3)), np.array([14]), np.zeros((1, 3)), id="flat"),
        None,
        42,
        Crystal(np.eye(3) * 4.0, np.array([200]), np.zeros((1, 3)), id="heavy"),
        rocksalt(12, 8, 4.212, "good too"),
    ]
    rows = model.predict(inputs)
    names = ["good", "2", "lonely", "polonium", "refused", "flat", "7", "8", "heavy", "good too"]
    assert [row.id for row in rows] == names
    assert rows[0].kappa_w_mk == pytest.approx(rows[-1].kappa_w_mk)
    for row in rows[1:-1]:
        assert (row.kappa_w_mk, row.lower_w_mk, row.upper_w_mk, row.in_domain) == (None,) * 4
        assert row.reason
    reasons = [row.reason for row in rows]
    assert "site 1 is disordered" in reasons[1]
    assert "no atom has a neighbour within 5 Å" in reasons[2]
    assert "pretrained without Po" in reasons[3]
    assert reasons[4] == "because"
    assert "per atom" in reasons[5]
    assert "a NoneType cannot be read as a crystal" in reasons[6] and "an int" in reasons[7]
    assert "atomic number" in reasons[8]


def test_intervals_hold_the_value(model):
    for row in model.predict([rocksalt(12, 8, 4.212), low_symmetry()]):
        assert 0 < row.lower_w_mk < row.kappa_w_mk < row.upper_w_mk < math.inf


def test_domain_is_said(model):
    known, stretched = model.predict([rocksalt(12, 8, 4.212), Crystal(np.diag([4.0, 4, 15]), np.array([18, 12]),
                                      np.array([[0, 0, 0.0], [0, 0, 0.5]]))])  # fmt: skip
    assert (known.in_domain, known.reason) == (True, None)
    assert stretched.in_domain is False and stretched.reason


def test_many_crystals_stream(model):
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield rocksalt(12, 8, 4.212)

    stream = model.predict_stream(endless())
    assert [next(stream).formula for _ in range(3)] == ["MgO"] * 3
    assert len(asked) < 1000


@pytest.mark.parametrize(("name", "largest", "n_members"), [("accurate", 8.5e6, 3), ("fast", 6.2e6, 2)])
def test_the_shipped_models_are_small_and_say_what_they_saw(name, largest, n_members):
    model = KappaModel.load(name)
    size = sum(path.stat().st_size for path in (Path(SHIPPED) / name).iterdir())
    assert size < largest
    assert len(model.members) == n_members
    assert (model.card.fidelities, model.default_fidelity) == (["agl", "dft", "experiment"], "dft")
    assert "NaCl" in model.card.formulas["dft"] and len(model.card.formulas["agl"]) > 3000
    assert model.card.recipe_name == model.card.name == name


def test_the_fast_model_is_the_first_members_of_the_accurate_one():
    crystal = rocksalt(12, 8, 4.212)
    fast, accurate = (KappaModel.load(name).predict_with_details([crystal], "dft")[0] for name in ("fast", "accurate"))
    assert fast.members_w_mk == pytest.approx(accurate.members_w_mk[:2])


@pytest.mark.parametrize("name", ["accurate", "fast"])
def test_a_labelled_crystal_is_in_the_domain(name):
    """Diamond lies far from all other labels, and is one."""
    model = KappaModel.load(name)
    assert all(row.in_domain for row in model.predict([zincblende(6, 6, 3.567), rocksalt(12, 8, 4.212)]))


def test_several_temperatures_go_crystal_by_crystal():
    model = KappaModel.load(SMALL)
    crystals = [rocksalt(12, 8, 4.212, "a"), zincblende(14, 14, 5.431, "b")]
    rows = model.predict(crystals, temperature_k=np.array([300.0, 600.0]))
    assert [(row.id, row.temperature_k) for row in rows] == [("a", 300), ("a", 600), ("b", 300), ("b", 600)]
    assert rows[1].kappa_w_mk == pytest.approx(rows[0].kappa_w_mk / 2)
    assert rows[::2] == model.predict(crystals) and rows == model.predict(crystals, temperature_k=(300, 600))


def test_rows_are_a_table():
    rows = KappaModel.load(SMALL).predict([rocksalt(12, 8, 4.212, "a"), Rejection("b", "because")])
    assert list(rows.to_pandas().columns) == list(Prediction.model_fields)
    assert "<td>because</td>" in rows._repr_html_()


def test_repr_says_what_a_model_is():
    assert repr(KappaModel.load(SMALL)) == (
        "<KappaModel 'tiny': 1 member; rungs agl (24 labels), dft (24 labels); predicts dft by default; on cpu>"
    )


@pytest.mark.parametrize("name", [3, None, b"fast"])
def test_what_names_no_model_gets_a_sentence(name):
    with pytest.raises(TypeError, match="a model is given by its name or the path of its folder"):
        KappaModel.load(name)


@pytest.mark.parametrize("device", ["nowhere", "cuda:77", ""])
def test_a_device_that_is_not_there_gets_a_sentence(device):
    with pytest.raises(BadDevice, match=f"there is no device '{device}' here: give 'cpu'"):
        KappaModel.load(SMALL, device=device)


def test_networks_keep_to_their_device():
    """Without a GPU: on torch's device `meta`, an operation that meets a tensor of the CPU fails."""
    model = KappaModel.load(SMALL.with_name("direct"))
    network = model.members[0].to("meta")
    outputs = network(model.build_graphs([rocksalt(12, 8, 4.212)]).batch().to("meta"), "dft")
    assert outputs.scaled.device.type == "meta"


def test_long_predictions_report_progress_and_short_ones_do_not():
    model = KappaModel.load(SMALL)
    events = []
    model.predict([rocksalt(12, 8, 4.212)] * 255, on_progress=events.append)
    assert events == []
    model.predict([rocksalt(12, 8, 4.212)] * 300, temperature_k=[300, 400], on_progress=events.append)
    assert [(event.done, event.total) for event in events] == [(256, 600), (512, 600), (600, 600)]


def test_nothing_is_shown_where_stderr_is_no_terminal(capfd):
    KappaModel.load(SMALL).predict([rocksalt(12, 8, 4.212)] * 300)
    assert capfd.readouterr().err == ""


def test_a_model_is_finetuned_and_stays_as_it_was(tmp_path):
    model = KappaModel.load(SMALL)
    before = model.predict(rocksalt(12, 8, 4.212))
    pairs = [(rocksalt(metal, 8, 4.2 + 0.1 * k), 50.0 + k) for k, metal in enumerate([12, 20, 25, 26, 27, 28, 38])]
    mine = model.finetune(pairs, tmp_path / "mine", on_progress=lambda event: None)
    assert mine.default_fidelity == "experiment" and model.default_fidelity == "dft"
    assert model.predict(rocksalt(12, 8, 4.212)) == before
    assert KappaModel.load(tmp_path / "mine").predict(rocksalt(12, 8, 4.212)) == mine.predict(rocksalt(12, 8, 4.212))


def test_a_named_model_is_loaded_again_when_it_has_changed(tmp_path):
    shutil.copytree(SMALL, tmp_path / "mine")
    crystal = rocksalt(12, 8, 4.212)
    (agl_first,) = kappatune.predict(crystal, tmp_path / "mine")
    shutil.rmtree(tmp_path / "mine")
    shutil.copytree(SMALL.with_name("direct"), tmp_path / "mine")
    os.utime(tmp_path / "mine" / "card.json")
    (direct,) = kappatune.predict(crystal, tmp_path / "mine")
    assert agl_first.debye_temperature_k and direct.debye_temperature_k is None


def test_lazy_names():
    assert kappatune.KappaModel is KappaModel
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = kappatune.Nothing
