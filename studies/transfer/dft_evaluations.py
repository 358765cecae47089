"""Evaluations on the small DFT sets: kappa of crystals a model has not seen, trained on a few dozen others."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from kappatune.model.folds import Rows, Split, group_folds
from kappatune.progress import Message, OnProgress
from studies.transfer.dft_sets import SET_NAMES, DftSets
from studies.transfer.evaluations import EvaluationKey, EvaluationStore, Predictions
from studies.transfer.learners import Learner, LearnerOutput
from studies.transfer.splits import anion, bonding_kind, one_group_out

N_FOLDS = 5
FOLD_SEEDS = (0, 1)
"""The folds by formula are drawn once with each of these seeds."""

SMALLEST_GROUP = 10
"""Crystals an anion or a family needs to be left out as a whole."""


def evaluate_on_dft_sets(
    learner: Learner, model: str, sets: DftSets, store: EvaluationStore, on_progress: OnProgress
) -> None:
    """All evaluations of one learner on the DFT sets that are not stored yet."""
    evaluate_across_sets(learner, model, sets, store, on_progress)
    for name in SET_NAMES:
        evaluate_grouped(learner, model, name, sets, store, on_progress)
    for name in SET_NAMES:
        rows = sets.rows_of[name]
        for run, (train, test) in sets.tables.paper_splits[name].items():
            key = EvaluationKey("paper", model, name, name, f"run-{run}")
            _evaluate(key, [(rows[train], rows[test])], learner, sets, store, on_progress)


def evaluate_across_sets(
    learner: Learner, model: str, sets: DftSets, store: EvaluationStore, on_progress: OnProgress
) -> None:
    """Train on one of L96 and HH143 and test on the other, both ways."""
    for train, test in (("L96", "HH143"), ("HH143", "L96")):
        key = EvaluationKey("transfer", model, train, test, "all")
        _evaluate(key, [(sets.rows_of[train], sets.rows_of[test])], learner, sets, store, on_progress)


def evaluate_grouped(
    learner: Learner, model: str, name: str, sets: DftSets, store: EvaluationStore, on_progress: OnProgress
) -> None:
    """Cross-validation of one set: by formula, by anion and, for both sets together, by family left out."""
    rows = sets.rows_of[name]
    for split, folds in _grouped_folds(sets, name).items():
        key = EvaluationKey("grouped", model, name, name, split)
        _evaluate(key, [(rows[a], rows[b]) for a, b in folds], learner, sets, store, on_progress)


def evaluate_on_textbook(
    learner: Learner, model: str, sets: DftSets, store: EvaluationStore, on_progress: OnProgress
) -> None:
    """Measured values of textbook crystals in folds by formula; trained on both sets without the tested formulas."""
    rows, both = sets.rows_of["beside"], sets.rows_of["MIX"]
    tested = [rows[test] for _, test in group_folds(sets.formulas[rows].tolist(), N_FOLDS, seed=0)]
    folds = [(sets.unseen(test, both), test) for test in tested]
    _evaluate(
        EvaluationKey("textbook", model, "MIX", "textbook", "formula-0"), folds, learner, sets, store, on_progress
    )


def _grouped_folds(sets: DftSets, name: str) -> dict[str, list[Split]]:
    """Folds by anion, family and formula, as positions in the rows of a set."""
    formulas = sets.formulas[sets.rows_of[name]].tolist()
    folds = {"anion-out": list(one_group_out([anion(formula) for formula in formulas], SMALLEST_GROUP).values())}
    if name == "MIX":
        kinds = [bonding_kind(sets.tables.family[row.crystal.id]) for row in sets.tables.mix]
        folds["family-out"] = list(one_group_out(kinds, SMALLEST_GROUP).values())
    for seed in FOLD_SEEDS:
        folds[f"formula-{seed}"] = group_folds(formulas, N_FOLDS, seed=seed)
    return folds


def _evaluate(
    key: EvaluationKey,
    folds: Sequence[Split],
    learner: Learner,
    sets: DftSets,
    store: EvaluationStore,
    on_progress: OnProgress,
) -> None:
    if not folds or store.has(key):
        return
    started = time.monotonic()
    tested: list[Rows] = []
    outputs: list[LearnerOutput] = []
    for train, test in folds:
        unseen = sets.unseen(train, test)
        if len(unseen):
            tested.append(unseen)
            outputs.append(learner(train, unseen))
    rows = np.concatenate(tested)
    everything = [*sets.tables.mix, *sets.beside]
    ids = [everything[i].crystal.id for i in rows]
    predictions = Predictions(
        ids=ids,
        formulas=sets.formulas[rows].tolist(),
        groups=[sets.tables.family.get(id, "") for id in ids],
        truth=sets.kappa[rows],
        predicted=np.exp(np.concatenate([output.ln_kappa for output in outputs])),
        spread=np.concatenate([output.spread for output in outputs]),
        distance=np.concatenate([output.distance for output in outputs]),
    )
    evaluation = store.add(
        key,
        predictions,
        n_train=float(np.mean([len(train) for train, _ in folds])),
        n_left_out=sum(len(test) for _, test in folds) - len(rows),
        seconds=time.monotonic() - started,
    )
    on_progress(Message(evaluation.summary))
