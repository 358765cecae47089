"""How many DFT labels is a rung worth? Errors on the same formulas from 25 labels of Phonix up to all of them.

    python -m studies.phonix.learning_curves --data FOLDER [--arm trees ...]

Tested are the formulas of one hash fold. Each draw is an order of the other rows, of which the first N are learnt: all
arms learn the same rows. The AGL stage has seen no tested formula; published hosts may know formation energies or bulk
moduli of some. Networks are heads on embeddings that the labels do not change. One record per cell; a killed run
repeats none that is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from kappatune.model.folds import Rows
from kappatune.storage import atomic_path
from kappatune.structures import Crystal, read_table
from kappatune.structures.table import LabelledCrystal
from kappatune.training.rows import rows_sha256
from studies.phonix.curve_learners import ArmInputs, Learner, fit_and_predict, fit_network, fit_process, fit_trees
from studies.phonix.curve_models import (
    N_DESCRIPTORS,
    N_OF_RUNG,
    PAPER_HOST,
    after_agl,
    before_agl,
    bond_geometry,
    correction_inputs,
    embedding,
    is_tested,
    ln_kappa_of_rung,
    physics_recipe,
    plain_recipe,
)
from studies.research_data import PHONIX, DataOption, research_folder
from studies.store import RESULTS, Record, RecordFile, today, versions

SIZES = (25, 50, 100, 250, 500, 1000)
"""Labels learnt; and then all."""

N_DRAWS = 5
CURVES: Path = RESULTS / "learning_curves.jsonl"


class CurveCell(Record):
    """One arm after one draw of so many labels.

    Attributes:
        record: Always `curve`.
        arm: Name of the arm, one of `ARMS`.
        n: Labels learnt.
        draw: Which order of the rows, and the seed of the learner.
        n_tested: Tested rows.
        mean_abs_log10: Mean |log10(predicted / true)| of these.
        bias_log10: Mean log10(predicted / true).
        spearman: Rank correlation; null where it is not defined.
        seconds: Wall time.
        date: ISO 8601.
        versions: Of Python and the libraries.
    """

    record: Literal["curve"] = "curve"
    arm: str
    n: int
    draw: int
    n_tested: int
    mean_abs_log10: float
    bias_log10: float
    spearman: float | None
    seconds: float
    date: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Arm, labels and draw."""
        return cell_name(self.arm, self.n, self.draw)


def cell_name(arm: str, n: int, draw: int) -> str:
    """Name of a cell, such that cells are sorted by arm and labels."""
    return f"{arm}, {n:05d}, {draw}"


@dataclass(frozen=True)
class Source:
    """Where inputs come from.

    Attributes:
        rows: Phonix.
        data: Folder of the research tables.
        work: Folder of models and inputs.
    """

    rows: list[LabelledCrystal]
    data: Path
    work: Path


@dataclass(frozen=True)
class Arm:
    """A way to learn from N labels.

    Attributes:
        title: What it is called on the page.
        inputs: Makes its inputs.
        learner: Fits them.
    """

    title: str
    inputs: Callable[[Source], ArmInputs]
    learner: Learner


def main(
    data: DataOption = None,
    arm: Annotated[list[str] | None, typer.Option(help="Arms, all by default.")] = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = CURVES,
    work: Annotated[Path, typer.Option(help="Folder of models and inputs.")] = Path("runs/learning-curves"),
) -> None:
    """Compute the cells that are not stored: half an hour on one core that is free."""
    torch.set_num_threads(1)
    unknown = [name for name in arm or () if name not in ARMS]
    if unknown:
        raise typer.BadParameter(f"no arm is called {unknown[0]}; there are {', '.join(ARMS)}")
    folder = research_folder(data)
    source = Source(read_table(folder / PHONIX).rows, folder, work)
    store = RecordFile(results)
    stored = {cell.name for cell in store.read(CurveCell)}
    inputs: dict[str, ArmInputs] = {}
    for n, name, draw in product(sizes(len(split(source.rows)[0])), arm or ARMS, range(1, N_DRAWS + 1)):
        if cell_name(name, n, draw) in stored:
            continue
        if name not in inputs:
            inputs[name] = ARMS[name].inputs(source)
        cell = curve_cell(name, inputs[name], source.rows, n, draw)
        store.add(cell)
        typer.echo(f"{cell.name}: {cell.mean_abs_log10:.3f} ({cell.seconds} s)")


def split(rows: list[LabelledCrystal]) -> tuple[Rows, Rows]:
    """Numbers of the rows that may be learnt, and of those that are tested."""
    tested = np.array([is_tested(row.crystal.formula_key) for row in rows])
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def sizes(n_known: int) -> tuple[int, ...]:
    """Labels learnt: `SIZES` as far as there are so many, and all."""
    return (*(n for n in SIZES if n < n_known), n_known)


def curve_cell(arm: str, inputs: ArmInputs, rows: list[LabelledCrystal], n: int, draw: int) -> CurveCell:
    """Learn the first `n` rows of a draw, and test."""
    started = time.monotonic()
    known, tested = split(rows)
    train = np.random.default_rng([draw, 19]).permutation(known)[:n]
    ln_kappa = np.log([row.kappa for row in rows])
    formulas = np.array([row.crystal.formula_key for row in rows])
    predicted = fit_and_predict(
        inputs, ARMS[arm].learner, torch.from_numpy(ln_kappa), formulas, train, tested, seed=draw
    )
    truth = ln_kappa[tested]
    error = (predicted - truth) / np.log(10.0)
    rank = float(spearmanr(truth, predicted).statistic) if np.ptp(predicted) > 0 else None
    return CurveCell(
        arm=arm,
        n=n,
        draw=draw,
        n_tested=len(tested),
        mean_abs_log10=float(np.abs(error).mean()),
        bias_log10=float(error.mean()),
        spearman=rank,
        seconds=round(time.monotonic() - started, 1),
        date=today(),
        versions=versions(),
    )


def _stored(source: Source, name: str, make: Callable[[], dict[str, NDArray[np.float64]]]) -> dict[str, Tensor]:
    """Arrays from the work folder, made if they are not there."""
    path = source.work / rows_sha256(source.rows)[:12] / f"{name}.npz"
    if not path.is_file():
        made = make()
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(file, **made)  # type: ignore[arg-type]
    stored = np.load(path)
    return {key: torch.from_numpy(stored[key]).double() for key in stored.files}


def _crystals(source: Source) -> list[Crystal]:
    return [row.crystal for row in source.rows]


def _groups(*widths: int) -> tuple[range, ...]:
    ends = np.cumsum([0, *widths]).tolist()
    return tuple(range(a, b) for a, b in pairwise(ends))


def _embedded(*, pretrained: bool, agl: bool) -> Callable[[Source], ArmInputs]:
    """Inputs of a network: the embedding of a host, and with an AGL stage also kappa of that rung as the base."""
    name = "-".join(["formation-energies"] * pretrained + ["agl"] * agl) or "nothing"

    def make(source: Source) -> dict[str, NDArray[np.float64]]:
        recipe = plain_recipe(source.data / PAPER_HOST, pretrained=pretrained)
        if not agl:
            values = embedding(before_agl(recipe), _crystals(source))
            return {"values": values.numpy(), "base": np.zeros(len(values))}
        network = after_agl(recipe, source.data, source.work / name).members[0]
        values = embedding(network, _crystals(source))
        return {"values": values.numpy(), "base": ln_kappa_of_rung(network, values).numpy()}

    def inputs(source: Source) -> ArmInputs:
        stored = _stored(source, name, lambda: make(source))
        return ArmInputs(stored["values"], _groups(stored["values"].shape[1]), stored["base"])

    return inputs


def _physics(source: Source) -> dict[str, Tensor]:
    """Element statistics, descriptors, bond geometry, what the AGL rung predicts, and its ln kappa as the base."""

    def make() -> dict[str, NDArray[np.float64]]:
        crystals = _crystals(source)
        network = after_agl(physics_recipe(), source.data, source.work / "physics").members[0]
        features = embedding(network, crystals)
        inputs = correction_inputs(network, features)
        return {
            "elements": inputs[:, : -N_DESCRIPTORS - N_OF_RUNG].numpy(),
            "descriptors": inputs[:, -N_DESCRIPTORS - N_OF_RUNG : -N_OF_RUNG].numpy(),
            "bonds": bond_geometry(crystals).numpy(),
            "rung": inputs[:, -N_OF_RUNG:].numpy(),
            "base": ln_kappa_of_rung(network, features).numpy(),
        }

    return _stored(source, "physics", make)


def _tabular(parts: Sequence[str]) -> Callable[[Source], ArmInputs]:
    """Inputs by their names in `_physics`; with those of the rung, the target is what that rung lacks."""

    def inputs(source: Source) -> ArmInputs:
        stored = _physics(source)
        base = stored["base"] if "rung" in parts else torch.zeros_like(stored["base"])
        values = [stored[part] for part in parts]
        return ArmInputs(torch.cat(values, dim=1), _groups(*(part.shape[1] for part in values)), base)

    return inputs


_PLAIN = ("elements", "descriptors", "bonds")
_WITH_RUNG = (*_PLAIN, "rung")

ARMS: dict[str, Arm] = {
    "trees": Arm("trees", _tabular(_PLAIN), fit_trees),
    "trees-agl": Arm("trees with the AGL rung", _tabular(_WITH_RUNG), fit_trees),
    "physics": Arm("physics head on the AGL rung", _tabular(("elements", "descriptors", "rung")), fit_network),
    "nothing": Arm("network, nothing pretrained", _embedded(pretrained=False, agl=False), fit_network),
    "formation-energies": Arm("network, formation energies", _embedded(pretrained=True, agl=False), fit_network),
    "process": Arm("Gaussian process", _tabular(_PLAIN), fit_process),
    "process-agl": Arm("Gaussian process with the AGL rung", _tabular(_WITH_RUNG), fit_process),
    "agl": Arm("network, AGL", _embedded(pretrained=False, agl=True), fit_network),
    "formation-energies-agl": Arm(
        "network, formation energies, then AGL", _embedded(pretrained=True, agl=True), fit_network
    ),
}
"""In the order in which they are computed for each number of labels, those that need least time first."""


if __name__ == "__main__":
    typer.run(main)
