"""Remarks say what a number does not, and change no number."""

from __future__ import annotations

import numpy as np
import pytest

import kappatune
from kappatune.model.prediction import Prediction
from kappatune.model.remarks import NEAR_LIMIT, remarks_at_temperature, remarks_on
from kappatune.physics.amorphous_limit import amorphous_limit
from kappatune.structures import Crystal
from kappatune.structures.remarks import Remark
from studies.structures.known_crystals import known_crystals
from tests.builders import rocksalt, zincblende

BY_DIMENSION = {0: {Remark.MOLECULAR}, 1: {Remark.CHAINS}, 2: {Remark.LAYERED}, 3: set()}


def kinds(row) -> set[Remark]:
    return {Remark.of(remark) for remark in row.remarks}


@pytest.mark.parametrize("fidelity", ["dft", "agl"])
@pytest.mark.parametrize("name", ["graphite", "SnSe", "Te", "CO2", "quartz", "CsPbBr3", "PbS"])
def test_a_prediction_says_whether_bonds_run_through_space(name, fidelity):
    known, structure = known_crystals()[name]
    (row,) = kappatune.predict(structure, "accurate", fidelity)
    assert row.kappa_w_mk is not None and kinds(row) - {Remark.GLASS_LIKE} == BY_DIMENSION[known]


@pytest.mark.parametrize(
    ("name", "metallic"), [("Cu", True), ("Bi", True), ("ZrNiSn", True), ("GeTe", False), ("NaCl", False)]
)
def test_a_crystal_of_metallic_elements_only_is_named(name, metallic):
    (row,) = kappatune.predict(known_crystals()[name][1], "fast")
    assert (Remark.METALLIC in kinds(row)) is metallic


def row_with(kappa: float | None, temperature: float = 300.0, theta: float | None = 200.0) -> Prediction:
    return Prediction(id="x", kappa_w_mk=kappa, temperature_k=temperature, debye_temperature_k=theta)


def test_kappa_near_the_amorphous_limit_is_named():
    crystal = rocksalt(11, 17, 5.64)
    limit = amorphous_limit(200.0, crystal.volume / 2, 300.0)
    said = {f: remarks_on(crystal, row_with(f * limit), 3) for f in (0.9, 1.1, 0.999 * NEAR_LIMIT, 1.001 * NEAR_LIMIT)}
    below, near, just, above = said.values()
    assert below[0].startswith(f"glass-like: kappa is below the amorphous limit, {limit:.2g} W/(m K) at 300 K")
    assert near == just and near[0].startswith("glass-like: kappa is near the amorphous limit")
    assert above == () and remarks_on(crystal, row_with(None), 3) == ()
    assert remarks_on(crystal, row_with(0.9 * limit, theta=None), 3) == ()


def test_at_another_temperature_the_limit_is_that_of_the_temperature():
    (cold, hot) = kappatune.predict(known_crystals()["PbI2"][1], "fast", temperature_k=[300, 1200])
    assert kinds(cold) == {Remark.LAYERED} and kinds(hot) == {Remark.LAYERED, Remark.GLASS_LIKE}
    assert "1200 K" in hot.remarks[-1] and hot.remarks[-1].endswith("higher than this")
    assert hot.kappa_w_mk == pytest.approx(cold.kappa_w_mk / 4)
    back = hot.model_copy(update={"temperature_k": 300.0, "kappa_w_mk": cold.kappa_w_mk})
    assert remarks_at_temperature(back, 40.0) == cold.remarks


def test_remarks_of_reading_stay_with_and_without_a_value():
    said = Remark.FORMULA.sentence("the file states X")
    crystal = zincblende(14, 14, 5.431, "Si")
    noted = Crystal(crystal.lattice, crystal.numbers, crystal.frac_coords, remarks=(said,))
    exotic = Crystal(np.eye(3) * 4.0, np.array([118]), np.zeros((1, 3)), remarks=(said,))
    answered, refused = kappatune.predict([noted, exotic], "fast", temperature_k=900.0)
    assert answered.remarks == refused.remarks == (said,)
    assert answered.kappa_w_mk is not None and refused.kappa_w_mk is None


def test_a_sentence_begins_with_its_kind_and_fits_into_csv():
    for _, structure in known_crystals().values():
        for row in kappatune.predict(structure, "fast", temperature_k=[300, 900]):
            assert all(isinstance(Remark.of(remark), Remark) and ";" not in remark for remark in row.remarks)
    with pytest.raises(ValueError, match="not a valid Remark"):
        Remark.of("no kind: text")
