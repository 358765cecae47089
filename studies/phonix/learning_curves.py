"""How many DFT labels is a rung worth? Errors on the same formulas from 25 labels of Phonix up to all of them.

    python -m studies.phonix.learning_curves --data FOLDER [--arm trees ...]

Tested are the formulas of one hash fold. Each draw is an order of the other rows, of which the first N are learnt: all
arms learn the same rows. No stage has seen a tested formula; published hosts may know formation energies or bulk
moduli of some. Networks are heads on embeddings that the labels do not change. One record per cell; a killed run
repeats none that is stored.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer

from kappatune.model.folds import Rows
from kappatune.structures import read_table
from kappatune.structures.table import LabelledCrystal
from studies.phonix.cheap_stages import trained_stages
from studies.phonix.curve_arms import ARMS, ArmOption, Source, arms
from studies.phonix.curve_cells import ArmCell, measured
from studies.phonix.curve_learners import ArmInputs
from studies.phonix.curve_models import in_test_fold
from studies.research_data import PHONIX, DataOption, research_folder
from studies.store import RESULTS, RecordFile

SIZES = (25, 50, 100, 250, 500, 1000)
"""Labels learnt; and then all."""

N_DRAWS = 5
CURVES: Path = RESULTS / "learning_curves.jsonl"


class CurveCell(ArmCell):
    """One arm after one draw of so many labels, tested on the test fold."""

    record: Literal["curve"] = "curve"

    @property
    def name(self) -> str:
        """Arm, labels and draw."""
        return cell_name(self.arm, self.n, self.draw)


def cell_name(arm: str, n: int, draw: int) -> str:
    """Name of a cell, such that cells are sorted by arm and labels."""
    return f"{arm}, {n:05d}, {draw}"


def main(
    data: DataOption = None,
    arm: ArmOption = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = CURVES,
    work: Annotated[Path, typer.Option(help="Folder of models and inputs.")] = Path("runs/learning-curves"),
) -> None:
    """Compute the cells that are not stored: two hours on one core that is free."""
    torch.set_num_threads(1)
    folder = research_folder(data)
    source = Source(read_table(folder / PHONIX).rows, folder, work, in_test_fold)
    store = RecordFile(results)
    stored = {cell.name for cell in store.read(CurveCell)}
    inputs: dict[str, ArmInputs] = {}
    for n, name, draw in product(sizes(len(split(source.rows)[0])), arms(arm), range(1, N_DRAWS + 1)):
        if cell_name(name, n, draw) in stored:
            continue
        if name not in inputs:
            inputs[name] = ARMS[name].inputs(source)
        cell = curve_cell(name, inputs[name], source.rows, n, draw)
        store.add(cell)
        typer.echo(f"{cell.name}: {cell.mean_abs_log10:.3f} ({cell.seconds} s)")
    if stages := trained_stages(work):
        store.add(*stages)


def split(rows: list[LabelledCrystal]) -> tuple[Rows, Rows]:
    """Numbers of the rows that may be learnt, and of those that are tested."""
    tested = np.array([in_test_fold(row.crystal.formula_key) for row in rows])
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def sizes(n_known: int) -> tuple[int, ...]:
    """Labels learnt: `SIZES` as far as there are so many, and all."""
    return (*(n for n in SIZES if n < n_known), n_known)


def curve_cell(arm: str, inputs: ArmInputs, rows: list[LabelledCrystal], n: int, draw: int) -> CurveCell:
    """Learn the first `n` rows of a draw, and test."""
    known, tested = split(rows)
    return CurveCell(**measured(arm, inputs, rows, known, tested, n, draw))


if __name__ == "__main__":
    typer.run(main)
