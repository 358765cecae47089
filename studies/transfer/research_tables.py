"""The tables the benchmark runs on: those of the paper, in a folder of the user's, and the textbook values we ship."""

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
from studies.transfer.splits import PAPER_RUNS, paper_split, split_by_test_rows

SMALL = {"L96": "l96.parquet", "HH143": "hh143.parquet"}
AFLOW = "aflow_agl.parquet"
SPLITS = "paraisite_splits.json.gz"
CRABNET = "crabnet_agl_split.csv"
CRABNET_PREDICTIONS = "crabnet_agl_test_predictions.csv"


class MissingResearchTable(UserError):
    """A table of the benchmark is missing."""


@dataclass(frozen=True)
class ResearchTables:
    """What the benchmark trains and tests on.

    Attributes:
        small: The small DFT sets, in their stored order: `L96`, `HH143`.
        aflow: AGL values.
        textbook: Measured values that come with the package; no cell tests on them.
        family: Family of each row of the research tables, by id.
        paper: For each of `L96`, `HH143`, `MIX`, `AFLOW` the split of each run of the paper.
        crabnet: Part (`train`, `val`, `test`) of each reduced formula in CrabNet's split.
        crabnet_target: Its value, W/(m K).
        published: Predictions of published models for CrabNet's test formulas, W/(m K), by model and formula.
    """

    small: dict[str, list[LabelledCrystal]]
    aflow: LabelledTable
    textbook: list[LabelledCrystal]
    family: dict[str, str]
    paper: dict[str, dict[int, Split]]
    crabnet: dict[str, str]
    crabnet_target: dict[str, float]
    published: dict[str, dict[str, float]]

    @property
    def mix(self) -> list[LabelledCrystal]:
        """Both small sets, one after the other."""
        return [row for rows in self.small.values() for row in rows]

    @property
    def small_formulas(self) -> set[str]:
        """Reduced formulas of the small sets and of the textbook values."""
        return {row.crystal.formula for row in (*self.mix, *self.textbook)}


def read_research_tables(folder: Path) -> ResearchTables:
    """Read the research folder.

    Raises:
        MissingResearchTable: A table is missing; the message names it.
    """
    for name in (*SMALL.values(), AFLOW, SPLITS, CRABNET, CRABNET_PREDICTIONS):
        if not (folder / name).is_file():
            raise MissingResearchTable(
                f"{folder / name} is missing: the benchmark needs the research tables, give their folder"
            )
    tables = {name: read_table(folder / file) for name, file in {**SMALL, "AFLOW": AFLOW}.items()}
    family: dict[str, str] = {}
    for file in (*SMALL.values(), AFLOW):
        columns = pq.read_table(folder / file, columns=["id", "family"]).to_pydict()
        family.update(zip(columns["id"], columns["family"], strict=True))
    order = pq.read_table(folder / AFLOW, columns=["id", "aflow_order"]).to_pydict()
    place = dict(zip(order["id"], order["aflow_order"], strict=True))
    stored = json.loads(gzip.decompress((folder / SPLITS).read_bytes()))
    sizes = {name: len(tables[name].rows) for name in SMALL}
    paper = {name: {run: paper_split(n, run) for run in PAPER_RUNS} for name, n in sizes.items()}
    aflow_places = [place[row.crystal.id] for row in tables["AFLOW"].rows]
    everywhere = list(range(sum(sizes.values())))
    paper["AFLOW"] = {run: split_by_test_rows(stored[f"val_idx_AFLOW_{run}"], aflow_places) for run in PAPER_RUNS}
    paper["MIX"] = {run: split_by_test_rows(stored[f"val_idx_MIX_{run}"], everywhere) for run in PAPER_RUNS}
    crabnet = _by_formula(folder / CRABNET)
    predictions = _by_formula(folder / CRABNET_PREDICTIONS)
    models = [column for column in next(iter(predictions.values())) if column != "formula"]
    return ResearchTables(
        small={name: tables[name].rows for name in SMALL},
        aflow=tables["AFLOW"],
        textbook=read_table(SHIPPED_TABLES["shipped:textbook"], default_fidelity="experiment").rows,
        family=family,
        paper=paper,
        crabnet={formula: row["split"] for formula, row in crabnet.items()},
        crabnet_target={formula: float(row["target"]) for formula, row in crabnet.items()},
        published={m: {formula: float(row[m]) for formula, row in predictions.items()} for m in models},
    )


def _by_formula(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a table by reduced formula."""
    with path.open(newline="", encoding="utf-8") as text:
        return {Composition(row["formula"]).reduced_formula: row for row in csv.DictReader(text)}
