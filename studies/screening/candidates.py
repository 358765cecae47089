"""The paper's end product, done right: the pool scanned, its rule applied, the candidates in `docs/candidates.md`.

    python -m studies.screening.candidates --data FOLDER

Four models scan the pool: step III on L96, on HH143 and on MIX (`studies.screening.step_three`), and the shipped
`accurate`. Rows are joined by id. The authors' values have no licence: they enter the page as aggregates
and a plot, and stand beside ours in `candidates.csv` below `--work` alone. Resumable.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import typer
from matplotlib import pyplot as plt
from scipy.stats import spearmanr

from kappatune.screening.ranking import RankedCrystal, RankSettings, rank
from kappatune.screening.scan import scan
from kappatune.screening.settings import ScanSettings
from studies.results import data_folder, store
from studies.screening import step_three

DOCS = Path(__file__).parents[2] / "docs"
BELOW_W_MK = 1.0
"""The paper's rule: every member lies below this value, W/(m K); sorted by relative spread."""

LISTED = 15
LOWEST = 50
SHOWCASE = "mp-9127"
"""BaSb2O6, which the paper checks: 1.23 W/(m K) predicted there, 7.1 computed (arXiv 2411.18259)."""

PUBLISHED = {"L96": "Dataset1", "HH143": "Dataset2", "MIX": "MIX"}
"""Our names of the training sets, and those in the columns of the authors' scan."""


def main(data: Annotated[Path | None, typer.Option(envvar="KAPPATUNE_DATA")] = None, work: Path = Path("runs")) -> None:
    folder = data_folder(data)
    models = {
        **{name: str(path) for name, path in step_three.train_models(folder, work).items()},
        "accurate": "accurate",
    }
    scans = {name: work / f"candidates-{name}" for name in models}
    for name, model in models.items():
        settings = ScanSettings((str(folder / "phonondb_pool.parquet"),), model, "dft")
        scan(settings, scans[name], workers=2, resume=True)
    values = _joined(scans, folder / "paraisite_scan.parquet")
    pa.csv.write_csv(values, work / "candidates.csv")
    rule = {name: rank(out, RankSettings(agree_below=BELOW_W_MK, limit=1_000_000)) for name, out in scans.items()}
    result = {
        "models": {name: _about(values, name, rule[name]) for name in models},
        "spearman_between_models": _correlations(values, list(models)),
        "against_published_scan": {name: _against(values, name, of) for name, of in PUBLISHED.items()},
        "showcase": _showcase(values, list(models)),
    }
    store("candidates", result)
    _plot(values, DOCS / "figures" / "candidates.png")
    (DOCS / "candidates.md").write_text(_page(result, rule, values), encoding="utf-8")


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
            accurate.in_domain, list_contains(accurate.known_rungs, 'dft') AS learnt, {columns}, {theirs}
            FROM '{scans[first]}/part-*.parquet' "{first}" {joins} LEFT JOIN '{published}' p USING (id)
            WHERE accurate.kappa_w_mk IS NOT NULL ORDER BY id"""
    ).to_arrow_table()


def _column(values: pa.Table, name: str) -> np.ndarray:
    return values[name].to_numpy(zero_copy_only=False).astype(float)


def _about(values: pa.Table, name: str, rule: list[RankedCrystal]) -> dict[str, Any]:
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


def _against(values: pa.Table, name: str, of: str) -> dict[str, Any]:
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


def _page(result: dict[str, Any], rule: dict[str, list[RankedCrystal]], values: pa.Table) -> str:
    models = result["models"]
    lines = [
        "# Crystals of low conductivity in the pool",
        "",
        f"Written by `python -m studies.screening.candidates` on {datetime.now(UTC).date().isoformat()} with kappatune "
        f"{version('kappatune')}; five members each, seeds 1 to 5; figures in "
        "[candidates.json](../studies/results/candidates.json).",
        "",
        f"{values.num_rows:,} crystals of [phonondb](https://github.com/atztogo/phonondb) (PBEsol cells, CC BY 4.0) "
        "were scanned by four models. *Step III* is the paper's ladder on one scale: formation energies, AGL values, "
        "then L96, HH143 or both (MIX). `accurate` is the shipped model. The paper calls a crystal a candidate when "
        f"all members lie below {BELOW_W_MK:g} W/(m K), and sorts by their relative spread.",
        "",
        "| model | median κ, W/(m K) | lowest 5 % below | candidates by the rule |",
        "|---|---|---|---|",
        *(
            f"| {_title(name)} | {about['median_w_mk']:.1f} | {about['lowest_5_percent_w_mk']:.2f} "
            f"| {about['n_all_members_below']} |"
            for name, about in models.items()
        ),
        "",
        "Spearman rank correlation between the models:",
        "",
        f"| | {' | '.join(map(_title, models))} |",
        f"|---|{'---|' * len(models)}",
        *(
            f"| {_title(a)} | {' | '.join(f'{rho:.2f}' for rho in row.values())} |"
            for a, row in result["spearman_between_models"].items()
        ),
        "",
        "## Candidates",
        "",
        "The interval is that of `accurate`, [calibrated](benchmark.md) on binaries and half-Heuslers: nearly all of "
        "these crystals are neither, and for them it holds fewer than nine values in ten. *Domain* is the row's "
        "`in_domain`; *learnt* is yes where the formula stands in L96, in HH143 or among the textbook crystals. Some "
        "are [verified by phonons](verified.md).",
    ]
    by_id = {row["id"]: row for row in values.to_pylist()}
    for name, rows in rule.items():
        shown = f", the first {LISTED}" if len(rows) > LISTED else ""
        lines += ["", f"### By the rule, {_title(name)}: {len(rows) or 'none'}{shown}", ""]
        lines += _table([by_id[row.id] for row in rows[:LISTED]], list(models)) if rows else []
    lowest = sorted(by_id.values(), key=lambda row: row["accurate"])[:LISTED]
    lines += ["", f"### The lowest {LISTED} of `accurate`", "", *_table(lowest, list(models))]
    lines += [
        "",
        "## Beside the authors' scan",
        "",
        "The authors' stored predictions are shifted by rows against their ids; these figures use the realigned "
        "values. They carry no licence and are not reprinted here: the command writes them beside ours into "
        "`candidates.csv`.",
        "",
        "![Our values over the authors'](figures/candidates.png)",
        "",
        f"| trained on | crystals | authors' candidates | ours | Spearman | of the lowest {LOWEST} in common "
        "| candidates confirmed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, against in result["against_published_scan"].items():
        lines += [
            f"| {name} | {against['n_crystals']} | {against['n_theirs_all_members_below']} | {_title(label)} "
            f"| {figures['spearman']:.2f} | {figures[f'lowest_{LOWEST}_in_common']} "
            f"| {figures['n_theirs_that_all_our_members_confirm']} |"
            for label, figures in against["ours"].items()
        ]
    said = ", ".join(f"{kappa:.1f} ({_title(name)})" for name, kappa in result["showcase"].items())
    lines += [
        "",
        "The paper's showcase BaSb2O6 (mp-9127), 1.23 W/(m K) predicted there through the shift and 7.1 computed from "
        f"first principles, comes out here at {said}.",
        "",
    ]
    return "\n".join(lines)


def _title(name: str) -> str:
    return "`accurate`" if name == "accurate" else f"step III, {name}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(rows: list[dict[str, Any]], models: list[str]) -> list[str]:
    steps = [name for name in models if name != "accurate"]
    return [
        f"| id | formula | atoms | `accurate` | interval | {' | '.join(map(_title, steps))} | domain | learnt |",
        f"|---|---|---|---|---|{'---|' * len(steps)}---|---|",
        *(
            f"| {row['id']} | {row['formula']} | {row['n_atoms']} | {row['accurate']:.2f} "
            f"| {row['lower_w_mk']:.2f} to {row['upper_w_mk']:.2f} "
            f"| {' | '.join(f'{row[name]:.2f}' for name in steps)} | {_yes(row['in_domain'])} "
            f"| {_yes(row['learnt'])} |"
            for row in rows
        ),
    ]


if __name__ == "__main__":
    typer.run(main)
