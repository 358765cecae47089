"""AGL values of formulas a model has not seen: AFLOW in five folds, and CrabNet's published split."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kappatune.model.folds import Split, group_folds
from kappatune.model.graphs import build_graphs
from kappatune.model.kappa_model import KappaModel
from kappatune.structures.table import LabelledCrystal
from kappatune.training.recipe import Recipe
from studies.transfer.cached_training import trained_member
from studies.transfer.evaluations import Answered, Store, Study, evaluation_name
from studies.transfer.research_tables import ResearchTables

N_FOLDS = 5
SMALLEST_KAPPA = 1e-3
"""W/(m K), in place of published predictions that are not positive."""

FOLD_MEMBERS = 2
CRABNET_MEMBERS = 3
"""Members of the ensembles here, of the recipe's five: the first ones."""


def aflow_folds(
    recipe: Recipe, model: str, research: ResearchTables, store: Store, work: Path, say: Callable[[str], None]
) -> None:
    """Five folds by formula; one cell per fold."""
    for k, (train, test) in enumerate(
        group_folds([row.crystal.formula for row in research.aflow.rows], N_FOLDS, seed=0)
    ):
        small = recipe.model_copy(update={"seeds": recipe.seeds[:FOLD_MEMBERS]})
        _cell("aflow", f"formula-{k}", small, model, research, (train, test), store, work, say)


def crabnet_split(
    recipe: Recipe,
    model: str,
    research: ResearchTables,
    store: Store,
    work: Path,
    say: Callable[[str], None],
) -> None:
    """Trained on the formulas CrabNet trains on, tested on its test formulas.

    One cell holds the crystals; in another each formula counts once, with the median over its crystals, against
    CrabNet's value and beside the published models.
    """
    part = np.array([research.crabnet.get(row.crystal.formula, "") for row in research.aflow.rows])
    recipe = recipe.model_copy(update={"seeds": recipe.seeds[:CRABNET_MEMBERS]})
    rows = (np.flatnonzero((part == "train") | (part == "val")), np.flatnonzero(part == "test"))
    _cell("crabnet", "published", recipe, model, research, rows, store, work, say)
    crystals = store.answered(evaluation_name("crabnet", model, "AFLOW", "AFLOW", "published"))
    of_formula = np.asarray(crystals.formulas)
    published = {name: p for name, p in research.published.items() if set(of_formula) & p.keys()}
    shared = sorted(set(of_formula).intersection(*published.values()))
    own = {formula: float(np.median(crystals.predicted[of_formula == formula])) for formula in shared}
    for name, predicted in {model: own, **published}.items():
        answered = Answered(
            ids=shared,
            formulas=shared,
            groups=["" for _ in shared],
            truth=np.array([research.crabnet_target[formula] for formula in shared]),
            predicted=np.array([max(predicted[formula], SMALLEST_KAPPA) for formula in shared]),
            spread=np.full(len(shared), np.nan),
            distance=np.full(len(shared), np.nan),
        )
        store.put("crabnet", name, "AFLOW", "AFLOW", "by-formula", answered, n_train=len(rows[0]), seconds=0.0)


def _cell(
    study: Study,
    split: str,
    recipe: Recipe,
    model: str,
    research: ResearchTables,
    rows: Split,
    store: Store,
    work: Path,
    say: Callable[[str], None],
) -> None:
    if store.has(evaluation_name(study, model, "AFLOW", "AFLOW", split)):
        return
    started = time.monotonic()
    train, test = rows
    table = research.aflow
    known = replace(table, rows=[table.rows[i] for i in train])
    members = [
        trained_member(recipe, recipe.stages[0], known, seed, work / f"{model}-{study}-{split}-{seed}")
        for seed in recipe.seeds
    ]
    answered, n_unanswered = ask(members, [table.rows[i] for i in test], "agl", research.family)
    cell = store.put(
        study,
        model,
        "AFLOW",
        "AFLOW",
        split,
        answered,
        n_train=len(train),
        n_left_out=n_unanswered,
        seconds=time.monotonic() - started,
        details={"seeds": list(recipe.seeds), "stage": [m.card.metrics[recipe.stages[0].name][0] for m in members]},
    )
    say(f"{cell.name}: mean |log10| error {cell.metrics.mean_abs_log10:.3f}")


def ask(
    members: Sequence[KappaModel], rows: list[LabelledCrystal], fidelity: str, family: dict[str, str]
) -> tuple[Answered, int]:
    """What an ensemble of separately trained members says of labelled rows.

    Returns:
        The answers, and how many rows have none.
    """
    able = [row for row in rows if members[0].supports(row.crystal)]
    graphs = build_graphs([row.crystal for row in able], members[0].cutoff)
    bonded = np.flatnonzero(graphs.n_bonds > 0)
    answers = [member.member_outputs(graphs, fidelity) for member in members]
    ln_kappa = np.concatenate([answer.ln_kappa for answer in answers])[:, bonded]
    kept = [able[i] for i in bonded]
    answered = Answered(
        ids=[row.crystal.id for row in kept],
        formulas=[row.crystal.formula for row in kept],
        groups=[family[row.crystal.id] for row in kept],
        truth=np.array([row.kappa for row in kept]),
        predicted=np.exp(ln_kappa.mean(axis=0)),
        spread=ln_kappa.std(axis=0, ddof=1) if len(ln_kappa) > 1 else np.full(len(kept), np.nan),
        distance=members[0].distances(answers[0], fidelity)[bonded],
    )
    return answered, len(rows) - len(kept)
