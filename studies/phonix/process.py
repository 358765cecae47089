"""How good are Gaussian processes on what the AGL rung of `fast` lacks, with element statistics and bond geometry?

    python -m studies.phonix.process --data FOLDER [--protocol formula ...]

Plain learners that a network trained on Phonix has to beat. Their inputs are the element statistics, the bond geometry,
and what the shipped AGL rung predicts; that rung knows AGL values of a sixth of the tested formulas, so that these
figures are not yet by the rule that no stage may have seen them. A killed run repeats nothing that is done.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from kappatune.model.graphs import build_graphs
from kappatune.model.hosts import load_host
from kappatune.model.kappa_model import KappaModel
from kappatune.model.rules import GraphRules
from kappatune.storage import atomic_path
from kappatune.training.gaussian_process import GaussianProcess
from kappatune.training.rows import rows_sha256
from studies.phonix.curve_learners import standardised
from studies.phonix.evaluations import PHONIX_RESULTS, evaluations
from studies.phonix.labels import DftLabels, read_labels
from studies.phonix.splits import PROTOCOLS, LabelSplit
from studies.research_data import DataOption, research_folder
from studies.store import RecordFile

MODEL = "gaussian processes"
START = "fast"
SEEDS = (1, 2, 3)
"""One process each, averaged: they find the length scales on different crystals."""

_CHUNK = 128


@dataclass(frozen=True)
class Inputs:
    """What the process sees of each labelled crystal.

    Attributes:
        values: (n, d) element statistics, bond geometry, and descriptors with what the AGL rung predicts.
        groups: Columns of each of the three.
        ln_kappa: (n,) of the AGL rung.
    """

    values: Tensor
    groups: tuple[range, ...]
    ln_kappa: NDArray[np.float64]


def main(
    data: DataOption = None,
    protocol: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(PROTOCOLS)}; all by default.")] = None,
    results: Annotated[Path, typer.Option(help="File of the results.")] = PHONIX_RESULTS,
    work: Annotated[Path, typer.Option(help="Folder of inputs and predictions, per labels.")] = Path("runs/phonix"),
) -> None:
    """Cross-validate the processes: a quarter of an hour on one core that is free."""
    torch.set_num_threads(1)
    unknown = [name for name in protocol or () if name not in PROTOCOLS]
    if unknown:
        raise typer.BadParameter(f"no protocol is called {unknown[0]}; there are {', '.join(PROTOCOLS)}")
    labels = read_labels(research_folder(data))
    work = work / rows_sha256(labels.rows)[:12]
    inputs = stored_inputs(labels, work / "inputs.npz")
    for name in protocol or PROTOCOLS:
        started = time.monotonic()
        predicted, spread = cross_validate(labels, inputs, list(PROTOCOLS[name](labels)), work / name)
        inside = np.ones(len(predicted), dtype=bool)
        seconds = time.monotonic() - started
        for evaluation in evaluations(MODEL, name, labels, predicted, spread, inside, seed=SEEDS[0], seconds=seconds):
            RecordFile(results).add(evaluation)
            typer.echo(evaluation.summary)


def cross_validate(
    labels: DftLabels, inputs: Inputs, splits: list[LabelSplit], work: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of ln kappa of each tested row, NaN elsewhere; splits already in `work` are read."""
    mean, spread = (np.full(len(labels.rows), np.nan) for _ in range(2))
    for split in splits:
        each = []
        for seed in SEEDS:
            path = work / f"{split.part.replace(' ', '-')}-{seed}.npz"
            if not path.is_file():
                of_test = fit_and_predict(inputs, np.log(labels.kappa), split, seed)
                with atomic_path(path) as partial, partial.open("wb") as file:
                    np.savez(file, mean=of_test[0], spread=of_test[1])
            stored = np.load(path)
            each.append((stored["mean"], stored["spread"]))
        means, spreads = np.array(each).swapaxes(0, 1)
        mean[split.test] = means.mean(axis=0)
        spread[split.test] = np.sqrt(means.var(axis=0) + np.square(spreads).mean(axis=0))
    return mean, spread


def fit_and_predict(
    inputs: Inputs, ln_kappa: NDArray[np.float64], split: LabelSplit, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of ln kappa of the tested rows, by a process that knows the training rows alone."""
    x = standardised(inputs.values, split.train)
    targets = torch.from_numpy(ln_kappa - inputs.ln_kappa)[split.train]
    mean, spread = GaussianProcess.fit(x[split.train], targets, inputs.groups, seed).predict(x[split.test])
    return mean.numpy() + inputs.ln_kappa[split.test], spread.numpy()


def stored_inputs(labels: DftLabels, path: Path) -> Inputs:
    """The inputs of all rows, from a file if it is there."""
    if not path.is_file():
        values, ln_kappa = inputs_of(KappaModel.load(START), labels)
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(file, values=values.numpy(), ln_kappa=ln_kappa)
    stored = np.load(path)
    n_bonds = load_host("bond-geometry").embedding_sizes["pooled"]
    n_elements = load_host("element-statistics").embedding_sizes["pooled"]
    ends = (0, n_elements, n_elements + n_bonds, stored["values"].shape[1])
    groups = tuple(range(a, b) for a, b in pairwise(ends))
    return Inputs(torch.from_numpy(stored["values"]).double(), groups, stored["ln_kappa"])


def inputs_of(model: KappaModel, labels: DftLabels) -> tuple[Tensor, NDArray[np.float64]]:
    """Values and ln kappa of `Inputs`: the inputs of the corrections of a model, the mean over members, and bonds."""
    bonds = load_host("bond-geometry")
    rules = GraphRules(bond_envelope="smooth")
    values, ln_kappa = [], []
    for start in range(0, len(labels.rows), _CHUNK):
        crystals = [row.crystal for row in labels.rows[start : start + _CHUNK]]
        batch = model.build_graphs(crystals).batch()
        geometry = bonds.embed(build_graphs(crystals, bonds.cutoff_angstrom, rules).batch())
        with torch.no_grad():
            features = [(member, member.features(batch)) for member in model.members]
            inputs = torch.stack([member.head_inputs(f, "dft") for member, f in features]).mean(dim=0)
            scaled = [member.scaler.ln_kappa(member(f, "agl").scaled) for member, f in features]
        n_elements = inputs.shape[1] - model_columns(model)
        values.append(torch.cat([inputs[:, :n_elements], geometry, inputs[:, n_elements:]], dim=1))
        ln_kappa.append(torch.stack(scaled).mean(dim=0).double().numpy())
    return torch.cat(values), np.concatenate(ln_kappa)


def model_columns(model: KappaModel) -> int:
    """Inputs of a correction that are not fixed columns of the host: descriptors and predictions of the AGL rung."""
    first = model.members[0]
    return first.heads["dft"].centre.numel() - len(first.host.fixed_columns(first.level))  # type: ignore[operator]


if __name__ == "__main__":
    typer.run(main)
