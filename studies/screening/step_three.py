"""Models of the paper's step III: formation energies, then AGL values, then L96, HH143 or both.

    python -m studies.screening.step_three --data FOLDER

One AGL stage per seed serves the three sets; five seeds. Resumable; `--work` holds the runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from kappatune.training import train
from kappatune.training.recipe import Recipe, read_recipe
from studies.research_data import DataOption, research_folder

SEEDS = (1, 2, 3, 4, 5)
SETS = {"L96": ("l96.parquet",), "HH143": ("hh143.parquet",), "MIX": ("l96.parquet", "hh143.parquet")}
"""Tables of each of the paper's DFT sets."""


def main(
    data: DataOption = None, work: Annotated[Path, typer.Option(help="Folder of the models.")] = Path("runs")
) -> None:
    """Train the three models: hours."""
    train_models(research_folder(data), work)


def train_models(data: Path, work: Path) -> dict[str, Path]:
    """Train the models that are not there yet.

    Returns:
        The model folder of each set.
    """
    torch.set_num_threads(1)
    step = read_recipe("step-3")
    agl, dft = step.stages
    base = work / "step-3-agl"
    _train_if_missing(step.model_copy(update={"name": "step-3-agl", "seeds": SEEDS, "stages": (agl,)}), data, base)
    folders = {}
    for name, tables in SETS.items():
        folders[name] = work / f"step-3-{name}"
        stage = dft.model_copy(update={"data": tables})
        recipe = Recipe(name=f"step-3-{name}", start=str(base), seeds=SEEDS, stages=(stage,))
        _train_if_missing(recipe, data, folders[name])
    return folders


def _train_if_missing(recipe: Recipe, data: Path, out: Path) -> None:
    if not (out / "card.json").is_file():
        train(recipe, data, out, resume=True)


if __name__ == "__main__":
    typer.run(main)
