"""How far kappa(T) deviates from the 1/T that predictions assume (`kappatune.model.temperature`).

    python -m studies.agl.temperature --data FOLDER [--calculator chgnet]
    python -m studies.agl.temperature --phonons FILE --phonons FILE ...

The first computes the effect of thermal expansion, which 1/T leaves out: kappa by the Slack formula with theta, gamma
and volume at T, over that with those at 300 K. (a) To first order, -(3 gamma - 1/3) alpha (T - 300 K), for AFLOW's
crystals; (b) by the quasi-harmonic Debye model of a potential, for textbook crystals.

The second compares with the phonon Boltzmann equation (relaxation times, one volume): it needs phono3py and files
with forces, such as `test/phono3py_params_NaCl222.yaml.xz` of phono3py's source distribution.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from kappatune.agl_workflow import AglResult, AglSettings
from kappatune.agl_workflow.batch import agl_or_reason
from kappatune.demo import textbook_table
from kappatune.errors import UserError
from kappatune.model.kappa_model import KappaModel
from kappatune.physics.debye_gruneisen import DebyeGruneisen, slack_kappa
from kappatune.physics.equation_of_state import fit_equation_of_state
from kappatune.physics.slack import CLASSICAL_FROM, acoustic_debye_temperature
from kappatune.potentials import load_potential
from kappatune.structures import Crystal, LabelledCrystal, read_table
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import save_result

HOT_K = (600.0, 1000.0)
MESH = (11, 11, 11)
"""q-points; enough for the course of kappa(T), not for the last digit of kappa."""


def main(
    data: DataOption = None,
    calculator: Annotated[str, typer.Option(help="Potential.")] = "chgnet",
    phonons: Annotated[list[Path] | None, typer.Option(help="phono3py files with forces.")] = None,
) -> None:
    """Compute how far kappa(T) deviates from 1/T: minutes."""
    torch.set_num_threads(1)
    if phonons:
        save_result("temperature_phonons", {"mesh": MESH, "crystals": [_phonon_check(p) for p in phonons]})
        return
    potential = load_potential(calculator)
    settings = AglSettings(poisson="network")
    results = [agl_or_reason(row.crystal, potential, settings) for row in textbook_table("shown").rows]
    save_result(
        "temperature",
        {
            "aflow_first_order_ln_kappa": _first_order(read_table(research_folder(data) / AFLOW).rows),
            "potential": str(potential),
            "textbook_ln_kappa": {got.id: {f"{t:g}": _volume_term(got, t) for t in HOT_K} for got in results},
        },
    )


def _first_order(rows: list[LabelledCrystal]) -> dict[str, Any]:
    pairs = np.array([(r.properties["agl_gruneisen"], r.properties["agl_thermal_expansion_300K"]) for r in rows])
    slope = (3.0 * pairs[:, 0] - 1.0 / 3.0) * pairs[:, 1]
    found: dict[str, Any] = {"n": len(rows)}
    for t in HOT_K:
        found[f"{t:g}"] = dict(
            zip(("median", "90_percent"), np.quantile(-slope * (t - 300.0), [0.5, 0.1]).tolist(), strict=True)
        )
    return found


def _volume_term(got: AglResult, temperature_k: float) -> float | None:
    """Ln of kappa(T) with the state at T over that with the state at 300 K; None without a result or an equilibrium."""
    if got.kappa_w_mk is None or got.mass_u is None or got.n_atoms is None or got.poisson_ratio is None:
        return None
    curve = fit_equation_of_state(got.curve_volumes_a3, got.curve_energies_ev)
    model = DebyeGruneisen(curve, got.n_atoms, got.mass_u, got.poisson_ratio)
    at = np.array([temperature_k])
    try:
        hot, room = (slack_kappa(model.state(t), got.mass_u, got.n_atoms, at)[0] for t in (temperature_k, 300.0))
    except UserError:
        return None
    return float(np.log(hot / room))


def _phonon_check(path: Path) -> dict[str, Any]:
    """Kappa(T) of phono3py over 300 K / T times that at 300 K."""
    import phono3py

    phonon = phono3py.load(path, log_level=0)
    cell = phonon.primitive
    crystal = Crystal(np.array(cell.cell), np.array(cell.numbers, dtype=np.int64), np.array(cell.scaled_positions))
    (row,) = KappaModel.load().predict(crystal)
    assert row.debye_temperature_k
    acoustic = acoustic_debye_temperature(row.debye_temperature_k, crystal.n_atoms)
    temperatures = np.array([CLASSICAL_FROM * acoustic, 100.0, 200.0, 300.0, *HOT_K])
    phonon.mesh_numbers = MESH
    phonon.init_phph_interaction()
    phonon.run_thermal_conductivity(temperatures=temperatures)
    kappa = phonon.thermal_conductivity.kappa[0][:, :3].mean(axis=1)
    ratio = kappa * temperatures / (300.0 * kappa[3])
    return {
        "file": path.name,
        "formula": crystal.formula,
        "phono3py": phono3py.__version__,
        "nac": phonon.nac_params is not None,
        "acoustic_debye_temperature_k": acoustic,
        "kappa_w_mk_300k": float(kappa[3]),
        "over_one_over_t": {f"{t:.0f}": float(r) for t, r in zip(temperatures, ratio, strict=True)},
    }


if __name__ == "__main__":
    typer.run(main)
