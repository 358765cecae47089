"""How well kappatune's AGL reproduces AFLOW: its formulas, its Debye temperatures, and a potential in place of DFT.

    python -m studies.agl.engine --data FOLDER [--calculator chgnet] [--n 300]

(a) kappa from AFLOW's own theta and gamma; (b) theta from AFLOW's bulk modulus and the Poisson ratio of its elastic
moduli; (c) everything from a potential on a random sample. (c) stores each crystal in `--work` and continues where it
was stopped. `--poisson network` leaves out the elastic constants, which take most of the time.
"""

from __future__ import annotations

import math
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from ase.data import atomic_masses
from numpy.typing import NDArray
from scipy.stats import spearmanr

from kappatune.agl_workflow import AglResult, AglSettings
from kappatune.agl_workflow.batch import agl_or_reason
from kappatune.calculations.agl import energy_curve
from kappatune.errors import UserError
from kappatune.physics.debye_gruneisen import DebyeGruneisen, debye_temperature, slack_kappa
from kappatune.physics.elastic import poisson_ratio
from kappatune.physics.equation_of_state import fit_equation_of_state
from kappatune.physics.slack import ln_slack_kappa
from kappatune.potentials import Potential, load_potential
from kappatune.structures import Crystal, LabelledCrystal, read_table
from kappatune.structures.crystal import element_symbol
from studies.agl.engine_values import SAMPLE_SEED, draw
from studies.figures import draw_kappa_parity
from studies.research_data import AFLOW, DataOption, research_folder
from studies.store import Record, RecordFile, save_result

TEXTBOOK = {
    "diamond": ("zincblende", 3.567, (6, 6)),
    "Si": ("zincblende", 5.431, (14, 14)),
    "MgO": ("rocksalt", 4.212, (12, 8)),
    "NaCl": ("rocksalt", 5.640, (11, 17)),
    "GaAs": ("zincblende", 5.653, (31, 33)),
    "AlN": ("wurtzite", 3.112, (13, 7)),
}


class SampledCrystal(Record):
    """One crystal of the sample, in the work folder.

    Attributes:
        record: Always `crystal`.
        id: Name of the crystal.
        values: Ours and AFLOW's.
    """

    record: Literal["crystal"] = "crystal"
    id: str
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the crystal."""
        return self.id


def main(
    data: DataOption = None,
    calculator: Annotated[str, typer.Option(help="Potential.")] = "chgnet",
    n: Annotated[int, typer.Option(help="Crystals of the sample.")] = 300,
    work: Annotated[Path, typer.Option(help="Folder of the rows computed so far.")] = Path("runs"),
    poisson: Annotated[str, typer.Option(help="`network` leaves out the elastic constants.")] = "auto",
) -> None:
    """Compare AGL with AFLOW: up to an hour for 300 crystals."""
    torch.set_num_threads(1)
    rows = read_table(research_folder(data) / AFLOW).rows
    potential = load_potential(calculator)
    name = calculator.replace("/", "_").replace(":", "_")
    settings = AglSettings(poisson="network" if poisson == "network" else "auto")
    done = _run(draw(rows, n), potential, work / f"agl-engine-{name}.jsonl", settings)
    answered = [line for line in done if line["kappa"] is not None]
    panels = {str(potential): "kappa", "with AFLOW's Poisson ratio": "kappa_aflow_poisson"}
    draw_kappa_parity(
        f"agl_engine_{name}",
        {title: _pairs(answered, key) for title, key in panels.items()},
        "AFLOW AGL",
    )
    save_result(
        f"agl_engine_{name}",
        {
            "potential": str(potential),
            "sample_seed": SAMPLE_SEED,
            "formula": _formula_check(rows),
            "debye_temperature": _theta_check(rows),
            "engine": _engine_errors(done),
            "textbook": _textbook(potential),
        },
    )


def _formula_check(rows: list[LabelledCrystal]) -> dict[str, Any]:
    masses = np.array(atomic_masses)
    ln_kappa = ln_slack_kappa(
        np.log([r.properties["agl_debye"] for r in rows]),
        np.array([r.properties["agl_gruneisen"] for r in rows]),
        np.log([masses[r.crystal.numbers].mean() for r in rows]),
        np.log([r.crystal.volume / r.crystal.n_atoms for r in rows]),
        np.log([r.crystal.n_atoms for r in rows]),
    )
    error = np.abs(ln_kappa - np.log([r.kappa for r in rows])) / math.log(10)
    return {"n": len(rows), "within_0.01_log10": float((error < 0.01).mean())}


def _theta_check(rows: list[LabelledCrystal]) -> dict[str, Any]:
    masses, deviations, unusable = np.array(atomic_masses), [], 0
    for row in rows:
        ratio, bulk = aflow_poisson_ratio(row), row.properties.get("agl_bulk_modulus_static_300K") or math.nan
        if not (-1 < ratio < 0.5 and bulk > 0):
            unusable += math.isfinite(ratio)
            continue
        c = row.crystal
        theta = debye_temperature(bulk, c.volume, float(masses[c.numbers].sum()), c.n_atoms, ratio)
        deviations.append(float(theta) / row.properties["agl_debye"] - 1.0)
    off = np.abs(deviations)
    return {
        "n": len(off),
        "n_without_usable_moduli": unusable,
        "within_2_percent": float((off < 0.02).mean()),
        "median_abs": float(np.median(off)),
        "median": float(np.median(deviations)),
    }


def aflow_poisson_ratio(row: LabelledCrystal) -> float:
    """Poisson ratio of AFLOW's elastic moduli; NaN where it has none."""
    bulk, shear = (row.properties.get(f"ael_{kind}_modulus_vrh") or math.nan for kind in ("bulk", "shear"))
    return poisson_ratio(bulk, shear)


def _run(
    sample: list[LabelledCrystal], potential: Potential, path: Path, settings: AglSettings
) -> list[dict[str, Any]]:
    """The values of each crystal of the sample; those already in the file are not computed again."""
    records = RecordFile(path)
    known = {record.name: record.values for record in records.read(SampledCrystal)}
    for row in sample:
        id = row.crystal.id
        if id not in known:
            known[id] = _values(row, potential, settings)
            records.add(SampledCrystal(id=id, values=known[id]))
    return [known[row.crystal.id] for row in sample]


def _values(row: LabelledCrystal, potential: Potential, settings: AglSettings) -> dict[str, Any]:
    start = perf_counter()
    got = agl_or_reason(row.crystal, potential, settings)
    return {
        "id": row.crystal.id,
        "n_atoms": row.crystal.n_atoms,
        "reason": got.reason,
        "kappa": got.kappa_w_mk,
        "kappa_elastic": _kappa_with(got, got.elastic_poisson_ratio),
        "kappa_aflow_poisson": _kappa_with(got, aflow_poisson_ratio(row)),
        "theta": got.debye_temperature_k,
        "gruneisen": got.gruneisen,
        "bulk": got.bulk_modulus_gpa,
        "elastic_bulk": got.elastic_bulk_modulus_gpa,
        "shear": got.shear_modulus_gpa,
        "poisson": got.poisson_ratio,
        "warnings": list(got.warnings),
        "ions_fixed": got.ions_fixed,
        "seconds": got.seconds,
        "seconds_all": perf_counter() - start,
        "seconds_curve": _curve_seconds(got, row, potential),
        "aflow_kappa": row.kappa,
        "aflow_theta": row.properties["agl_debye"],
        "aflow_gruneisen": row.properties["agl_gruneisen"],
        "aflow_bulk": row.properties.get("agl_bulk_modulus_static_300K"),
        "aflow_elastic_bulk": row.properties.get("ael_bulk_modulus_vrh"),
        "aflow_shear": row.properties.get("ael_shear_modulus_vrh"),
    }


def _kappa_with(got: AglResult, ratio: float | None) -> float | None:
    """Kappa at 300 K, W/(m K), from the same energy curve and another Poisson ratio."""
    if got.kappa_w_mk is None or got.mass_u is None or ratio is None or not -1 < ratio < 0.5:
        return None
    n = got.n_atoms or 1
    try:
        curve = fit_equation_of_state(got.curve_volumes_a3, got.curve_energies_ev)
        state = DebyeGruneisen(curve, n, got.mass_u, ratio).state(300.0)
        return float(slack_kappa(state, got.mass_u, n, np.array([300.0]))[0])
    except UserError:
        return None


def _curve_seconds(got: AglResult, row: LabelledCrystal, potential: Potential) -> float | None:
    """Wall time of the energy curve alone, on the crystal as AFLOW has it."""
    if got.kappa_w_mk is None:
        return None
    from ase import Atoms

    c = row.crystal
    atoms = Atoms(c.numbers, cell=c.lattice, scaled_positions=c.frac_coords, pbc=True)
    start = perf_counter()
    try:
        energy_curve(atoms, potential, AglSettings())
    except UserError:
        return None
    return perf_counter() - start


def _engine_errors(lines: list[dict[str, Any]]) -> dict[str, Any]:
    answered = [line for line in lines if line["kappa"] is not None]
    reasons: dict[str, int] = {}
    for line in lines:
        if line["reason"]:
            kind = line["reason"].split(":")[0].split("(")[0].strip()
            reasons[kind] = reasons.get(kind, 0) + 1
    if len(answered) < 3:
        return {"n": len(lines), "n_answered": len(answered), "reasons": reasons}

    def error(mine: str, theirs: str) -> NDArray[np.float64]:
        pairs = [(a[mine], a[theirs]) for a in answered if a[mine] and a[theirs] and a[theirs] > 0]
        return np.array([math.log(x / y) for x, y in pairs])

    kappa = error("kappa", "aflow_kappa")
    small = [a for a in answered if a["n_atoms"] <= 12]
    return {
        "n": len(lines),
        "n_answered": len(answered),
        "reasons": reasons,
        "median_abs_ln_bulk": float(np.median(np.abs(error("bulk", "aflow_bulk")))),
        "median_abs_ln_theta": float(np.median(np.abs(error("theta", "aflow_theta")))),
        "median_ln_theta": float(np.median(error("theta", "aflow_theta"))),
        "median_abs_gruneisen": float(np.median([abs(a["gruneisen"] - a["aflow_gruneisen"]) for a in answered])),
        "n_mechanically_unstable": sum("mechanically unstable" in w for a in answered for w in a["warnings"]),
        "median_ln_shear": _median(error("shear", "aflow_shear").tolist()),
        "median_abs_ln_kappa": float(np.median(np.abs(kappa))),
        "median_ln_kappa": float(np.median(kappa)),
        "median_factor": float(np.exp(np.median(np.abs(kappa)))),
        "spearman": float(spearmanr([a["kappa"] for a in answered], [a["aflow_kappa"] for a in answered])[0]),
        "with_own_elastic_constants": _kappa_errors(answered, "kappa_elastic"),
        "with_aflow_poisson_ratio": _kappa_errors(answered, "kappa_aflow_poisson"),
        "median_seconds_ions_fixed_12_atoms": _median([a["seconds"] for a in small if a["ions_fixed"] is True]),
        "median_seconds_ions_free_12_atoms": _median([a["seconds"] for a in small if a["ions_fixed"] is False]),
        "median_seconds_curve_12_atoms": _median([a["seconds_curve"] for a in small if a["seconds_curve"]]),
        "median_seconds_with_relaxation": _median([a["seconds_all"] for a in answered]),
    }


def _pairs(lines: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """AFLOW's kappa and ours, of the crystals that have ours."""
    known = [line for line in lines if line[key]]
    return [line["aflow_kappa"] for line in known], [line[key] for line in known]


def _kappa_errors(lines: list[dict[str, Any]], key: str) -> dict[str, Any]:
    pairs = np.array([(a[key], a["aflow_kappa"]) for a in lines if a[key]])
    if len(pairs) < 3:
        return {"n": len(pairs)}
    error = np.log(pairs[:, 0] / pairs[:, 1])
    return {
        "n": len(pairs),
        "median_factor": float(np.exp(np.median(np.abs(error)))),
        "median_ln_kappa": float(np.median(error)),
        "spearman": float(spearmanr(pairs[:, 0], pairs[:, 1])[0]),
    }


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _textbook(potential: Potential) -> dict[str, Any]:
    from ase.build import bulk

    results = {}
    for name, (prototype, a, numbers) in TEXTBOOK.items():
        symbols = "".join(element_symbol(z) for z in numbers)
        atoms = bulk(symbols, prototype, a, **({"c": 4.98} if prototype == "wurtzite" else {}))
        got = agl_or_reason(Crystal.from_ase(atoms, id=name), potential, AglSettings())
        results[name] = {
            "bulk_modulus_gpa": got.static_bulk_modulus_gpa,
            "debye_temperature_k": got.debye_temperature_k,
            "gruneisen": got.gruneisen,
            "kappa_w_mk": got.kappa_w_mk,
            "reason": got.reason,
        }
    return results


if __name__ == "__main__":
    typer.run(main)
