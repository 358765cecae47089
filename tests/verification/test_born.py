from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from phono3py import Phono3py
from phonopy import Phonopy
from scipy.spatial.transform import Rotation

from kappatune.structures import Crystal
from kappatune.verification.born import BadBorn, born_file, read_born
from kappatune.verification.harmonic import harmonic_crystal
from kappatune.verification.prepare import prepare
from kappatune.verification.settings import VerifySettings
from kappatune.verification.standard_cell import standardise

SETTINGS = VerifySettings.of("quick", reach=0.9)


VASP_TO_THZ = 15.633302
"""From (eV/Å^2/u)^(1/2)."""


def harmonic_crystal_without_forces(phonons: Phono3py) -> Phonopy:
    phonons.fc2 = np.zeros((len(phonons.primitive), len(phonons.phonon_supercell), 3, 3))
    return harmonic_crystal(phonons)


def written(tensors: list[np.ndarray]) -> str:
    lines = ["14.400", *(" ".join(f"{x:.10f}" for x in tensor.ravel()) for tensor in tensors)]
    return "\n".join(lines) + "\n"


def test_tensors_turn_with_the_crystal(tmp_path):
    wurtzite = bulk("ZnO", "wurtzite", 3.25, 5.2)[[2, 0, 1, 3]]  # O, Zn, O, Zn or the like: another order
    turn = Rotation.from_euler("xyz", [0.3, -0.7, 1.1]).as_matrix()
    turned = Crystal(wurtzite.cell.array @ turn.T, wurtzite.numbers, wurtzite.get_scaled_positions(), id="zno")
    sign = {30: 1.0, 8: -1.0}
    independent = [next(z for z in wurtzite.numbers), next(z for z in wurtzite.numbers if z != wurtzite.numbers[0])]
    tensors = [np.diag([3.0, 3.0, 4.0]), *(sign[z] * np.diag([2.0, 2.0, 2.5]) for z in independent)]
    path = tmp_path / "zno.born"
    path.write_text(written([turn @ tensor @ turn.T for tensor in tensors]))
    phonons = prepare(standardise(turned, 1e-3), SETTINGS).phono3py
    born = read_born(path, turned, phonons, 1e-3)
    np.testing.assert_allclose(born["dielectric"], tensors[0], atol=1e-6)
    for tensor, number in zip(born["born"], phonons.primitive.numbers, strict=True):
        np.testing.assert_allclose(tensor, sign[number] * np.diag([2.0, 2.0, 2.5]), atol=1e-6)


@pytest.mark.parametrize(
    ("first_line", "factor"), [("# epsilon and Z* of atoms 1 2", 14.39964), ("default value", 14.39964), ("2.0", 2.0)]
)
def test_the_first_line_is_the_conversion_of_units_or_text(tmp_path, first_line, factor):
    crystal = Crystal.from_ase(bulk("MgO", "rocksalt", 4.21))
    path = tmp_path / "mgo.born"
    path.write_text(written([3.0 * np.eye(3), 2.0 * np.eye(3), -2.0 * np.eye(3)]).replace("14.400", first_line))
    phonons = prepare(standardise(crystal, 1e-3), SETTINGS).phono3py
    phonons.nac_params = read_born(path, crystal, phonons, 1e-3)
    assert phonons.nac_params["factor"] == pytest.approx(factor, rel=1e-5)
    harmonic = harmonic_crystal_without_forces(phonons)
    harmonic.run_qpoints([[0.0, 0.0, 0.0]], nac_q_direction=[1.0, 0.0, 0.0])
    split = harmonic.qpoints.frequencies[0].max()
    reduced_mass = 1.0 / (1.0 / 24.305 + 1.0 / 15.999)
    volume = 4.21**3 / 4
    expected = np.sqrt(4 * np.pi * factor * 2.0**2 / (3.0 * volume * reduced_mass)) * VASP_TO_THZ
    assert split == pytest.approx(expected, rel=1e-3)


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    crystal = Crystal.from_ase(bulk("MgO", "rocksalt", 4.21))
    path = tmp_path / "mgo.born"
    path.write_text("14.4\n1 0 0\n")
    with pytest.raises(BadBorn, match=r"mgo\.born: not a BORN file of MgO"):
        read_born(path, crystal, prepare(standardise(crystal, 1e-3), SETTINGS).phono3py, 1e-3)


def test_the_file_lies_beside_the_structure(tmp_path):
    crystal = Crystal.from_ase(bulk("MgO", "rocksalt", 4.21), file=str(tmp_path / "mgo.cif"))
    assert born_file(crystal, None) is None
    (tmp_path / "mgo.born").write_text("14.4\n")
    assert born_file(crystal, None) == tmp_path / "mgo.born"
    (tmp_path / "other").write_text("14.4\n")
    assert born_file(crystal, tmp_path / "other") == tmp_path / "other"
    with pytest.raises(BadBorn, match=r"nowhere: there is no such file of Born charges"):
        born_file(crystal, tmp_path / "nowhere")
