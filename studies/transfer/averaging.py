"""Would `accurate-0.1` gain if its predictions were averaged with those of a simple learner? Nothing is trained.

    python -m studies.transfer.averaging [--work runs/benchmark]

For every split that both have predicted: the error of the mean of their ln kappa. `--work` is that of
`python -m studies.transfer`, which leaves the predictions there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from studies.store import save_result
from studies.transfer.comparisons import split_kind
from studies.transfer.evaluations import EvaluationStore
from studies.transfer.recipes import ACCURATE
from studies.transfer.results import TRANSFER

OTHERS = ("gaussian-process", "feature-transfer", "gradient-boosting", "atoms-by-site")

_Errors = dict[str, dict[str, list[NDArray[np.float64]]]]


def main(
    work: Annotated[Path, typer.Option(help="Folder with the predictions of the benchmark.")] = Path("runs/benchmark"),
    model: Annotated[str, typer.Option(help="Model that is averaged with the baselines.")] = ACCURATE,
) -> None:
    """Average a model with simple learners, from stored predictions, in seconds."""
    store = EvaluationStore(TRANSFER, work)
    errors: _Errors = defaultdict(lambda: defaultdict(list))
    for key in (evaluation.key for evaluation in store.evaluations()):
        others = {name: replace(key, model=name) for name in OTHERS}
        if key.model != model or key.study not in ("paper", "grouped", "transfer"):
            continue
        if not all(store.has(k) for k in (key, *others.values())):
            continue
        own = store.predictions(key)
        ours, truth = np.log10(own.predicted), np.log10(own.truth)
        group = errors[f"{key.study}, {key.train} to {key.test}, {split_kind(key.split)}"]
        group[model].append(np.abs(ours - truth))
        for name, other in others.items():
            predictions = store.predictions(other)
            if list(predictions.ids) != list(own.ids):
                raise typer.BadParameter(f"{other.name} and {key.name} predict other crystals: compute both again")
            theirs = np.log10(predictions.predicted)
            group[name].append(np.abs(theirs - truth))
            group[f"mean with {name}"].append(np.abs((ours + theirs) / 2 - truth))
    means = {
        where: {"n": sum(map(len, group[model]))}
        | {name: round(float(np.concatenate(each).mean()), 4) for name, each in group.items()}
        for where, group in errors.items()
    }
    save_result("averaging", {"model": model, "mean_abs_log10": means})


if __name__ == "__main__":
    typer.run(main)
