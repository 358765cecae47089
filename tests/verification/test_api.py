from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from kappatune import KappaModel
from kappatune.errors import BadRequest
from kappatune.model.prediction import Prediction
from kappatune.potentials import BadPotential, registry
from kappatune.results import Results
from kappatune.settings import BadSettings
from kappatune.verification import VerifierSpec, VerifySettings, estimate_cost, verify
from kappatune.verification.born import BadBorn
from kappatune.verification.cost import Cost
from kappatune.verification.display import crystals_on_stderr
from kappatune.verification.events import CostEstimated, CrystalFinished, ForcesProgress, StepStarted
from kappatune.verification.prepare import NoPhono3py
from tests.verification.small import COPPER, SETTINGS, TOY, potential


def prediction_of(spec: VerifierSpec) -> Prediction:
    (row,) = spec.load().model.predict([COPPER])
    return row


ATOMS = bulk("Cu", "fcc", 3.6)
COST = Cost(n_forces=16, n_atoms=32, n_harmonic_atoms=32, seconds_per_force=0.5, seconds=100.0, memory_gb=0.7)


def test_structures_and_a_calculator_in_memory_become_rows(tmp_path, capsys):
    rows = verify([ATOMS, "nothing.cif"], EMT(), settings=SETTINGS, model="fast", out=tmp_path / "out")
    assert isinstance(rows, Results) and [row.outcome for row in rows] == ["answered", "unreadable"]
    assert rows[0].kappa_bte_w_mk > 0 and rows[0].predicted_w_mk > 0 and rows[0].temperatures_k == (200.0, 300.0)
    assert "no such file" in rows[1].reason and rows[1].file == "nothing.cif"
    assert rows.to_pandas()["kappa_bte_w_mk"].notna().tolist() == [True, False]
    assert "<table>" in rows._repr_html_()
    assert capsys.readouterr().err == ""  # stderr is not a terminal


def test_two_calculator_objects_never_share_forces(tmp_path):
    events = []
    for _ in range(2):
        verify(COPPER, EMT(), settings=SETTINGS, model=None, out=tmp_path, on_progress=events.append)
    assert len(list(tmp_path.iterdir())) == 2
    assert [event.n_on_disk for event in events if isinstance(event, CostEstimated)] == [0, 0]


def test_the_cost_is_that_of_the_run_and_what_cannot_run_says_why():
    copper, silicon, nothing = estimate_cost([COPPER, bulk("Si", "diamond", 5.43), "nothing.cif"], EMT(), "quick")
    assert copper.n_forces == 16 and copper.n_atoms == copper.n_harmonic_atoms == 32
    assert copper.seconds > 16 * copper.seconds_per_force > 0 and copper.reason is None
    assert "16 force calculations of 32 atoms" in str(copper)
    assert silicon.n_forces is None and "potential" in silicon.reason
    assert "no such file" in nothing.reason and nothing.reason in str(nothing)


def test_settings_replace_the_quality_and_temperatures_replace_those_of_both(monkeypatch):
    seen: list[VerifySettings] = []

    def no_rows(entries, spec, workers, on_progress, ray):
        seen.append(spec.settings)
        return iter(())

    monkeypatch.setattr("kappatune.verification.api.iter_verifications", no_rows)
    verify(ATOMS, EMT())
    verify(ATOMS, EMT(), "quick", temperatures_k=[600])
    verify(ATOMS, EMT(), settings=SETTINGS)
    verify(ATOMS, EMT(), settings=SETTINGS, temperatures_k=[600])
    verify(ATOMS, EMT(), "quick", temperatures_k=np.array([400.0, 600.0]))
    assert seen[0] == VerifySettings.of("standard", temperatures_k=(200, 300, 400, 600, 800, 1000))
    assert seen[1] == VerifySettings.of("quick", temperatures_k=(300, 600))
    assert seen[2] == SETTINGS and seen[3] == SETTINGS.replace(temperatures_k=(300, 600))
    assert seen[4] == VerifySettings.of("quick", temperatures_k=(300, 400, 600))


def test_what_cannot_be_done_is_refused_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(BadBorn, match="for one crystal, not for 2"):
        verify([ATOMS, ATOMS], EMT(), born="BORN")
    with pytest.raises(BadPotential, match="several workers need a potential by name"):
        verify(ATOMS, EMT(), model=None, workers=2)
    with pytest.raises(BadSettings, match="workers: 0 is not at least 1"):
        verify(ATOMS, EMT(), workers=0)
    with pytest.raises(BadSettings, match="there is no quality 'best'"):
        verify(ATOMS, EMT(), "best")
    (tmp_path / "figures").touch()
    with pytest.raises(BadRequest, match="figures: nothing can be written there"):
        verify(ATOMS, EMT(), figures=tmp_path / "figures")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for verb in (verify, estimate_cost):
        with pytest.raises(NoPhono3py, match=r"needs phono3py: pip install .*phonons"):
            verb(ATOMS, EMT())


def test_a_model_in_memory_reaches_the_worker_processes(tmp_path):
    model = KappaModel.load("fast")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(prediction_of, VerifierSpec(f"{TOY}:copper", SETTINGS, tmp_path, model)).result()
    assert [there] == model.predict([COPPER])


def test_a_model_may_be_given_by_its_path(tmp_path):
    model = KappaModel.load("fast")
    model.save(tmp_path / "mine")
    by_path = VerifierSpec(f"{TOY}:copper", SETTINGS, tmp_path, tmp_path / "mine").load().model
    assert by_path.predict([COPPER]) == model.predict([COPPER])


def test_without_a_terminal_progress_is_a_line_per_event(capsys):
    with crystals_on_stderr() as show:
        show(CostEstimated("cu", COST, 3))
        show(StepStarted("cu", "forces"))
        show(ForcesProgress("cu", 1, 2))
        show(CrystalFinished("cu", "imaginary modes"))
    assert capsys.readouterr().err.splitlines() == [
        "cu: 16 force calculations of 32 atoms (0.5 s each, measured), about 2 min and 0.7 GB; 3 of the forces are on "
        "disk already",
        "cu: forces",
        "cu: imaginary modes",
    ]


def test_on_a_terminal_every_crystal_in_work_has_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with crystals_on_stderr() as show:
        bars = show.__self__
        show(CostEstimated("cu", COST))
        show(StepStarted("cu", "forces"))
        show(StepStarted("au", "relaxation"))
        show(ForcesProgress("cu", 1, 2))
        assert [(task.description, task.completed, task.total) for task in bars.bars.tasks] == [
            ("cu: forces", 1, 2),
            ("au: relaxation", 0, None),
        ]
        show(CrystalFinished("cu", "answered"))
        show(CrystalFinished("x", "unreadable"))
        assert [task.description for task in bars.bars.tasks] == ["au: relaxation"]
    assert "16 force calculations of 32 atoms" in capsys.readouterr().err


def test_without_nequix_this_is_said_first_and_every_row_names_what_was_used(monkeypatch, tmp_path):
    monkeypatch.setenv("KAPPATUNE_CACHE", str(tmp_path))
    monkeypatch.setitem(registry.KNOWN, "sevennet-l3i5", registry.KnownPotential(potential, "ase"))
    events = []
    (row,) = verify(ATOMS, settings=SETTINGS, model=None, on_progress=events.append)
    assert row.kappa_bte_w_mk > 0 and "copper" in row.potential
    assert "kappatune data fetch nequix" in str(events[0]) and "sevennet-l3i5 is used instead" in str(events[0])
    (cost,) = estimate_cost(ATOMS, quality="quick")
    assert cost.potential == row.potential
