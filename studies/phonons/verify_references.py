"""How far off is a potential, by reference and by what failures count?

    python -m studies.phonons.verify_references --data FOLDER

The values that `studies.phonons.verify_l96` stored, beside both DFT values of these crystals: the reference of
κ_SRME (PBE, Born charges) and L96, whose values the models learnt. The public board counts a crystal without a value
as κ = 0, a difference of -2. The references may not be passed on: the result holds aggregates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import typer

from studies.research_data import DataOption, research_folder
from studies.store import load_results, save_result

REFERENCES = {"κ_SRME": "kappa_ksrme_pbe_nac", "L96": "kappa_w_mk_300k"}


def main(data: DataOption = None) -> None:
    """Compare stored phonon values with both references: seconds."""
    table = research_folder(data) / "l96.parquet"
    found = {result["potential"]: _by_reference(result["ours"], table) for result in load_results("verify_l96_")}
    save_result("verify_references", {"potentials": found})


def bias(kappa: list[float | None], reference: list[float]) -> dict[str, Any]:
    """The bias of a potential on n crystals.

    Args:
        kappa: (n,) its values, W/(m K); None where it gave none.
        reference: (n,) DFT values, W/(m K).

    Returns:
        Number of crystals and of values; mean of 2 (kappa - reference) / (kappa + reference) over the values and over
        all crystals, where one without a value counts -2; geometric mean, median and standard deviation of ln of
        kappa / reference.
    """
    pairs = [(k, r) for k, r in zip(kappa, reference, strict=True) if k is not None]
    own, theirs = np.array(pairs).T
    relative, ln = 2 * (own - theirs) / (own + theirs), np.log(own / theirs)
    n_failed = len(kappa) - len(own)
    return {
        "n": len(kappa),
        "n_answered": len(own),
        "srd": float(relative.mean()),
        "srd_with_failures": float((relative.sum() - 2 * n_failed) / len(kappa)),
        "ratio": float(np.exp(ln.mean())),
        "median_ratio": float(np.exp(np.median(ln))),
        "ln_sd": float(ln.std(ddof=1)),
    }


def _by_reference(ours: list[dict[str, Any]], table: Path) -> dict[str, Any]:
    rows = {row["id"]: row for row in pq.read_table(table, columns=["id", *REFERENCES.values()]).to_pylist()}
    kappa = [row["kappa_bte_w_mk"] for row in ours]
    return {name: bias(kappa, [rows[row["id"]][column] for row in ours]) for name, column in REFERENCES.items()}


if __name__ == "__main__":
    typer.run(main)
