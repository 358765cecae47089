from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import kappatune.verification.verifier as verifier_module
from kappatune.model.kappa_model import KappaModel
from kappatune.potentials import Potential
from kappatune.progress import Event
from kappatune.structures import Crystal, Rejection
from kappatune.verification import Verification, VerifierSpec, iter_verifications, relaxed_cell
from kappatune.verification.events import CostEstimated, CrystalEvent, CrystalFinished, ForcesProgress
from kappatune.verification.plot import figure_path
from tests.builders import supercell
from tests.verification.small import ALLOY, COPPER, HEUSLER, SETTINGS, TOY, potential, verifier

TIMES = {"seconds": {}, "peak_memory_gb": None}


@pytest.fixture(scope="module")
def copper(tmp_path_factory) -> Verification:
    return verifier(tmp_path_factory.mktemp("copper")).verify(COPPER)


def same(first: Verification, second: Verification) -> bool:
    return first.model_copy(update=TIMES) == second.model_copy(update=TIMES)


def test_the_fields_of_a_row_agree_with_each_other(copper):
    assert copper.outcome == "answered" and copper.reason is None
    assert copper.temperatures_k == (200.0, 300.0)
    assert copper.kappa_by_temperature_w_mk[1] == copper.kappa_bte_w_mk > 0
    assert copper.kappa_by_temperature_w_mk[0] > 1.3 * copper.kappa_bte_w_mk  # about 1/T
    assert copper.space_group == 225 and copper.n_atoms == 1 and copper.n_forces > 10
    assert copper.agl_w_mk > 0 and copper.verdict == "not judged" and copper.likely_lower_w_mk is None
    assert copper.settings["displacement"] == 0.03 and "phono3py" in copper.versions
    assert set(copper.seconds) == {"estimate", "relaxation", "forces", "agl", "phono3py", "own", "total"}
    assert copper.seconds["own"] < 0.1 * copper.seconds["total"]


def test_a_cubic_crystal_conducts_equally_in_all_directions(copper):
    for tensor in copper.kappa_tensor_w_mk:
        np.testing.assert_allclose(tensor[:3], np.mean(tensor[:3]), rtol=1e-6)
        np.testing.assert_allclose(tensor[3:], 0.0, atol=1e-6)


def test_any_cell_of_the_crystal_gives_the_same(copper, tmp_path):
    other = verifier(tmp_path).verify(replace(supercell(COPPER, (2, 1, 1)), id="cu"))
    assert other.kappa_bte_w_mk == pytest.approx(copper.kappa_bte_w_mk, rel=1e-4)
    assert other.n_forces == copper.n_forces


def test_modes_do_not_depend_on_the_cell_that_is_repeated(tmp_path):
    reasons = set()
    for max_atoms in (8, 16):  # the primitive cell, or the conventional one
        settings = SETTINGS.replace(max_atoms=max_atoms, max_harmonic_atoms=16)
        row = verifier(tmp_path, settings).verify(HEUSLER)
        assert row.outcome == "imaginary modes"
        reasons.add(row.reason.partition(", q = ")[0])
    assert reasons == {"imaginary modes: 6 of 48, the lowest at -0.28 THz"}


def test_direct_solution_and_coherences(copper, tmp_path):
    wigner = verifier(tmp_path, SETTINGS.replace(wigner=True), figures=tmp_path).verify(ALLOY)
    plain = verifier(tmp_path, SETTINGS).verify(ALLOY)
    assert wigner.coherences_w_mk > 0
    assert wigner.kappa_bte_w_mk - wigner.coherences_w_mk == pytest.approx(plain.kappa_bte_w_mk, rel=1e-4)
    assert figure_path(wigner, tmp_path).stat().st_size > 20_000
    direct = verifier(tmp_path, SETTINGS.replace(solution="direct")).verify(COPPER)
    both = verifier(tmp_path, SETTINGS.replace(solution="direct", wigner=True)).verify(COPPER)
    assert direct.solution == "direct"
    assert both.kappa_bte_w_mk - both.coherences_w_mk == pytest.approx(direct.kappa_bte_w_mk, rel=1e-6)
    for row, folder in ((wigner, "cu3au-*"), (direct, "cu-*"), (both, "cu-*")):
        ends = [float(np.load(path)["cumulative"][-1]) for path in tmp_path.glob(f"{folder}/curves-*.npz")]
        assert min(abs(end - row.kappa_bte_w_mk) for end in ends) < 1e-6 * row.kappa_bte_w_mk
    assert copper.kappa_bte_w_mk < direct.kappa_bte_w_mk < 2 * copper.kappa_bte_w_mk  # the RTA counts all scattering


def test_isotopes_lower_kappa(copper, tmp_path):
    pure = verifier(tmp_path, SETTINGS.replace(isotopes=False)).verify(COPPER)
    assert pure.kappa_bte_w_mk > copper.kappa_bte_w_mk


def test_a_killed_run_goes_on_and_ends_with_the_same(copper, tmp_path):
    script = f"""
from pathlib import Path
from tests.verification.small import COPPER, verifier
verifier(Path({str(tmp_path)!r}), name="slow_copper").verify(COPPER)
"""
    process = subprocess.Popen([sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"])
    waited = 0.0
    while len(list(tmp_path.glob("*/forces/*.npy"))) < 5:
        assert process.poll() is None and waited < 60
        time.sleep(0.05)
        waited += 0.05
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/forces/*.npy")}
    assert 5 <= len(stored) < copper.n_forces
    damaged = next(iter(stored))
    damaged.write_bytes(damaged.read_bytes()[:100])
    events: list[Event] = []
    row = verifier(tmp_path, name="slow_copper").verify(COPPER, events.append)
    assert isinstance(events[0], CostEstimated) and events[0].n_on_disk == len(stored)
    assert f"{len(stored)} of the forces are on disk already" in str(events[0])
    assert row.kappa_tensor_w_mk == copper.kappa_tensor_w_mk
    assert all(path.stat().st_mtime_ns == then for path, then in stored.items() if path != damaged)
    assert len(list(tmp_path.glob("*/forces/*.npy"))) == copper.n_forces
    again = verifier(tmp_path, name="slow_copper").verify(COPPER)
    assert again == row


def test_every_failure_has_an_outcome_and_no_number(tmp_path, monkeypatch):
    silent = Potential("Silent", "", potential().calculator, elements=frozenset({13}))
    gold = Crystal(COPPER.lattice, np.array([14]), COPPER.frac_coords, id="si")
    bcc = Crystal(np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) * 1.435, COPPER.numbers, COPPER.frac_coords, id="bcc")
    few = SETTINGS.replace(max_forces=3)
    strict = SETTINGS.replace(mesh_tolerance=1e-9, max_refinements=0)
    rows = {
        "unreadable": verifier(tmp_path).verify(Rejection("x", "no such file")),
        "unsupported element": replace(verifier(tmp_path), potential=silent).verify(COPPER),
        "force explosion": verifier(tmp_path, name="exploding").verify(
            Crystal(COPPER.lattice * 1.8, COPPER.numbers, COPPER.frac_coords)
        ),
        "potential failed": verifier(tmp_path).verify(gold),
        "not relaxed": verifier(tmp_path, SETTINGS.replace(max_steps=1)).verify(COPPER),
        "imaginary modes": verifier(tmp_path).verify(bcc),
        "too large": verifier(tmp_path, few).verify(COPPER),
        "mesh not converged": verifier(tmp_path, strict).verify(COPPER),
    }

    def breaking(atoms, *_, **__):
        broken = atoms.copy()
        broken.set_cell(atoms.cell.array * [1.0, 1.0, 1.1], scale_atoms=True)
        return broken

    monkeypatch.setattr(relaxed_cell, "relax", breaking)
    rows["broken symmetry"] = verifier(tmp_path / "broken").verify(COPPER)
    monkeypatch.setattr(verifier_module, "standardise", lambda *_: 1 / 0)
    rows["failed"] = verifier(tmp_path / "failed").verify(COPPER)
    for outcome, row in rows.items():
        assert row.outcome == outcome
        assert row.reason and row.kappa_bte_w_mk is None and row.kappa_by_temperature_w_mk == ()
        assert row.verdict == "not judged"


def test_the_number_of_workers_changes_nothing(copper, tmp_path):
    entries = [COPPER, Rejection("x", "no such file"), ALLOY]
    spec = VerifierSpec(f"{TOY}:copper", SETTINGS, tmp_path / "two", model=None)
    events: list[CrystalEvent] = []
    rows = list(iter_verifications(entries, spec, workers=2, on_progress=events.append))
    assert [row.id for row in rows] == ["cu", "x", "cu3au"]
    assert same(rows[0], copper) and rows[2].outcome == "answered"
    assert {event.crystal for event in events if not isinstance(event, CrystalFinished)} == {"cu", "cu3au"}
    assert {event.crystal for event in events if isinstance(event, CrystalFinished)} == {"cu", "x", "cu3au"}
    last = [event for event in events if isinstance(event, ForcesProgress) and event.crystal == "cu"][-1]
    assert last.done == last.total


def test_a_finished_row_without_a_model_holds_no_prediction(tmp_path):
    fast = KappaModel.load("fast")
    first = verifier(tmp_path, model=fast).verify(COPPER)
    assert first.predicted_w_mk > 0 and first.model == "fast"
    second = verifier(tmp_path).verify(COPPER)
    assert second.kappa_bte_w_mk == first.kappa_bte_w_mk
    assert second.model is second.predicted_w_mk is second.interval is second.disagreement_sd is None


def test_other_settings_find_the_same_forces(copper, tmp_path):
    verifier(tmp_path).verify(COPPER)
    before = set(tmp_path.glob("*/forces/*.npy"))
    finer = verifier(tmp_path, SETTINGS.replace(mesh_length=16.0))
    second = finer.verify(COPPER)
    assert set(tmp_path.glob("*/forces/*.npy")) == before
    assert len(before) == second.n_forces and second.mesh != copper.mesh


def test_another_name_finds_the_same_forces_and_keeps_its_own_files(tmp_path):
    work, files = tmp_path / "work", tmp_path / "files"
    verifier(work).verify(COPPER)
    (folder,) = work.iterdir()
    forces = {path: path.stat().st_mtime_ns for path in folder.glob("forces/*.npy")}
    row = verifier(work, SETTINGS.replace(mesh_length=16.0), files=files).verify(COPPER.named("another", None))
    assert row.id == "another" and len(forces) == row.n_forces
    assert [*work.iterdir()] == [folder] and [path.name.startswith("another-") for path in files.iterdir()] == [True]
    assert {path: path.stat().st_mtime_ns for path in folder.glob("forces/*.npy")} == forces
