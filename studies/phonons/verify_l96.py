"""How far off is a potential? Verification of L96 crystals that have a second, independent DFT value.

    python -m studies.phonons.verify_l96 --data FOLDER [--calculator sevennet-l3i5] [--work FOLDER]

Equal numbers of rocksalts, zincblendes and wurtzites, drawn with a seed. Isotopes and coherences are on, as in the
reference (PBE, RTA and Wigner, with Born charges, which a potential lacks). Every crystal is stored in `--work` when it
is done; the same command continues after a kill, and writes the result again after each crystal. The reference values
may not be passed on: the result holds our own values and aggregates, the plot both.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import typer

from kappatune.progress import Event
from kappatune.structures import Crystal, Rejection
from kappatune.structures.table import crystal_of_row
from kappatune.verification import Verification, VerifierSpec, VerifySettings, iter_verifications
from kappatune.verification.events import ForcesProgress
from studies.figures import FIGURES
from studies.research_data import DataOption, research_folder
from studies.store import save_result

PROTOTYPES = ("rocksalt", "zincblende", "wurtzite")
REFERENCE = "kappa_ksrme_pbe_nac"
SEED = 0
PUBLISHED = {
    "sevennet": {"srd": -0.55, "srme": 0.76},
    "sevennet-l3i5": {"srd": -0.37, "srme": 0.55},
}
"""kappa_SRD and kappa_SRME of Matbench Discovery on phononDB-103, which includes these crystals."""


def main(
    data: DataOption = None,
    calculator: str = "sevennet-l3i5",
    work: Path = Path("runs/verify-l96"),
    each: Annotated[int, typer.Option(min=1, help="Crystals of each prototype.")] = 9,
    workers: int = 1,
) -> None:
    """Compare a potential with DFT on crystals of L96: hours."""
    table = research_folder(data) / "l96.parquet"
    chosen = list(chosen_binaries(table, each))
    spec = VerifierSpec(calculator, VerifySettings.of("standard", wigner=True), work / calculator, model=None)
    results: list[tuple[str, float, Verification]] = []
    rows = iter_verifications((crystal for crystal, *_ in chosen), spec, workers, _show)
    for (_, prototype, reference), row in zip(chosen, rows, strict=True):
        results.append((prototype, reference, row))
        typer.echo(f"{row.id} {row.formula}: {row.outcome} {row.kappa_bte_w_mk} {row.seconds.get('total', 0):.0f} s")
        _store(calculator, results, len(chosen))


def _show(event: Event) -> None:
    if not isinstance(event, ForcesProgress) or event.done % 50 == 0:
        typer.echo(event)


def chosen_binaries(table: Path, each: int) -> Iterator[tuple[Crystal, str, float]]:
    """Crystals of L96, as many of each prototype, with prototype and reference value, W/(m K)."""
    rows = pq.read_table(table).to_pylist()
    draw = np.random.default_rng(SEED)
    for prototype in PROTOTYPES:
        able = [
            row
            for row in rows
            if row["nominal_prototype"] == prototype
            and row["spacegroup"] == row["nominal_spacegroup"]
            and row[REFERENCE]
        ]
        for k in draw.permutation(len(able))[:each]:
            crystal = crystal_of_row(able[k], 2, table)
            if isinstance(crystal, Rejection):
                raise typer.BadParameter(f"{crystal.id}: {crystal.reason}")
            yield crystal, prototype, float(able[k][REFERENCE])


def _store(calculator: str, results: list[tuple[str, float, Verification]], n_asked: int) -> None:
    first = results[0][2]
    save_result(
        f"verify_l96_{calculator}",
        {
            "potential": first.potential,
            "phono3py": version("phono3py"),
            "settings": first.settings,
            "seed": SEED,
            "n_asked": n_asked,
            "n_done": len(results),
            "published": PUBLISHED.get(calculator),
            "all": _errors(results),
            **{name: _errors([a for a in results if a[0] == name]) for name in PROTOTYPES},
            "ours": [_ours(prototype, row) for prototype, _, row in results],
        },
    )
    _plot(results, calculator, FIGURES / f"verify_l96_{calculator}.png")


def _errors(results: list[tuple[str, float, Verification]]) -> dict[str, Any]:
    pairs = np.array([(row.kappa_bte_w_mk, reference) for _, reference, row in results if row.kappa_bte_w_mk])
    errors: dict[str, Any] = {"n": len(results), "n_answered": len(pairs)}
    if len(pairs) < 3:
        return errors
    ours, theirs = pairs.T
    error, relative = np.log(ours / theirs), 2 * (ours - theirs) / (ours + theirs)
    return errors | {
        "median_factor_error": float(np.exp(np.median(np.abs(error)))),
        "mean_signed_ln_error": float(error.mean()),
        "srd": float(relative.mean()),
        "sre": float(np.abs(relative).mean()),
    }


def _ours(prototype: str, row: Verification) -> dict[str, Any]:
    names = ("id", "formula", "outcome", "kappa_bte_w_mk", "coherences_w_mk", "n_forces", "mesh", "mesh_change")
    return {"prototype": prototype, **row.model_dump(include=set(names)), "seconds": row.seconds.get("total")}


def _plot(results: list[tuple[str, float, Verification]], calculator: str, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.loglog([0.3, 2000], [0.3, 2000], color="0.7", linewidth=1)
    for name in PROTOTYPES:
        pairs = [(a, b.kappa_bte_w_mk) for kind, a, b in results if kind == name and b.kappa_bte_w_mk]
        theirs, ours = np.array(pairs).reshape(-1, 2).T
        axis.scatter(theirs, ours, s=14, label=name)
    axis.set(xlabel="DFT (PBE, with Born charges), κ in W/(m K)", ylabel=f"{calculator}, κ in W/(m K)")
    axis.legend(frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    typer.run(main)
