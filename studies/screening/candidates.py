"""Candidates of low conductivity in the pool, by the paper's rule and by `accurate`.

    python -m studies.screening.candidates --data FOLDER

Four models scan the pool: step III on L96, on HH143 and on MIX (`studies.screening.step_three`), and the shipped
`accurate`. Rows are joined by id. The authors' values may not be passed on: the result and the figure hold aggregates
and a plot of them, and only `candidates.csv` in `--work` has them beside ours. Resumable.
`python -m studies.pages candidates` then writes `docs/candidates.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import typer
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from scipy.stats import spearmanr

from kappatune.results import Results
from kappatune.screening import RankedCrystal, rank, screen
from studies.figures import FIGURES
from studies.research_data import PHONONDB_POOL, PUBLISHED_SCAN, DataOption, research_folder
from studies.screening import step_three
from studies.screening.candidates_page import BELOW_W_MK, LISTED, LOWEST
from studies.screening.published_scan import PUBLISHED
from studies.store import save_result

SHOWCASE = "mp-9127"
"""BaSb2O6, which the paper checks: 1.23 W/(m K) predicted there, 7.1 computed (arXiv 2411.18259)."""


def main(
    data: DataOption = None,
    work: Annotated[Path, typer.Option(help="Folder of models, scans and `candidates.csv`.")] = Path("runs"),
) -> None:
    """Train step III, scan the pool with four models and list candidates: hours."""
    folder = research_folder(data)
    models = {
        **{name: str(path) for name, path in step_three.train_models(folder, work).items()},
        "accurate": "accurate",
    }
    scans = {name: work / f"candidates-{name}" for name in models}
    for name, model in models.items():
        screen(folder / PHONONDB_POOL, scans[name], model, fidelity="dft", workers=2, resume=True)
    values = _joined(scans, folder / PUBLISHED_SCAN)
    pa.csv.write_csv(values, work / "candidates.csv")
    rule = {name: rank(out, agree_below=BELOW_W_MK, n=1_000_000) for name, out in scans.items()}
    names = list(models)
    lowest = np.argsort(_column(values, "accurate"), kind="stable")[:LISTED]
    result = {
        "n_crystals": values.num_rows,
        "models": {name: _about(values, name, rule[name]) for name in models},
        "spearman_between_models": _correlations(values, names),
        "against_published_scan": {name: _against(values, name) for name in PUBLISHED},
        "showcase": _showcase(values, names),
        "candidates": {name: _rows(values, [row.id for row in rows[:LISTED]], names) for name, rows in rule.items()},
        "lowest": _rows(values, values["id"].take(lowest).to_pylist(), names),
    }
    save_result("candidates", result)
    _plot(values, FIGURES / "candidates.png")


def _joined(scans: dict[str, Path], published: Path) -> pa.Table:
    """One row per crystal: each model's value, and the authors' where they have one."""
    columns = ", ".join(f'"{n}".kappa_w_mk AS "{n}", list_max("{n}".members_w_mk) AS "{n}_max"' for n in scans)
    first, *others = scans
    joins = " ".join(f"""JOIN '{scans[n]}/part-*.parquet' "{n}" USING (id, structure_hash)""" for n in others)
    theirs = ", ".join(
        f'p.pred_{of}_{what} AS "published_{n}_{what}"' for n, of in PUBLISHED.items() for what in ("mean", "max")
    )
    return duckdb.execute(
        f"""SELECT id, "{first}".formula, "{first}".n_atoms, accurate.lower_w_mk, accurate.upper_w_mk,
            accurate.in_domain, list_contains(accurate.known_rungs, 'dft') AS trained_on, {columns}, {theirs}
            FROM '{scans[first]}/part-*.parquet' "{first}" {joins} LEFT JOIN '{published}' p USING (id)
            WHERE accurate.kappa_w_mk IS NOT NULL ORDER BY id"""
    ).to_arrow_table()


def _column(values: pa.Table, name: str) -> NDArray[np.float64]:
    column: NDArray[np.float64] = values[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return column


def _about(values: pa.Table, name: str, rule: Results[RankedCrystal]) -> dict[str, Any]:
    kappa = _column(values, name)
    return {
        "n_answered": int(np.isfinite(kappa).sum()),
        "median_w_mk": float(np.nanmedian(kappa)),
        "lowest_5_percent_w_mk": float(np.nanquantile(kappa, 0.05)),
        "n_all_members_below": len(rule),
    }


def _correlations(values: pa.Table, names: list[str]) -> dict[str, dict[str, float]]:
    columns = np.stack([_column(values, name) for name in names])
    rho = spearmanr(columns, axis=1, nan_policy="omit").statistic
    return {a: {b: float(rho[i, j]) for j, b in enumerate(names)} for i, a in enumerate(names)}


def _against(values: pa.Table, name: str) -> dict[str, Any]:
    theirs, ours, best = (_column(values, n) for n in (f"published_{name}_mean", name, "accurate"))
    both = np.isfinite(theirs) & np.isfinite(ours)
    their_lowest = set(np.argsort(theirs[both])[:LOWEST].tolist())
    their_rule = _column(values, f"published_{name}_max")[both] < BELOW_W_MK
    result: dict[str, Any] = {
        "n_crystals": int(both.sum()),
        "n_theirs_all_members_below": int(their_rule.sum()),
        "ours": {},
    }
    for label, column, highest in ((name, ours, f"{name}_max"), ("accurate", best, "accurate_max")):
        our_rule = _column(values, highest)[both] < BELOW_W_MK
        result["ours"][label] = {
            "spearman": float(spearmanr(theirs[both], column[both]).statistic),
            f"lowest_{LOWEST}_in_common": len(their_lowest & set(np.argsort(column[both])[:LOWEST].tolist())),
            "n_theirs_that_all_our_members_confirm": int((their_rule & our_rule).sum()),
        }
    return result


def _showcase(values: pa.Table, names: list[str]) -> dict[str, float]:
    row = values.column("id").to_pylist().index(SHOWCASE)
    return {name: float(_column(values, name)[row]) for name in names}


def _plot(values: pa.Table, path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True, layout="constrained")
    for axis, name in zip(axes, PUBLISHED, strict=True):
        theirs, ours = _column(values, f"published_{name}_mean"), _column(values, name)
        axis.loglog([0.2, 500], [0.2, 500], color="0.7", linewidth=1)
        axis.scatter(theirs, ours, s=5, alpha=0.5, linewidths=0, label=f"step III on {name}")
        axis.scatter(theirs, _column(values, "accurate"), s=5, alpha=0.5, linewidths=0, label="accurate")
        axis.set(title=f"trained on {name}", xlabel="authors' scan, realigned, κ in W/(m K)")
        axis.legend(frameon=False, markerscale=2.5, loc="upper left")
    axes[0].set_ylabel("kappatune, κ in W/(m K)")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _rows(values: pa.Table, ids: list[str], models: list[str]) -> list[dict[str, Any]]:
    """What the page shows of some crystals."""
    by_id = {row["id"]: row for row in values.to_pylist()}
    shown = ("id", "formula", "n_atoms", "lower_w_mk", "upper_w_mk", "in_domain", "trained_on")
    return [
        {**{name: by_id[id][name] for name in shown}, "kappa_w_mk": {name: by_id[id][name] for name in models}}
        for id in ids
    ]


if __name__ == "__main__":
    typer.run(main)
