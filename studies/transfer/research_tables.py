"""The tables of the benchmark: those of the paper, in a folder given by the user, and the shipped textbook values."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pymatgen.core import Composition

from kappatune.errors import UserError
from kappatune.model.folds import Split
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures.table import LabelledCrystal, LabelledTable, read_table
from studies.research_data import AFLOW
from studies.transfer.splits import PAPER_RUNS, paper_split, split_by_test_rows

DFT_TABLES = {"L96": "l96.parquet", "HH143": "hh143.parquet"}
SPLITS = "paraisite_splits.json.gz"
CRABNET = "crabnet_agl_split.csv"
CRABNET_PREDICTIONS = "crabnet_agl_test_predictions.csv"


class MissingResearchTable(UserError):
    """A table of the benchmark is missing."""


@dataclass(frozen=True)
class ResearchTables:
    """What the benchmark trains and tests on.

    Attributes:
        dft: The small DFT sets, in their stored order: `L96`, `HH143`.
        aflow: AGL values.
        textbook: Measured values that come with the package; no evaluation tests on them.
        family: Family of each row of the research tables, by id.
        paper_splits: For each of `L96`, `HH143`, `MIX`, `AFLOW` the split of each run of the paper.
        crabnet_part: Part (`train`, `val`, `test`) of each reduced formula in CrabNet's split.
        crabnet_kappa: AGL value of each of these formulas, W/(m K).
        published: Predictions of published models for CrabNet's test formulas, W/(m K), by model and formula.
    """

    dft: dict[str, list[LabelledCrystal]]
    aflow: LabelledTable
    textbook: list[LabelledCrystal]
    family: dict[str, str]
    paper_splits: dict[str, dict[int, Split]]
    crabnet_part: dict[str, str]
    crabnet_kappa: dict[str, float]
    published: dict[str, dict[str, float]]

    @property
    def mix(self) -> list[LabelledCrystal]:
        """L96 and HH143, one after the other."""
        return [row for rows in self.dft.values() for row in rows]

    @property
    def dft_formulas(self) -> set[str]:
        """Reduced formulas of the DFT sets and of the textbook values."""
        return {row.crystal.formula_key for row in (*self.mix, *self.textbook)}


def read_research_tables(folder: Path) -> ResearchTables:
    """Read the research folder.

    Raises:
        MissingResearchTable: A table is missing; the message names it.
    """
    for name in (*DFT_TABLES.values(), AFLOW, SPLITS, CRABNET, CRABNET_PREDICTIONS):
        if not (folder / name).is_file():
            raise MissingResearchTable(f"{folder / name} is missing: --data must be the folder of the research tables")
    tables = {name: read_table(folder / file) for name, file in {**DFT_TABLES, "AFLOW": AFLOW}.items()}
    family: dict[str, str] = {}
    for file in (*DFT_TABLES.values(), AFLOW):
        columns = pq.read_table(folder / file, columns=["id", "family"]).to_pydict()
        family.update(zip(columns["id"], columns["family"], strict=True))
    order = pq.read_table(folder / AFLOW, columns=["id", "aflow_order"]).to_pydict()
    place = dict(zip(order["id"], order["aflow_order"], strict=True))
    stored = json.loads(gzip.decompress((folder / SPLITS).read_bytes()))
    sizes = {name: len(tables[name].rows) for name in DFT_TABLES}
    paper = {name: {run: paper_split(n, run) for run in PAPER_RUNS} for name, n in sizes.items()}
    aflow_places = [place[row.crystal.id] for row in tables["AFLOW"].rows]
    everywhere = list(range(sum(sizes.values())))
    paper["AFLOW"] = {run: split_by_test_rows(stored[f"val_idx_AFLOW_{run}"], aflow_places) for run in PAPER_RUNS}
    paper["MIX"] = {run: split_by_test_rows(stored[f"val_idx_MIX_{run}"], everywhere) for run in PAPER_RUNS}
    crabnet = _by_formula(folder / CRABNET)
    predictions = _by_formula(folder / CRABNET_PREDICTIONS)
    models = [column for column in next(iter(predictions.values())) if column != "formula"]
    return ResearchTables(
        dft={name: tables[name].rows for name in DFT_TABLES},
        aflow=tables["AFLOW"],
        textbook=read_table(SHIPPED_TABLES["shipped:textbook"], default_fidelity="experiment").rows,
        family=family,
        paper_splits=paper,
        crabnet_part={formula: row["split"] for formula, row in crabnet.items()},
        crabnet_kappa={formula: float(row["target"]) for formula, row in crabnet.items()},
        published={m: {formula: float(row[m]) for formula, row in predictions.items()} for m in models},
    )


def _by_formula(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a table by reduced formula."""
    with path.open(newline="", encoding="utf-8") as text:
        return {Composition(row["formula"]).reduced_formula: row for row in csv.DictReader(text)}
