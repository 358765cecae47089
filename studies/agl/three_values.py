"""Why `predict --fidelity agl`, `agl` and `verify` give three AGL values for one crystal.

    python -m studies.agl.three_values

The same formulas are fed by AFLOW's energies, as the shipped model learnt them, by CHGNet (the default of `agl`), and
by two potentials of `verify`, SevenNet-0 and Nequix-mp-1-pft. Each crystal is computed at the potential's own volume.
The Slack formula is a product, so the ratio of two values splits into a factor of the Debye temperature, one of the
Grüneisen parameter, and one of the volume.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import typer
from ase.build import bulk

from kappatune.agl_workflow import AglResult, AglSettings
from kappatune.agl_workflow.batch import agl_or_reason
from kappatune.model.kappa_model import KappaModel
from kappatune.model.prediction import Prediction
from kappatune.potentials import load_potential
from kappatune.structures import Crystal
from studies.store import save_result

CRYSTALS: dict[str, dict[str, Any]] = {
    "C": {"crystalstructure": "diamond", "a": 3.567},
    "Si": {"crystalstructure": "diamond", "a": 5.431},
    "GaAs": {"crystalstructure": "zincblende", "a": 5.653},
    "InSb": {"crystalstructure": "zincblende", "a": 6.479},
    "AlN": {"crystalstructure": "wurtzite", "a": 3.112, "c": 4.982},
    "MgO": {"crystalstructure": "rocksalt", "a": 4.212},
    "NaCl": {"crystalstructure": "rocksalt", "a": 5.640},
    "PbTe": {"crystalstructure": "rocksalt", "a": 6.462},
    "CaF2": {"crystalstructure": "fluorite", "a": 5.463},
}
"""Arguments of `ase.build.bulk`; Å."""

POTENTIALS = ("chgnet", "sevennet", "nequix")
MODEL = "accurate"


def main() -> None:
    """Compute the three AGL values of a few crystals: minutes."""
    torch.set_num_threads(1)
    crystals = [Crystal.from_ase(bulk(formula, **cell), id=formula) for formula, cell in CRYSTALS.items()]
    values: dict[str, dict[str, Any]] = {crystal.id: {} for crystal in crystals}
    for crystal, row in zip(crystals, KappaModel.load(MODEL).predict(crystals, "agl"), strict=True):
        values[crystal.id]["predict"] = _of_prediction(row, crystal.n_atoms)
    potentials = {name: load_potential(name) for name in POTENTIALS}
    for name, potential in potentials.items():
        for crystal in crystals:
            typer.echo(f"{name}: {crystal.id}")
            values[crystal.id][name] = _of_agl(agl_or_reason(crystal, potential, AglSettings()))
    for crystal in crystals:
        learnt = values[crystal.id]["predict"]
        for name in POTENTIALS:
            values[crystal.id][name]["over_predict"] = _factors(values[crystal.id][name], learnt)
    save_result(
        "agl_three_values",
        {
            "model": MODEL,
            "potentials": {name: str(potential) for name, potential in potentials.items()},
            "crystals": values,
            "median_factor": {name: _median_factor(values, name) for name in POTENTIALS},
        },
    )


def _of_prediction(row: Prediction, n_atoms: int) -> dict[str, Any]:
    assert row.debye_temperature_k is not None
    return {
        "kappa_w_mk": row.kappa_w_mk,
        "lower_w_mk": row.lower_w_mk,
        "upper_w_mk": row.upper_w_mk,
        "acoustic_debye_temperature_k": row.debye_temperature_k * n_atoms ** (-1 / 3),
        "gruneisen": row.gruneisen,
    }


def _of_agl(row: AglResult) -> dict[str, Any]:
    return {
        "kappa_w_mk": row.kappa_w_mk,
        "acoustic_debye_temperature_k": row.acoustic_debye_temperature_k,
        "gruneisen": row.gruneisen,
        "bulk_modulus_gpa": row.bulk_modulus_gpa,
        "poisson_ratio": row.poisson_ratio,
        "poisson_source": row.poisson_source,
        "elastic_poisson_ratio": row.elastic_poisson_ratio,
        "warnings": row.warnings,
        "reason": row.reason,
    }


def _factors(value: dict[str, Any], learnt: dict[str, Any]) -> dict[str, float] | None:
    """Kappa over the learnt value, and the share of the Debye temperature and of the Grüneisen parameter in it."""
    if value["kappa_w_mk"] is None:
        return None
    theta, gamma = "acoustic_debye_temperature_k", "gruneisen"
    return {
        "kappa": value["kappa_w_mk"] / learnt["kappa_w_mk"],
        "debye_temperature": (value[theta] / learnt[theta]) ** 3,
        "gruneisen": _gruneisen_term(value[gamma]) / _gruneisen_term(learnt[gamma]),
    }


def _gruneisen_term(gamma: float) -> float:
    """The factor of the Slack formula (`kappatune.physics.slack.SlackTerms.gruneisen`)."""
    return 1.0 / (gamma**2 - 0.514 * gamma + 0.228)


def _median_factor(values: dict[str, dict[str, Any]], name: str) -> float:
    ratios = [one[name]["over_predict"]["kappa"] for one in values.values() if one[name]["over_predict"]]
    return float(np.exp(np.median(np.abs(np.log(ratios)))))


if __name__ == "__main__":
    typer.run(main)
