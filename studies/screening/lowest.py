"""Which crystals of the pool that no DFT or measured label is known of conduct heat least?

    python -m studies.screening.lowest --data FOLDER [--work runs]

The shipped `accurate` scans the pool. Listed are the lowest crystals in its domain whose formula is in none of its DFT
sets, with the crystals of Phonix that are nearest to them. How many of them should truly lie below 1 W/(m K) follows
from the intervals: ln kappa is taken as normal with the calibrated width. Then `python -m studies.pages lowest`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.dataset as ds
import typer
from scipy.stats import norm

from kappatune import KappaModel
from kappatune.model.intervals import INTERVAL_SIGMAS
from kappatune.screening import RankedCrystal, rank, screen
from studies.research_data import PHONIX, PHONONDB_POOL, PUBLISHED_SCAN, DataOption, research_folder
from studies.screening.published_scan import beside_published
from studies.store import save_result

MODEL = "accurate"
N_LISTED = 50
BELOW_W_MK = 1.0
SHOWCASE = "mp-9127"
"""BaSb2O6, which the paper predicted at 1.23 W/(m K) and computed at 7.1 (arXiv 2411.18259)."""

LABELLED = {"dft", "experiment"}


def main(
    data: DataOption = None,
    work: Annotated[Path, typer.Option(help="Folder of the scan.")] = Path("runs"),
) -> None:
    """Scan the pool and list the lowest crystals: two minutes."""
    model = KappaModel.load(MODEL)
    sha256 = model.card.weights_sha256
    scan = work / f"lowest-{sha256[:12]}"
    folder = research_folder(data)
    screen(folder / PHONONDB_POOL, scan, MODEL, labels=folder / PHONIX, workers=2, resume=True)
    table = ds.dataset(scan, format="parquet").to_table(
        columns=["id", "kappa_w_mk", "in_domain", "known_rungs", "nearest"]
    )
    rows = {row["id"]: row for row in table.to_pylist()}
    answered = [row for row in rows.values() if row["kappa_w_mk"] is not None]
    kappa = np.array([row["kappa_w_mk"] for row in answered])
    in_domain = rank(scan, n=len(rows), in_domain_only=True)
    chosen = [crystal for crystal in in_domain if not LABELLED & set(crystal.known_rungs or ())][:N_LISTED]
    below = [chance_below(crystal) for crystal in chosen]
    showcase = next(crystal for crystal in rank(scan, n=len(rows)) if crystal.id == SHOWCASE)
    save_result(
        "lowest",
        {
            "model": MODEL,
            "weights_sha256": sha256,
            "n_crystals": len(rows),
            "n_answered": len(answered),
            "n_in_domain": len(in_domain),
            "n_unlabelled": sum(not LABELLED & set(row["known_rungs"] or ()) for row in answered),
            "median_w_mk": float(np.median(kappa)),
            "lowest_5_percent_w_mk": float(np.quantile(kappa, 0.05)),
            "n_all_members_below": len(rank(scan, n=len(rows), agree_below=BELOW_W_MK)),
            "expected_below": float(np.sum(below)),
            "share_below_in_pool": float((kappa < BELOW_W_MK).mean()),
            "beside_published": beside_published(
                {row["id"]: row["kappa_w_mk"] for row in answered}, folder / PUBLISHED_SCAN, BELOW_W_MK, N_LISTED
            ),
            "showcase": _row(showcase, rows[SHOWCASE]),
            "lowest": [_row(crystal, rows[crystal.id]) for crystal in chosen],
        },
    )


def chance_below(crystal: RankedCrystal, limit_w_mk: float = BELOW_W_MK) -> float:
    """Probability that the true value is below a limit, if ln kappa is normal with the width of the interval."""
    if crystal.lower_w_mk is None or crystal.upper_w_mk is None:
        raise ValueError(f"{crystal.id} has no interval")
    sd = np.log(crystal.upper_w_mk / crystal.lower_w_mk) / (2 * INTERVAL_SIGMAS)
    return float(norm.cdf(np.log(limit_w_mk / crystal.kappa_w_mk) / sd))


def _row(crystal: RankedCrystal, of_scan: dict[str, Any]) -> dict[str, Any]:
    shown = ("id", "formula", "n_atoms", "kappa_w_mk", "lower_w_mk", "upper_w_mk", "in_domain", "remarks")
    row = {name: value for name, value in crystal.model_dump(mode="json").items() if name in shown}
    return row | {"nearest": [label["formula"] for label in of_scan["nearest"] or ()]}


if __name__ == "__main__":
    typer.run(main)
