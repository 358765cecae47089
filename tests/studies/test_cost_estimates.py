from __future__ import annotations

import numpy as np
import pytest

from kappatune.verification.phono3py_time import Phono3pyWork
from studies.phonons.cost_estimates import COST_ESTIMATES
from studies.phonons.cost_fit import fitted_constants, summary
from studies.phonons.cost_record import TimedVerification
from studies.store import RecordFile
from tests.studies.test_quoted import text_of

SETUP, TRANSPORT = (0.5, 2e-5, 3e-5), (0.1, 5e-8, 9e-6)


def timed(k: int, purpose: str = "constants", refined: bool = False, slower: float = 1.0) -> TimedVerification:
    draw = np.random.default_rng(k)
    n_primitive, n_atoms = int(draw.integers(2, 9)), int(draw.integers(30, 80))
    triplets = (float(draw.integers(50, 200)), float(draw.integers(200, 900)), float(draw.integers(900, 4000)))
    work = Phono3pyWork(n_primitive, n_atoms, int(draw.integers(50, 2000)), int(draw.integers(100, 3000)), triplets)
    per_triplet = np.dot(TRANSPORT[1:], work.sums)
    meshes = [(10, TRANSPORT[0] + per_triplet * n) for n in triplets[: 3 if refined else 2]]
    setup = SETUP[0] + n_atoms * (SETUP[1] * work.n_operations + SETUP[2] * work.n_displacements)
    phono3py = setup + sum(seconds for _, seconds in meshes)
    taken = {"estimate": 0.1, "relaxation": 0.8, "agl": 0.2, "phono3py": phono3py - 0.1}
    return TimedVerification(
        purpose=purpose,
        crystal=f"crystal {k}",
        space_group=225 if k % 2 else 1,
        quality="quick",
        outcome="answered",
        work=work,
        n_forces=50,
        n_found=0,
        primitive_s=0.02,
        estimated_forces_s=8.0,
        taken_s=taken | {"total": slower * (10.0 + phono3py)},
        meshes=meshes,
        potential="toy",
        date="2026-11-26",
    )


def test_the_fit_finds_the_constants_that_times_were_made_with():
    found = fitted_constants([timed(k, refined=k < 3) for k in range(12)] + [timed(99, "judged", slower=9.0)])
    assert found["n"] == 12
    assert found["SETUP_SECONDS"] == pytest.approx(SETUP, rel=0.02)
    assert found["TRANSPORT_SECONDS"] == pytest.approx(TRANSPORT, rel=0.02)
    assert found["refined"] == 0.25
    assert found["RELAXATION_CALLS"] == {"cubic": 50, "other": 50}


def test_an_estimate_counts_when_it_is_within_the_factor():
    usual = timed(1, "judged").ratio
    records = [timed(1, "judged", slower=usual), timed(2, "judged", slower=10.0)]
    whole = summary(records)["judged, quick"]["whole"]
    assert whole["within"] == 0.5 and whole["highest"] == pytest.approx(1.0, abs=0.01) and whole["lowest"] < 0.2


def test_the_page_on_verify_quotes_how_good_estimates_are():
    page = text_of("docs/verify.md")
    records = RecordFile(COST_ESTIMATES).read(TimedVerification)
    found = summary(records)["judged, quick"]
    assert found["n"] >= 13
    whole, phono3py = found["whole"], found["phono3py"]
    assert (
        f"of {found['n']} crystals, {100 * whole['within']:.0f} % take between two thirds and one and a half times the "
        f"estimate; the ratio of estimate to time is {whole['median_ratio']:.2f} in the median, and lies between "
        f"{whole['lowest']:.2f} and {whole['highest']:.2f}"
    ) in page
    assert f"For phono3py's share alone {100 * phono3py['within']:.0f} %" in page
    assert max(record.date for record in records) in page
