"""How well do the labels agree with each other, and which rows does the paper's split of L96 test?

    python -m studies.transfer.labels --data FOLDER

No model can be closer to a set of labels than a second calculation of the same crystals is. The values may not be
passed on: the result holds aggregates.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray

from studies.research_data import AFLOW, PHONIX, DataOption, research_folder
from studies.store import save_result
from studies.transfer.research_tables import DFT_TABLES
from studies.transfer.splits import PAPER_RUNS, paper_split

SECOND = "kappa_ksrme_pbe_nac"
MEASURED = "experiment_heusler.parquet"
SAME_VOLUME = 0.02
"""Largest relative difference of the volumes per atom of two AFLOW entries that count as the same crystal."""

KAPPA = "kappa_w_mk_300k"

_Rows = list[dict[str, Any]]


def main(data: DataOption = None) -> None:
    """Compare labels of the same crystals from two sources: seconds."""
    save_result("labels", labels(research_folder(data)))


def labels(folder: Path) -> dict[str, Any]:
    """Agreement of labels by set, and the families of the rows that the paper's split of L96 tests.

    Args:
        folder: Of the research tables.
    """
    rows = {name: _rows(folder / file) for name, file in {**DFT_TABLES, "Phonix": PHONIX, "measured": MEASURED}.items()}
    aflow = _rows(folder / AFLOW)
    second = {row["id"]: row[SECOND] for row in rows["L96"] if row[SECOND]}
    phonix = {row["id"]: row[KAPPA] for row in rows["Phonix"]}
    measured = {row["formula"]: row[KAPPA] for row in rows["measured"]}
    return {
        "agreement": {
            "L96": _against(rows["L96"], second, "id", "DFT with PBE and Born charges, of the reference of κ_SRME"),
            "L96, Phonix": _against(rows["L96"], phonix, "id", "DFT with PBEsol (Phonix)"),
            "HH143": _against(rows["HH143"], phonix, "id", "DFT with PBEsol (Phonix)"),
            "HH143, measured": _against(rows["HH143"], measured, "formula", "measured"),
            "AFLOW": agreement(*_twice(aflow)) | {"second": "a second entry of AFLOW for the same crystal"},
        },
        "tested": families_tested(rows["L96"]),
    }


def agreement(labels: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, float]:
    """How far a second set of values is from the labels of the same crystals, as if it predicted them.

    Args:
        labels: (n,) W/(m K).
        others: (n,) W/(m K).
    """
    error = np.log10(others / labels)
    return {
        "n": len(error),
        "mean_abs_log10": float(np.abs(error).mean()),
        "median_log10": float(np.median(error)),
        "mean_abs_log10_after_offset": float(np.abs(error - np.median(error)).mean()),
        "mape": float(np.abs(others / labels - 1).mean()),
        "mape_of_labels": float(np.abs(labels / others - 1).mean()),
    }


def families_tested(rows: _Rows) -> dict[str, Any]:
    """Test rows of all runs of the paper's split: all, and by prototype those whose formula is not trained on."""
    tested: Counter[str] = Counter()
    in_all = 0
    for run in PAPER_RUNS:
        train, test = paper_split(len(rows), run)
        trained = {rows[i]["formula"] for i in train}
        in_all += len(test)
        tested.update(rows[i]["nominal_prototype"] for i in test if rows[i]["formula"] not in trained)
    prototypes = dict(sorted(tested.items()))
    return {"runs": len(PAPER_RUNS), "in_all": in_all, "unseen": tested.total(), "prototypes": prototypes}


def _against(rows: _Rows, others: dict[str, float], key: str, second: str) -> dict[str, Any]:
    pairs = [(row[KAPPA], others[row[key]]) for row in rows if row[key] in others]
    return agreement(*np.array(pairs).T) | {"second": second}


def _twice(rows: _Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of all pairs of entries with the same formula, space group, number of atoms and volume."""
    groups: dict[tuple[str, int, int], _Rows] = {}
    for row in rows:
        groups.setdefault((row["formula"], row["spacegroup"], row["n_sites"]), []).append(row)
    pairs = [
        (a[KAPPA], b[KAPPA])
        for group in groups.values()
        for a, b in combinations(group, 2)
        if abs(a["volume_per_atom"] / b["volume_per_atom"] - 1) < SAME_VOLUME
    ]
    first, second = np.array(pairs).T
    return first, second


def _rows(path: Path) -> _Rows:
    wanted = ("id", "formula", "spacegroup", "n_sites", "volume_per_atom", "nominal_prototype", KAPPA, SECOND)
    names = [name for name in wanted if name in pq.read_schema(path).names]
    rows: _Rows = pq.read_table(path, columns=names).to_pylist()
    return rows


if __name__ == "__main__":
    typer.run(main)
