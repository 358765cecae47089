"""Evaluations on AGL values of formulas a model has not seen: AFLOW in five folds, and CrabNet's published split."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kappatune.model.folds import Split, group_folds
from kappatune.model.kappa_model import KappaModel
from kappatune.progress import Message, OnProgress
from kappatune.structures.table import LabelledCrystal
from kappatune.training.recipe import Recipe
from studies.transfer.cached_training import trained_member
from studies.transfer.evaluations import EvaluationKey, EvaluationStore, Predictions
from studies.transfer.research_tables import ResearchTables

N_FOLDS = 5
SMALLEST_KAPPA = 1e-3
"""W/(m K), in place of published predictions that are not positive."""

FOLD_MEMBERS = 2
CRABNET_MEMBERS = 3
"""How many of the recipe's five members are trained here: the first ones."""


def evaluate_aflow_folds(
    recipe: Recipe, model: str, tables: ResearchTables, store: EvaluationStore, work: Path, on_progress: OnProgress
) -> None:
    """Five folds by formula, one evaluation per fold."""
    small = recipe.model_copy(update={"seeds": recipe.seeds[:FOLD_MEMBERS]})
    folds = group_folds([row.crystal.formula_key for row in tables.aflow.rows], N_FOLDS, seed=0)
    for k, split in enumerate(folds):
        key = EvaluationKey("aflow", model, "AFLOW", "AFLOW", f"formula-{k}")
        _evaluate(key, small, tables, split, store, work, on_progress)


def evaluate_crabnet_split(
    recipe: Recipe, model: str, tables: ResearchTables, store: EvaluationStore, work: Path, on_progress: OnProgress
) -> None:
    """Train on the formulas CrabNet trains on, test on its test formulas.

    One evaluation counts crystals; in another each formula counts once, with the median over its crystals, against
    CrabNet's value and beside the published models.
    """
    part = np.array([tables.crabnet_part.get(row.crystal.formula_key, "") for row in tables.aflow.rows])
    recipe = recipe.model_copy(update={"seeds": recipe.seeds[:CRABNET_MEMBERS]})
    split = (np.flatnonzero((part == "train") | (part == "val")), np.flatnonzero(part == "test"))
    by_crystal = EvaluationKey("crabnet", model, "AFLOW", "AFLOW", "published")
    _evaluate(by_crystal, recipe, tables, split, store, work, on_progress)
    crystals = store.predictions(by_crystal)
    formula_of_row = np.asarray(crystals.formulas)
    published = {name: p for name, p in tables.published.items() if set(formula_of_row) & p.keys()}
    shared = sorted(set(formula_of_row).intersection(*published.values()))
    own = {formula: float(np.median(crystals.predicted[formula_of_row == formula])) for formula in shared}
    for name, predicted in {model: own, **published}.items():
        predictions = Predictions(
            ids=shared,
            formulas=shared,
            groups=["" for _ in shared],
            truth=np.array([tables.crabnet_kappa[formula] for formula in shared]),
            predicted=np.array([max(predicted[formula], SMALLEST_KAPPA) for formula in shared]),
            spread=np.full(len(shared), np.nan),
            distance=np.full(len(shared), np.nan),
        )
        key = EvaluationKey("crabnet", name, "AFLOW", "AFLOW", "by-formula")
        store.add(key, predictions, n_train=len(split[0]), seconds=0.0)


def predict_rows(
    members: Sequence[KappaModel], rows: list[LabelledCrystal], fidelity: str, family: dict[str, str]
) -> tuple[Predictions, int]:
    """Predict labelled rows with an ensemble of separately trained members.

    Returns:
        The predictions, and how many rows have none.
    """
    supported = [row for row in rows if members[0].supports(row.crystal)]
    graphs = members[0].build_graphs([row.crystal for row in supported])
    bonded = np.flatnonzero(graphs.n_bonds > 0)
    outputs = [member.member_outputs(graphs, fidelity) for member in members]
    ln_kappa = np.concatenate([output.ln_kappa for output in outputs])[:, bonded]
    predicted = [supported[i] for i in bonded]
    predictions = Predictions(
        ids=[row.crystal.id for row in predicted],
        formulas=[row.crystal.formula_key for row in predicted],
        groups=[family[row.crystal.id] for row in predicted],
        truth=np.array([row.kappa for row in predicted]),
        predicted=np.exp(ln_kappa.mean(axis=0)),
        spread=ln_kappa.std(axis=0, ddof=1) if len(ln_kappa) > 1 else np.full(len(predicted), np.nan),
        distance=members[0].distances(outputs[0], fidelity)[bonded],
    )
    return predictions, len(rows) - len(predicted)


def _evaluate(
    key: EvaluationKey,
    recipe: Recipe,
    tables: ResearchTables,
    split: Split,
    store: EvaluationStore,
    work: Path,
    on_progress: OnProgress,
) -> None:
    if store.has(key):
        return
    started = time.monotonic()
    train, test = split
    known = replace(tables.aflow, rows=[tables.aflow.rows[i] for i in train])
    members = [
        trained_member(recipe, recipe.stages[0], known, seed, work / f"{key.model}-{key.study}-{key.split}-{seed}")
        for seed in recipe.seeds
    ]
    predictions, n_without = predict_rows(members, [tables.aflow.rows[i] for i in test], "agl", tables.family)
    evaluation = store.add(
        key,
        predictions,
        n_train=len(train),
        n_left_out=n_without,
        seconds=time.monotonic() - started,
        details={"seeds": list(recipe.seeds), "stage": [m.card.metrics[recipe.stages[0].name][0] for m in members]},
    )
    on_progress(Message(evaluation.summary))
