"""What is each rung worth when no label of the tested family is known? The chief arms of the learning curves by family.

    python -m studies.phonix.family_curves --data FOLDER [--arm trees ...]

Tested are the rows of one of the ten largest families of Phonix (anion and prototype). Learnt are a hundred rows of
other families, or all of them, and never a formula of the tested family. One AGL stage of each kind serves all ten: it
has seen no formula of any of them. Other crystals of a family's prototype stay in it. One record per cell; a killed run
repeats none that is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from kappatune.structures import read_table
from kappatune.structures.table import LabelledCrystal
from studies.phonix.curve_arms import ARMS, CHIEF_ARMS, ArmOption, Source, arms
from studies.phonix.curve_cells import ArmCell, measured
from studies.phonix.curve_learners import ArmInputs
from studies.phonix.labels import PHONIX_SET, labels_of
from studies.phonix.splits import LabelSplit, family_splits
from studies.research_data import PHONIX, DataOption, research_folder
from studies.store import RESULTS, RecordFile

N_FAMILIES = 10
FEW = 100
"""Labels learnt; and then all."""

N_DRAWS = 3
FAMILY_CURVES: Path = RESULTS / "family_curves.jsonl"


class FamilyCell(ArmCell):
    """One arm after one draw of so many labels, tested on a family that it has no label of.

    Attributes:
        family: Anion, anonymous formula, space group and number of sites.
        n_known: All labels that may be learnt.
    """

    record: Literal["family"] = "family"
    family: str
    n_known: int

    @property
    def name(self) -> str:
        """Family, arm, labels and draw."""
        return cell_name(self.family, self.arm, self.n, self.draw)


def cell_name(family: str, arm: str, n: int, draw: int) -> str:
    """Name of a cell, such that cells are sorted by family, arm and labels."""
    return f"{family}, {arm}, {n:05d}, {draw}"


def main(
    data: DataOption = None,
    arm: ArmOption = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = FAMILY_CURVES,
    work: Annotated[Path, typer.Option(help="Folder of models and inputs.")] = Path("runs/family-curves"),
) -> None:
    """Compute the cells that are not stored: an hour on one core that is free."""
    torch.set_num_threads(1)
    folder = research_folder(data)
    rows = read_table(folder / PHONIX).rows
    families = largest_families(rows)
    source = Source(rows, folder, work, frozenset().union(*(family.unseen for family in families)).__contains__)
    store = RecordFile(results)
    stored = {cell.name for cell in store.read(FamilyCell)}
    inputs: dict[str, ArmInputs] = {}
    for name, family, draw in product(arms(arm, CHIEF_ARMS), families, range(1, N_DRAWS + 1)):
        for n in (FEW, len(family.train)):
            if cell_name(family.part, name, n, draw) in stored:
                continue
            if name not in inputs:
                inputs[name] = ARMS[name].inputs(source)
            cell = family_cell(name, inputs[name], rows, family, n, draw)
            store.add(cell)
            typer.echo(f"{cell.name}: {cell.mean_abs_log10:.3f} ({cell.seconds} s)")


def largest_families(rows: list[LabelledCrystal]) -> list[LabelSplit]:
    """The ten largest families of Phonix, the largest first, each left out; of equally large ones the first by name."""
    return list(islice(family_splits(labels_of({PHONIX_SET: rows}, {}), smallest=1), N_FAMILIES))


def family_cell(
    arm: str, inputs: ArmInputs, rows: Sequence[LabelledCrystal], family: LabelSplit, n: int, draw: int
) -> FamilyCell:
    """Learn the first `n` rows of a draw from outside a family, and test its rows."""
    known, tested = family.train, family.test
    return FamilyCell(**measured(arm, inputs, rows, known, tested, n, draw), family=family.part, n_known=len(known))


if __name__ == "__main__":
    typer.run(main)
