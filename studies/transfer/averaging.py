"""Would `accurate` gain if it were averaged with a simple learner? From predictions that a benchmark has stored.

    python -m studies.transfer.averaging [--work runs/benchmark]

Nothing is trained: for every split both have answered, the mean of their ln kappa. `--work` is that of `kappatune
benchmark`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import typer

from studies.results import FOLDER, store
from studies.transfer.comparisons import split_kind
from studies.transfer.evaluations import Store, evaluation_name, read_evaluations

OTHERS = ("gaussian-process", "feature-transfer", "gradient-boosting", "atoms-by-site")


def main(work: Path = Path("runs/benchmark"), model: str = "accurate") -> None:
    cells = Store(FOLDER / "transfer", work)
    errors: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for cell in read_evaluations(cells.results):
        if cell.model != model or cell.study not in ("paper", "grouped", "transfer"):
            continue
        names = {o: evaluation_name(cell.study, o, cell.train, cell.test, cell.split) for o in OTHERS}
        if not all(cells.has(name) for name in (cell.name, *names.values())):
            continue
        own = cells.answered(cell.name)
        ours, truth = np.log10(own.predicted), np.log10(own.truth)
        group = errors[f"{cell.study}, {cell.train} to {cell.test}, {split_kind(cell.split)}"]
        group[model].append(np.abs(ours - truth))
        for other, name in names.items():
            answer = cells.answered(name)
            if list(answer.ids) != list(own.ids):
                raise typer.BadParameter(f"{name} and {cell.name} answer for other crystals: compute both again")
            theirs = np.log10(answer.predicted)
            group[other].append(np.abs(theirs - truth))
            group[f"mean with {other}"].append(np.abs((ours + theirs) / 2 - truth))
    means = {
        where: {"n": sum(map(len, group[model]))}
        | {name: round(float(np.concatenate(each).mean()), 4) for name, each in group.items()}
        for where, group in errors.items()
    }
    store("averaging", {"model": model, "mean_abs_log10": means})


if __name__ == "__main__":
    typer.run(main)
